import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureModels

@Suite("Classifiers from and to ONNX files")
struct ONNXImportTests {
    /// Those of `Tests/Goldens/onnx`: a network and how it was exported.
    static let files = [
        "cifar-script", "cifar-dynamo", "cifar-norms", "padded-script", "padded-dynamo", "padded-norms", "basic-script",
        "basic-dynamo", "basic-norms", "bottleneck-script", "bottleneck-dynamo", "bottleneck-norms", "cnn-script",
        "cnn-dynamo", "cnn-norms", "vgg-script", "vgg-dynamo", "torchvision-script", "torchvision-dynamo",
        "timm-script",
        "timm-dynamo"
    ]

    private func scores(of file: String, size: Int) throws -> (pixels: Tensor, scores: Tensor) {
        let golden = try Checkpoint(Goldens.url("onnx/scores.safetensors"))
        let stored = try #require(golden["pixels \(size)"])
        let scores = try #require(try golden.weights { _, _ in nil }[file])
        return (try Tensor(Array(golden.data(of: stored).bytes), shape: stored.shape), scores)
    }

    @Test("scores of 50 pictures are those of onnxruntime", arguments: files)
    func parity(file: String) throws {
        let classifier = try ImageClassifier.importing(onnx: Goldens.url("onnx/\(file).onnx"))
        let (pixels, expected) = try scores(of: file, size: file.hasPrefix("basic") ? 32 : 16)
        let found = try classifier.scores(of: pixels)
        #expect(found.shape == expected.shape && found.shape == [50, 5])
        let (difference, size) = (try (found - expected).abs().max().item(), try expected.abs().max().item())
        #expect(difference <= 1e-5 * size, "\(difference) of \(size)")
    }

    @Test("the network is known by its graph")
    func networks() throws {
        func network(_ file: String) throws -> ClassifierArchitecture.Network {
            try ImageClassifier.importing(onnx: Goldens.url("onnx/\(file).onnx")).architecture.network
        }
        for (exporter, hasNorms) in [("script", false), ("dynamo", false), ("norms", true)] {
            #expect(
                try network("cifar-\(exporter)")
                    == .cifarResNet(CIFARResNet(blocks: 1, width: 4, hasBatchNorm: hasNorms)))
            #expect(
                try network("basic-\(exporter)")
                    == .resnet(
                        ResNet(block: .basic, depths: [1, 2], width: 4, stem: .imagenet, hasBatchNorm: hasNorms)))
            #expect(
                try network("bottleneck-\(exporter)")
                    == .resnet(
                        ResNet(block: .bottleneck, depths: [1, 1], width: 2, stem: .cifar, hasBatchNorm: hasNorms)))
            #expect(
                try network("cnn-\(exporter)")
                    == .vgg(VGG(stages: [[4, 4], [6]], hasBatchNorm: hasNorms, pool: 1, hidden: [])))
        }
        #expect(
            try network("vgg-dynamo") == .vgg(VGG(stages: [[4], [6]], hasBatchNorm: false, pool: 2, hidden: [9, 8])))
        #expect(
            try network("timm-script")
                == .vit(ViT(names: .timm, image: 16, patch: 8, width: 8, depth: 1, heads: 2, hidden: 16)))
    }

    @Test("norms that were not folded keep their numbers")
    func numbers() throws {
        let url = Goldens.url("onnx/cifar-norms.onnx")
        let (model, classifier) = (try ONNXModel(url), try ImageClassifier.importing(onnx: url))
        for (name, tensor) in classifier.tensors {
            #expect(try tensor.elements(as: Float.self) == model.tensors[name]?.floats, "\(name)")
        }
    }

    static let wrong: [(file: String, says: String)] = {
        let cases = try? JSON.parse(contentsOf: Goldens.url("onnx/hostile/reasons.json"))
        return (cases?.objectValue ?? [:]).map { ($0.key.string, $0.value.stringValue ?? "?") }
    }()

    @Test("what is wrong, or no network of these, is refused with the reason", arguments: wrong)
    func refused(file: String, says: String) throws {
        let error = #expect(throws: (any Error).self) {
            try ImageClassifier.importing(onnx: Goldens.url("onnx/hostile/\(file)"))
        }
        let line = error.map { "\($0)" } ?? ""
        #expect(line.contains(says) && !line.contains("\n"), "\(line)")
        #expect((error as? any Diagnostic)?.subject?.contains("/hostile/") == true, "\(line)")
    }

    @Test("there are all of the wrong files")
    func wrongFiles() { #expect(Self.wrong.count >= 30) }

    /// A network of each form, small.
    static let architectures: [ClassifierArchitecture] = {
        let networks: [ClassifierArchitecture.Network] = [
            .vgg(VGG(stages: [[3, 4], [5]], hasBatchNorm: true, pool: 1, hidden: [])),
            .vgg(VGG(stages: [[3], [5]], hasBatchNorm: false, pool: 2, hidden: [7, 6], dropout: 0.25)),
            .resnet(ResNet(block: .basic, depths: [2, 1], width: 3, stem: .cifar)),
            .resnet(ResNet(block: .bottleneck, depths: [1, 2], width: 2, stem: .imagenet)),
            .resnet(ResNet(block: .basic, depths: [1, 1], width: 3, stem: .imagenet, hasBatchNorm: false)),
            .cifarResNet(CIFARResNet(blocks: 2, width: 4)),
            .cifarResNet(CIFARResNet(blocks: 1, width: 6, hasBatchNorm: false)),
            .vit(ViT(names: .timm, image: 16, patch: 8, width: 12, depth: 2, heads: 3, hidden: 20)),
            .vit(ViT(names: .torchvision, image: 16, patch: 4, width: 6, depth: 1, heads: 1, hidden: 5))
        ]
        return networks.enumerated().map { index, network in
            let channels = index % 3 == 1 ? 1 : 3
            var architecture = ClassifierArchitecture(
                network, channels: channels, classes: ["a\nb", "ü", "c"], mean: Array(repeating: 0.1, count: channels),
                deviation: Array(repeating: 0.3, count: channels))
            architecture.fit = .resized(16)
            return architecture
        }
    }()

    @Test("an export is imported as the same classifier, bit for bit", arguments: architectures)
    func roundTrip(architecture: ClassifierArchitecture) throws {
        let drawn = try ImageClassifier.initial(architecture, seed: 3)
        // Nothing is what a network begins with, so that no two tensors can be taken for each other.
        let random = try RandomSource(seed: 4)
        let classifier = try ImageClassifier(
            architecture,
            tensors: Dictionary(
                uniqueKeysWithValues: drawn.tensors.map { ($0, try $1.abs() + random.uniform($1.shape)) }))
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "a.onnx")
            try classifier.writeONNX(to: url)
            let imported = try ImageClassifier.importing(onnx: url)
            #expect(imported.architecture == architecture)
            for (name, tensor) in classifier.tensors {
                let other = try #require(imported.tensors[name])
                let (before, after) = (try tensor.elements(as: Float.self), try other.elements(as: Float.self))
                #expect(before == after, "\(name)")
            }
            // A second export has the same bytes.
            try imported.writeONNX(to: directory.appending(path: "b.onnx"))
            let (first, second) = (try Data(contentsOf: url), try Data(contentsOf: directory.appending(path: "b.onnx")))
            #expect(first == second)
            #expect(throws: FormatError.self) { try classifier.writeONNX(to: url) }
        }
    }

    @Test("functions of thousands of operators are refused, not evaluated")
    func deep() throws {
        try withTemporaryDirectory { directory in
            for op in ["Sqrt", "Mul"] {
                var writer = ONNXWriter(name: "a", opset: 17)
                writer.addInput("x", [.open("batch"), .fixed(3), .fixed(8), .fixed(8)])
                writer.addOutput("y", [.open("batch"), .fixed(2)])
                try writer.addTensor("w", [2, 192], [Float](repeating: 1, count: 384))
                var last = writer.addNode("Gemm", [writer.addNode("Flatten", ["x"]), "w"], ["transB": .int(1)])
                for _ in 0..<50_000 { last = writer.addNode(op, op == "Mul" ? [last, last] : [last]) }
                writer.addNode("Identity", [last], output: "y")
                let url = directory.appending(path: "\(op).onnx")
                try writer.write(to: url, overwriting: false)
                let error = #expect(throws: ModelError.self) { try ImageClassifier.importing(onnx: url) }
                #expect(error?.description.contains("this function is in no network") == true)
            }
        }
    }

    @Test("how pictures are prepared is asked for, or as for ImageNet, of the size that the graph takes")
    func preparation() throws {
        let url = Goldens.url("onnx/basic-script.onnx")
        let plain = try ImageClassifier.importing(onnx: url).architecture
        #expect(
            plain.fit == .resized(32) && plain.mean == [0.485, 0.456, 0.406]
                && plain.classes == ["0", "1", "2", "3", "4"])
        let asked = ONNXPreparation(
            classes: ["a", "b", "c", "d", "e"], fit: .cropped(shorter: 40, crop: 32), mean: [0.1, 0.2, 0.3],
            deviation: [1, 2, 3])
        let found = try ImageClassifier.importing(onnx: url, asked).architecture
        #expect(found.classes == asked.classes && found.fit == asked.fit && found.mean == asked.mean)
        #expect(found.deviation == [1, 2, 3])
        for (bad, says) in [
            (ONNXPreparation(classes: ["a"]), "5 names"), (ONNXPreparation(fit: .resized(33)), "another size"),
            (ONNXPreparation(mean: [0.5], deviation: [0.5]), "3 numbers each"),
            (ONNXPreparation(mean: [0, 0, 0], deviation: [1, 1, 0]), "above 0")
        ] {
            let error = #expect(throws: ModelError.self) { try ImageClassifier.importing(onnx: url, bad) }
            #expect(error?.description.contains(says) == true, "\(String(describing: error))")
        }
    }

    @Test("notes that speak of another network are refused, and so is a pooling that ONNX does not have")
    func notes() throws {
        try withTemporaryDirectory { directory in
            func file(_ config: String) throws -> URL {
                let url = directory.appending(path: "a.onnx")
                var writer = ONNXWriter(name: "a", opset: 17)
                writer.addInput("x", [.open("batch"), .fixed(3), .fixed(8), .fixed(8)])
                writer.addOutput("y", [.open("batch"), .fixed(2)])
                try writer.addTensor("w", [2, 192], [Float](repeating: 1, count: 384))
                writer.addNote("suture.config", config)
                writer.addNode("Gemm", [writer.addNode("Flatten", ["x"]), "w"], ["transB": .int(1)], output: "y")
                try writer.write(to: url, overwriting: true)
                return url
            }
            let good = Self.architectures[0].config.serialized()
            for (config, says) in [
                (#"{"a": 1}"#, "model_type"), ("no", "suture.config"),
                (String(decoding: good, as: UTF8.self), "2 classes")
            ] {
                let error = #expect(throws: (any Error).self) {
                    try ImageClassifier.importing(onnx: file(config))
                }
                #expect(error.map { "\($0)" }?.contains(says) == true, "\(String(describing: error))")
            }
            var odd = Self.architectures[1]
            odd.fit = .resized(20)
            let error = #expect(throws: ModelError.self) {
                try ImageClassifier.initial(odd, seed: 1).writeONNX(to: directory.appending(path: "b.onnx"))
            }
            #expect(error?.description.contains("5x5 before the pooling") == true, "\(String(describing: error))")
            let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
            #expect(left == ["a.onnx"])
        }
    }
}
