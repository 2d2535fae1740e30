import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

/// The networks of `Tests/Goldens/generate/classifiers.py`.
struct GoldenClassifier: Sendable, CustomTestStringConvertible {
    let name: String
    let form: ClassifierArchitecture.Form
    var channels = 3
    let size: [Int]

    var testDescription: String { key }
    var key: String { "\(name).\(form.rawValue)" }

    static let all: [GoldenClassifier] = [
        .init(name: "resnet18", form: .cifar, size: [32, 32]),
        .init(name: "resnet34", form: .imagenet, size: [64, 48]),
        .init(name: "resnet50", form: .imagenet, size: [64, 64]),
        .init(name: "resnet101", form: .cifar, size: [16, 16]),
        .init(name: "vgg11", form: .cifar, size: [32, 32]),
        .init(name: "vgg13_bn", form: .imagenet, size: [64, 64]),
        .init(name: "vgg16", form: .cifar, size: [32, 32]),
        .init(name: "vgg16_bn", form: .cifar, channels: 1, size: [32, 32]),
        .init(name: "vgg19_bn", form: .cifar, size: [32, 32])
    ]

    func architecture() throws -> ClassifierArchitecture {
        var architecture = try ClassifierArchitecture.named(
            name, form: form, channels: channels, classes: (0..<7).map(String.init))
        if form == .imagenet, case .vgg(var vgg) = architecture.network {
            vgg.hidden = [64, 64]
            architecture.network = .vgg(vgg)
        }
        return architecture
    }

    /// The weights of the script's formula.
    func classifier() throws -> ImageClassifier {
        let architecture = try architecture()
        var tensors: [String: Tensor] = [:]
        for (number, role) in architecture.tensors.enumerated() {
            let index = try Tensor.arange(0..<role.shape.reduce(1, *)).to(.float64)
            let wave = try (index * index * 0.31 + Double(number)).sin()
            let (factor, summand) = scale(role)
            tensors[role.name] = try (wave * factor + summand).to(.float32).reshaped(role.shape)
        }
        return try ImageClassifier(architecture, tensors: tensors)
    }

    private func scale(_ role: ClassifierArchitecture.TensorRole) -> (Double, Double) {
        switch role.kind {
        case .variance: (0.5, 1)
        case .convolution, .linear: (2 / Double(role.shape.dropFirst().reduce(1, *)).squareRoot(), 0)
        case .gain: (0.25, 0.5)
        case .convolutionBias, .linearBias, .shift, .mean, .token: (0.1, 0)
        }
    }

    func pixels() throws -> Tensor {
        let shape = [2, channels] + size
        return try Tensor((0..<shape.reduce(1, *)).map { UInt8(($0 * 7919 + 13) % 256) }, shape: shape)
    }

    func scores() throws -> Tensor {
        let file = try SafetensorsFile(Goldens.url("classifiers/scores.safetensors"))
        let entry = try #require(file["\(key).scores"])
        let numbers = file.bytes(of: entry).withUnsafeBytes { bytes in
            (0..<14).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        return try Tensor(numbers, shape: [2, 7])
    }
}

@Suite("An image classifier computes what torchvision computes")
struct ClassifierTests {
    @Test("scores", arguments: GoldenClassifier.all)
    func parity(golden: GoldenClassifier) throws {
        let found = try golden.classifier().scores(of: golden.pixels())
        #expect(try (found - golden.scores()).abs().max().item() < 1e-4)
    }

    @Test("scores of vision transformers", arguments: ViT.Names.allCases)
    func transformers(names: ViT.Names) throws {
        let golden = try Checkpoint(Goldens.url("vit/\(names.rawValue).safetensors"))
        let vit = ViT(names: names, image: 32, patch: 8, width: 24, depth: 2, heads: 3, hidden: 40)
        let architecture = ClassifierArchitecture(
            .vit(vit), channels: 3, classes: (0..<7).map(String.init))
        func floats(_ name: String) throws -> [Float] {
            try golden.data(of: #require(golden[name])).bytes.withMemoryRebound(to: UInt8.self) { bytes in
                let raw = UnsafeRawBufferPointer(bytes)
                return (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
        }
        let tensors = try architecture.tensors.map { ($0.name, try Tensor(floats($0.name), shape: $0.shape)) }
        // Nothing of the file has no place.
        #expect(Set(golden.tensors.map(\.name)) == Set(tensors.map(\.0) + ["pixels", "scores"]))
        let classifier = try ImageClassifier(architecture, tensors: Dictionary(tensors) { $1 })
        let pixels = try Array(golden.data(of: #require(golden["pixels"])).bytes)
        let input = try Tensor(pixels, shape: [2, 3, 32, 32])
        let found = try classifier.scores(of: input).elements(as: Float.self)
        #expect(try zip(found, floats("scores")).allSatisfy { abs($0 - $1) < 1e-4 })
        #expect(try ClassifierArchitecture(config: architecture.config) == architecture)
        #expect(throws: ModelError.self) { try classifier.scores(of: input.narrowed(2, 0..<24)) }
        #expect(try classifier.fittingClasses(["a"], seed: 1).scores(of: input).shape == [2, 1])
    }

    private let tiny = ClassifierArchitecture(
        .resnet(ResNet(block: .basic, depths: [2, 2, 2, 2], width: 4, stem: .cifar)), channels: 1, classes: ["a", "b"])

    @Test("a classifier comes back from its snapshot as it was", arguments: ["cnn", "vgg11", "vgg16_bn", "resnet50"])
    func roundTrip(name: String) throws {
        var architecture = try ClassifierArchitecture.named(
            name, form: name == "resnet50" ? .imagenet : .cifar, width: 0.125, channels: 3, classes: ["cat", "dog"])
        architecture.mean = [0.1, 0.2, 0.3]
        architecture.fit =
            [
                "cnn": .padded(32), "vgg11": ImageFit.none, "vgg16_bn": .resized(64),
                "resnet50": .cropped(shorter: 235, crop: 224, filter: .bicubic)
            ][name]
        let classifier = try ImageClassifier.initial(architecture, seed: 3)
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "model")
            try classifier.write(to: url)
            let loaded = try ImageClassifier.load(url)
            #expect(loaded.architecture == architecture)
            for (name, tensor) in classifier.tensors {
                #expect(try tensor.floats() == loaded.tensors[name]?.floats(), "\(name)")
            }
            #expect(throws: FormatError.self) { try classifier.write(to: url) }
            try classifier.write(to: url, overwriting: true)
            #expect(throws: ModelError.self) { try LanguageModel.load(url) }
        }
    }

    @Test("weights are drawn as torchvision draws them, the same for the same seed")
    func initial() throws {
        let architecture = try ClassifierArchitecture.named("vgg11_bn", width: 0.5, channels: 3, classes: ["a", "b"])
        let classifier = try ImageClassifier.initial(architecture, seed: 1)
        func deviation(_ name: String) throws -> Double {
            let tensor = try #require(classifier.tensors[name])
            return try tensor.square().mean().item().squareRoot()
        }
        // 256 filters of 3 x 3.
        #expect(try abs(deviation("features.22.weight") / (2.0 / (256 * 9)).squareRoot() - 1) < 0.02)
        #expect(try abs(deviation("classifier.weight") / 0.01 - 1) < 0.15)
        #expect(try deviation("features.22.bias") == 0)
        #expect(try deviation("features.1.running_var") == 1)
        let head = try #require(try ImageClassifier.initial(tiny, seed: 1).tensors["fc.weight"])
        let bound = 1 / 32.0.squareRoot()
        #expect(try head.abs().max().item() <= bound)
        #expect(try head.abs().max().item() > 0.8 * bound)
        let again = try ImageClassifier.initial(architecture, seed: 1)
        let other = try ImageClassifier.initial(architecture, seed: 2)
        #expect(try again.tensors["features.0.weight"]?.floats() == classifier.tensors["features.0.weight"]?.floats())
        #expect(try other.tensors["features.0.weight"]?.floats() != classifier.tensors["features.0.weight"]?.floats())
    }

    @Test("other classes take a new last layer and nothing else")
    func otherClasses() throws {
        let classifier = try ImageClassifier.initial(tiny, seed: 1)
        let other = try classifier.fittingClasses(["x", "y", "z"], seed: 2)
        #expect(other.architecture.classes == ["x", "y", "z"])
        for (name, tensor) in other.tensors where !name.hasPrefix("fc.") {
            #expect(try tensor.floats() == classifier.tensors[name]?.floats(), "\(name)")
        }
        #expect(other.tensors["fc.weight"]?.shape == [3, 32])
        #expect(try other.scores(of: .zeros([1, 1, 8, 8], dtype: .uint8)).shape == [1, 3])
    }

    @Test("an evaluation leaves no trace; training moves the averages of every batch norm")
    func training() throws {
        let classifier = try ImageClassifier.initial(tiny, seed: 1)
        let pixels = try Tensor((0..<256).map { UInt8($0) }, shape: [4, 1, 8, 8])
        let (scores, averages) = try tiny.trainingScores(
            of: pixels, with: classifier.tensors, random: RandomSource(seed: 1))
        #expect(scores.shape == [4, 2])
        let kept = tiny.tensors.filter { !$0.isParameter }
        #expect(Set(averages.keys) == Set(kept.map(\.name)))
        for role in kept {
            #expect(try averages[role.name]?.floats() != classifier.tensors[role.name]?.floats(), "\(role.name)")
        }
    }

    @Test("tensors that do not fit are told by name")
    func badTensors() throws {
        var tensors = try ImageClassifier.initial(tiny, seed: 1).tensors
        tensors["bn1.num_batches_tracked"] = try .zeros([])
        _ = try ImageClassifier(tiny, tensors: tensors)
        func message(_ change: (inout [String: Tensor]) throws -> Void) throws -> String {
            var changed = tensors
            try change(&changed)
            let error = #expect(throws: ModelError.self) { try ImageClassifier(tiny, tensors: changed) }
            return error?.description ?? ""
        }
        #expect(
            try message { $0["conv1.weight"] = nil }
                == "conv1.weight: a tensor of the architecture is missing (expected [4, 1, 3, 3])")
        #expect(try message { $0["fc.bias"] = try .zeros([3]) }.contains("expected [2], found [3]"))
        #expect(try message { $0["fc.more"] = try .zeros([3]) }.hasPrefix("fc.more: the configuration has no place"))
    }

    @Test("images that do not fit are told so")
    func badImages() throws {
        let classifier = try ImageClassifier.initial(
            .named("vgg11", width: 0.0625, channels: 3, classes: ["a"]), seed: 1)
        for shape in [[1, 1, 32, 32], [1, 3, 31, 32], [3, 32, 32], [0, 3, 32, 32]] {
            #expect(throws: ModelError.self, "\(shape)") { try classifier.scores(of: .zeros(shape)) }
        }
    }

    @Test(
        "configurations that make no network are refused",
        arguments: [
            #"{"model_type": "vit"}"#, #"{"model_type": 3}"#, #"{"model_type": "vgg"}"#,
            #"{"model_type":"resnet","block":"wide","depths":[1],"width":4,"stem":"cifar"}"#,
            #"{"model_type":"resnet","block":"basic","depths":[],"width":4,"stem":"cifar"}"#,
            #"{"model_type":"resnet","block":"basic","depths":[1],"width":0,"stem":"cifar"}"#,
            #"{"model_type":"resnet","block":"basic","depths":[1],"width":4,"stem":"cifar","channels":2,"classes":["a"],"mean":[0,0],"std":[1,1]}"#,
            #"{"model_type":"resnet","block":"basic","depths":[1],"width":4,"stem":"cifar","channels":1,"classes":[],"mean":[0],"std":[1]}"#,
            #"{"model_type":"resnet","block":"basic","depths":[1],"width":4,"stem":"cifar","channels":1,"classes":["a"],"mean":[0],"std":[0]}"#,
            #"{"model_type":"vgg","stages":[[4]],"batch_norm":true,"pool":1,"hidden":[],"dropout":1,"channels":1,"classes":["a"],"mean":[0],"std":[1]}"#
        ])
    func badConfigurations(text: String) throws {
        let config = try JSON.parse(Array(text.utf8), source: "config.json")
        #expect(throws: (any Error).self) { try ClassifierArchitecture(config: config) }
    }

    @Test("names that are not known are refused")
    func badNames() throws {
        for (name, width) in [("vgg12", 1.0), ("resnet18_bn", 1), ("cnn_bn", 1), ("cnn", 0), ("cnn", .nan)] {
            #expect(throws: ModelError.self) {
                try ClassifierArchitecture.named(name, width: width, channels: 1, classes: ["a"])
            }
        }
        for name in ClassifierArchitecture.names {
            _ = try ClassifierArchitecture.named(name, channels: 1, classes: ["a"])
        }
    }
}
