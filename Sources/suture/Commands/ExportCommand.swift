import ArgumentParser
import Foundation
import SutureKit

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a patch as a LoRA adapter or a control vector, or a classifier as ONNX, for other software.",
        discussion: """
            peft and mlx make a directory, gguf a file for llama.cpp. Columns, rows and sparse changes of matrices become \
            factors with the very same numbers, which a loader merges to the bits that apply writes. Low-rank changes keep \
            their factors, but a loader multiplies them in float32 and in an order of its own: merged weights may differ \
            in the last bits. Dense and quantized changes do not fit. controlvector makes a file for llama.cpp of a patch \
            that suture steer made.

            onnx makes a file of a classifier of images, with patches applied on the way (--patch): opset 17, float32, for \
            any number of images. Its input "pixels" is normalised already, (value / 255 - mean) / std; notes in the file say \
            so, with the numbers and the names of the classes. suture import makes the same classifier of it, to the bit.

            suture export fog-fixed.safetensors --to peft --base model -o adapter
            suture export standard --to onnx --patch fog.safetensors -o standard.onnx
            """)

    @Argument(help: "A patch file; the directory of a classifier with --to onnx.")
    var source: String

    @Option(help: "\(Form.allCases.map(\.rawValue).joined(separator: ", ")).")
    var to: Form

    @Option(help: "The model that the patch is for, which is recorded; gguf and controlvector need it.")
    var base: String?

    @Option(help: "A patch to apply to the classifier; may be given several times.")
    var patch: [String] = []

    @Option(parsing: .unconditional, help: "How much of the patch, or of all that are applied.")
    var scale = 1.0

    @Option(name: .shortAndLong, help: "The directory or file to write.")
    var output: String

    @Flag(help: "Replace what is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    enum Form: String, ExpressibleByArgument, CaseIterable { case peft, mlx, gguf, controlvector, onnx }

    func validate() throws {
        guard to == .onnx || patch.isEmpty else { throw ValidationError("--patch goes with --to onnx.") }
        if to == .onnx {
            guard base == nil else { throw ValidationError("--base goes with a patch, not with --to onnx.") }
            guard scale == 1 || !patch.isEmpty else { throw ValidationError("--scale needs --patch.") }
        }
        guard to == .onnx || to == .peft || to == .mlx || base != nil else {
            throw ValidationError("--base is missing: --to \(to.rawValue) takes names from the model.")
        }
        guard scale.isFinite, scale != 0 else { throw ValidationError("--scale is a finite number other than 0.") }
    }

    func run() throws {
        let form = to == .peft || to == .mlx ? FilePlan.Form.folder(.adapter) : .file
        try FilePlan(reading: [source, base] + patch, writing: [destination(output, form, force: force)]).check()
        if to == .onnx { return try exportONNX() }
        guard let to = Adapter.Form(rawValue: to.rawValue) else { return try exportControlVector() }
        let adapter = try Adapter(AppliedPatch(Patch(contentsOf: URL(filePath: source)), scale: scale))
        let model = try base.map { try Checkpoint(opening: URL(filePath: $0)) }
        try adapter.write(to, to: URL(filePath: output), base: model, overwriting: force)
        let report = try Report(exported: adapter, as: to, of: base, to: output)
        printing.show(report, quietly: output)
    }

    private func exportControlVector() throws {
        guard let base else { return }
        let model = try Checkpoint(opening: URL(filePath: base))
        let steering = try Steering(
            Patch(contentsOf: URL(filePath: source)), scale: scale, of: Architecture(model), source: source)
        try steering.writeControlVector(to: URL(filePath: output), base: model, overwriting: force)
        printing.show(try Report(controlVector: steering, of: base, to: output), quietly: output)
    }

    private func exportONNX() throws {
        let checkpoint = try Checkpoint(opening: URL(filePath: source))
        let patched = try PatchedCheckpoint(checkpoint).adding(appliedPatches(patch, scale: scale))
        let classifier = try ImageClassifier.load(checkpoint) { try patched.data(for: $0, current: $1) }
        try classifier.writeONNX(to: URL(filePath: output), overwriting: force)
        printing.show(try Report(onnx: classifier.architecture, patches: patch, to: output), quietly: output)
    }
}
