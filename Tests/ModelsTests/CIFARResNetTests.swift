import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureModels

@Suite("Residual networks for CIFAR")
struct CIFARResNetTests {
    private let classes = (0..<10).map(String.init)

    private func architecture(blocks: Int, width: Int = 4) -> ClassifierArchitecture {
        ClassifierArchitecture(
            .cifarResNet(CIFARResNet(blocks: blocks, width: width)), channels: 3, classes: classes,
            mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
    }

    @Test("scores are those of PyTorch, of even and odd sizes", arguments: [1, 2, 3])
    func parity(blocks: Int) throws {
        let golden = try Checkpoint(Goldens.url("cifar_resnets/n\(blocks).safetensors"))
        var tensors = try golden.weights { _, _ in nil }
        let scores = try #require(tensors["scores"])
        tensors["scores"] = nil
        let stored = try #require(golden["pixels"])
        let pixels = try Tensor(Array(golden.data(of: stored).bytes), shape: stored.shape)
        // Nothing of the file has no place, and nothing is missing.
        let classifier = try ImageClassifier(architecture(blocks: blocks), tensors: tensors)
        #expect(try (classifier.scores(of: pixels) - scores).abs().max().item() < 1e-5)
    }

    @Test(
        "the networks of the paper have their numbers of parameters",
        arguments: [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)])
    func sizes(depth: Int, count: Int) throws {
        let architecture = try ClassifierArchitecture.named("resnet\(depth)", channels: 3, classes: classes)
        guard case .cifarResNet(let network) = architecture.network else { throw ModelError(.unsupported, "another") }
        #expect(network.depth == depth && network.width == 16)
        let parameters = architecture.tensors.filter(\.isParameter)
        #expect(parameters.reduce(0) { $0 + $1.shape.reduce(1, *) } == count)
        #expect(architecture.tensors.count { $0.kind == .convolution || $0.kind == .linear } == depth)
        #expect(try ClassifierArchitecture(config: architecture.config) == architecture)
    }

    @Test("a shortcut takes every second pixel, between as many channels of zeros")
    func shortcut() throws {
        let numbers = (0..<30).map(Float.init)
        let input = try Tensor(numbers, shape: [1, 2, 3, 5]).tracked()
        var forward = ClassifierForward([:])
        let output = try forward.run([.subsample(stride: 2, channels: 5)], input)
        #expect(output.shape == [1, 5, 2, 3])
        // One channel of zeros before, and the two that make five after.
        let none = [Float](repeating: 0, count: 6)
        let kept: [Float] = [0, 2, 4, 10, 12, 14, 15, 17, 19, 25, 27, 29]
        #expect(try output.elements(as: Float.self) == none + kept + none + none)
        let gradient = try output.sum().gradients(of: [input])[0].elements(as: Float.self)
        #expect(gradient == numbers.map { kept.contains($0) ? 1 : 0 })
    }

    @Test("any width can be trained", arguments: [0.0625, 0.1875, 0.25])
    func widths(width: Double) throws {
        let architecture = try ClassifierArchitecture.named("resnet20", width: width, channels: 1, classes: ["a", "b"])
        let classifier = try ImageClassifier.initial(architecture, seed: 1)
        let scores = try architecture.trainingScores(
            of: .zeros([2, 1, 9, 7], dtype: .uint8), with: classifier.tensors, random: RandomSource(seed: 1)
        ).scores
        #expect(scores.shape == [2, 2])
    }

    @Test(
        "configurations that make no network are refused in one line",
        arguments: [
            (
                #""depth": 21, "width": 16"#,
                "depth: there is no network of this depth (expected 6n + 2: 8, 14, 20 and so on"
            ),
            (#""depth": 2, "width": 16"#, "depth: this number is out of range (expected 8...1202, found 2)"),
            (#""depth": 6002, "width": 16"#, "depth: this number is out of range"),
            (#""depth": "20", "width": 16"#, "depth"),
            (#""depth": 20, "width": 0"#, "width: this number is out of range"),
            (#""width": 16"#, "depth"), (#""depth": 20"#, "width")
        ])
    func badConfigurations(fields: String, says: String) throws {
        let text =
            #"{"model_type": "cifar_resnet", \#(fields), "channels": 1, "classes": ["a"], "mean": [0], "std": [1]}"#
        let config = try JSON.parse(Array(text.utf8), source: "config.json")
        let error = #expect(throws: (any Error).self) { try ClassifierArchitecture(config: config) }
        let line = error.map { "\($0)" } ?? ""
        #expect(line.contains(says) && !line.contains("\n"), "\(line)")
    }

    @Test("tensors that are missing, superfluous or of another shape are told by name")
    func badTensors() throws {
        let tensors = try ImageClassifier.initial(architecture(blocks: 1), seed: 1).tensors
        func message(_ change: (inout [String: Tensor]) throws -> Void) throws -> String {
            var changed = tensors
            try change(&changed)
            let error = #expect(throws: ModelError.self) {
                try ImageClassifier(architecture(blocks: 1), tensors: changed)
            }
            return error?.description ?? ""
        }
        #expect(
            try message { $0["layer2.0.conv1.weight"] = nil }
                == "layer2.0.conv1.weight: a tensor of the architecture is missing (expected [8, 4, 3, 3])")
        #expect(try message { $0["linear.weight"] = try .zeros([10, 8]) }.contains("expected [10, 16], found [10, 8]"))
        #expect(
            try message { $0["layer2.0.downsample.0.weight"] = try .zeros([8, 4, 1, 1]) }
                .hasPrefix("layer2.0.downsample.0.weight: the configuration has no place"))
    }

    @Test("weights are imported as the public ones want their pictures; those of another depth are refused")
    func importing() throws {
        let network = try ClassifierArchitecture.named("resnet20", channels: 3, classes: classes)
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "weights.safetensors")
            try SafetensorsWriter.write(
                try ImageClassifier.initial(network, seed: 1).tensors.map { SafetensorsSource($0, $1) }, to: url)
            let imported = try ImageClassifier.importing(url, architecture: "resnet20").architecture
            #expect(imported.network == network.network && imported.classes == classes)
            #expect(imported.fit == .resized(32))
            #expect(imported.mean == [0.485, 0.456, 0.406] && imported.deviation == [0.229, 0.224, 0.225])
            for (name, tensor) in [("resnet32", "layer1.3"), ("resnet18", "fc.weight")] {
                let error = #expect(throws: ModelError.self) {
                    try ImageClassifier.importing(url, architecture: name)
                }
                #expect(error?.code == .badWeights && error?.description.contains(tensor) == true)
            }
        }
    }
}
