import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Classifiers of torchvision and timm are imported")
struct ImportTests {
    /// Weights of a resnet18 of so many classes as torchvision saves them, with its counts of batches.
    private func weights(_ classes: Int, in directory: URL) throws -> URL {
        let network = try ClassifierArchitecture.named(
            "resnet18", form: .imagenet, channels: 3, classes: (0..<classes).map(String.init))
        let classifier = try ImageClassifier.initial(network, seed: 1)
        var sources = classifier.tensors.map { SafetensorsSource($0, $1) }
        sources.append(SafetensorsSource("bn1.num_batches_tracked", .int64, [], bytes: [UInt8](repeating: 0, count: 8)))
        let url = directory.appending(path: "resnet18.safetensors")
        try SafetensorsWriter.write(sources, to: url)
        return url
    }

    /// What timm writes beside the weights.
    private static var timm: [String: Any] {
        [
            "architecture": "resnet18", "num_classes": 3, "global_pool": "avg",
            "model_args": ["in_chans": 3, "num_classes": 3, "global_pool": "avg"],
            "label_names": ["cat", "dog", "frog"],
            "pretrained_cfg": [
                "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center",
                "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]
            ] as [String: Any]
        ]
    }

    @Test("torchvision's weights keep their names and numbers, and are prepared for as torchvision does")
    func torchvision() throws {
        try withTemporaryDirectory { directory in
            let url = try weights(1000, in: directory)
            let imported = try ImageClassifier.importing(url, architecture: "resnet18")
            #expect(imported.architecture.fit == .cropped(shorter: 256, crop: 224, filter: .bilinear))
            #expect(imported.architecture.mean == [0.485, 0.456, 0.406])
            #expect(imported.architecture.classes[281] == "tabby" && Set(imported.architecture.classes).count == 1000)
            try imported.write(to: directory.appending(path: "model"))
            let written = try SafetensorsFile(directory.appending(path: "model/model.safetensors"))
            let file = try SafetensorsFile(url)
            #expect(written.tensors.count == file.tensors.count - 1)
            for entry in written.tensors {
                let original = try #require(file[entry.name])
                #expect(
                    written.bytes(of: entry).withUnsafeBytes { Array($0) }
                        == file.bytes(of: original).withUnsafeBytes { Array($0) }, "\(entry.name)")
            }
            let named = try ImageClassifier.importing(
                url, architecture: "resnet18", classes: (0..<1000).map { "c\($0)" },
                fit: .cropped(shorter: 232, crop: 224))
            #expect(
                named.architecture.classes[7] == "c7" && named.architecture.fit == .cropped(shorter: 232, crop: 224))
            #expect(throws: ModelError.self) {
                try ImageClassifier.importing(url, architecture: "resnet18", classes: ["a"])
            }
            do {
                _ = try ImageClassifier.importing(url, architecture: "resnet34")
                Issue.record("it was read")
            } catch let error as ModelError {
                #expect(error.code == .badWeights && error.description.contains("resnet18.safetensors: layer1.2"))
            }
        }
    }

    @Test("timm's configuration says how pictures are prepared, and what the classes are called")
    func timm() throws {
        try withTemporaryDirectory { directory in
            let url = try weights(3, in: directory)
            let place = directory.appending(path: "config.json")
            func write(_ config: [String: Any]) throws {
                try JSONSerialization.data(withJSONObject: config).write(to: place)
            }
            try write(Self.timm)
            for source in [url, directory] {
                if source == directory {
                    try FileManager.default.moveItem(at: url, to: directory.appending(path: "model.safetensors"))
                }
                let network = try ImageClassifier.importing(source, architecture: "resnet18").architecture
                #expect(network.fit == .cropped(shorter: 235, crop: 224, filter: .bicubic))
                #expect(network.mean == [0.5, 0.4, 0.3] && network.deviation == [0.2, 0.3, 0.4])
                #expect(network.classes == ["cat", "dog", "frog"])
            }
            for (key, value) in [
                ("architecture", "resnet18d"), ("global_pool", "max"), ("model_args", ["aa_layer": "blur"]),
                ("pretrained_cfg.interpolation", "lanczos"), ("pretrained_cfg.crop_pct", 0),
                ("pretrained_cfg.std", [1, 1, 0]),
                ("pretrained_cfg.input_size", [3, 224, 288]), ("pretrained_cfg.crop_mode", "squash"),
                ("label_names", ["cat"])
            ] as [(String, Any)] {
                var changed = Self.timm
                if key.hasPrefix("pretrained_cfg.") {
                    var settings = try #require(changed["pretrained_cfg"] as? [String: Any])
                    settings[String(key.dropFirst("pretrained_cfg.".count))] = value
                    changed["pretrained_cfg"] = settings
                } else {
                    changed[key] = value
                }
                try write(changed)
                #expect(throws: ModelError.self, "\(key)") {
                    try ImageClassifier.importing(directory, architecture: "resnet18")
                }
            }
        }
    }

    @Test("a transformer of timm without its configuration is refused: nothing says how pictures are prepared")
    func unprepared() throws {
        try withTemporaryDirectory { directory in
            let url = try weights(3, in: directory)
            let error = #expect(throws: ModelError.self) {
                try ImageClassifier.importing(url, architecture: "vit_tiny_patch16_224")
            }
            #expect(error?.description.contains("timm's config.json") == true)
        }
    }

    @Test(
        "pickled weights are refused in a line that says how they become safetensors",
        arguments: ["PK\u{3}\u{4}", "pickle"])
    func pickled(start: String) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "net.pth")
            let bytes = start == "pickle" ? [0x80, 2, 0x8A, 0x0A] : Array(start.utf8)
            try Data(bytes + [UInt8](repeating: 0, count: 40)).write(to: url)
            do {
                _ = try Checkpoint(url)
                Issue.record("it was read")
            } catch let error as FormatError {
                #expect(error.kind == .badInput && error.description.contains("save_file(torch.load("))
                #expect(error.description.contains("'net.safetensors')"))
            }
        }
    }
}
