import ArgumentParser
import Foundation
import SutureKit

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a patch of an adapter, or a classifier of torchvision's or timm's weights or an ONNX file.",
        discussion: """
            With --base, an adapter becomes a patch: an adapter directory of PEFT or mlx-lm, a control vector of llama.cpp, or \
            a safetensors file with what is to be added, by the names of the model's tensors. What has no place in a patch is \
            an error that names it.

            With --architecture, the weights of a classifier become a model that classify, robustness, train and signature \
            take. How its pictures are prepared is recorded: as timm's config.json beside the weights says, else as torchvision \
            prepares for ImageNet (--resize 256 --center-crop 224), or for the networks of CIFAR, resnet20 to resnet110, \
            --resize 32. Classes have their names from --classes, one on a line, else from timm's file, else ImageNet's if \
            there are 1,000.

            An ONNX file (FILE.onnx) of a VGG, a ResNet, a network of CIFAR or a vision transformer becomes such a model, too, \
            without options: its graph says which network it is, and one that computes anything else is refused by the node's \
            name. It does not say how pictures are prepared: --mean and --std are those of pixels in 0...1, ImageNet's if not \
            given; pictures come to the size that the graph takes. A file that suture export wrote says all of this itself.

            suture import adapter --base model -o adapter.safetensors
            suture import resnet18.safetensors --architecture resnet18 -o resnet18
            suture import pets.onnx --classes pets.txt --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 -o pets
            """)

    @Argument(help: "An adapter directory, a safetensors file, the directory of one, or an ONNX file.")
    var source: String

    @Option(help: "The model that an adapter was made for.")
    var base: String?

    @Option(help: "The network of a classifier: \(ClassifierArchitecture.importNames.joined(separator: ", ")).")
    var architecture: String?

    @Option(help: "A file with the names of the classes, one on a line, in the order of the scores.")
    var classes: String?

    @OptionGroup var size: ImageSizeOptions

    @Option(
        help: "The mean of pixels in 0...1 that an ONNX file's network was trained with, a number for each channel.")
    var mean: NumberList?

    @Option(help: "The standard deviation, likewise.")
    var std: NumberList?

    @Option(name: .shortAndLong, help: "The patch file, or the directory of the classifier, to write.")
    var output: String

    @Flag(help: "Replace what is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    private var isONNX: Bool { ImageClassifier.isONNX(URL(filePath: source)) }

    func validate() throws {
        if isONNX {
            guard base == nil, architecture == nil else {
                throw ValidationError("An ONNX file says itself what it is: leave out --base and --architecture.")
            }
            guard (mean == nil) == (std == nil) else { throw ValidationError("--mean and --std go together.") }
            return
        }
        guard (base == nil) != (architecture == nil) else {
            throw ValidationError("Give --base for an adapter, or --architecture for a classifier.")
        }
        guard architecture != nil || (classes == nil && size.asked == nil) else {
            throw ValidationError("--classes, --resize and --pad go with --architecture or an ONNX file.")
        }
        guard mean == nil, std == nil else { throw ValidationError("--mean and --std go with an ONNX file.") }
        if let architecture, !ClassifierArchitecture.importNames.contains(architecture) {
            throw ValidationError(
                "--architecture is one of \(ClassifierArchitecture.importNames.joined(separator: ", ")).")
        }
    }

    func run() throws {
        if let base { return try importAdapter(base) }
        let weights = URL(filePath: source)
        try FilePlan(
            reading: ImageClassifier.importFiles(weights).map(\.relativePath) + [classes],
            writing: [destination(output, .folder(.model()), force: force)]
        ).check()
        let names = try classes.map { try ImageSet.classNames(contentsOf: URL(filePath: $0)) }
        if let architecture {
            try write(.importing(weights, architecture: architecture, classes: names, fit: size.asked))
        } else {
            let preparation = ONNXPreparation(
                classes: names, fit: size.asked, mean: mean?.numbers, deviation: std?.numbers)
            try write(.importing(onnx: weights, preparation))
        }
    }

    private func write(_ classifier: ImageClassifier) throws {
        let target = URL(filePath: output)
        try classifier.write(to: target, overwriting: force)
        let report = try Report(
            of: classifier.architecture, Checkpoint(target), title: target.lastPathComponent)
        printing.show(report, quietly: output)
    }

    private func importAdapter(_ base: String) throws {
        try FilePlan(reading: [source, base], writing: [destination(output, force: force)]).check()
        let (source, model) = (URL(filePath: source), try Checkpoint(opening: URL(filePath: base)))
        let patch =
            Steering.isControlVector(source)
            ? try Steering(controlVector: source, for: Architecture(model)).patch(of: model, method: .importing(source))
            : try Patch(importing: source, base: model)
        let url = URL(filePath: output)
        try patch.write(to: url, overwriting: force)
        printing.show(try Report(patch, title: url.lastPathComponent), quietly: output)
    }
}
