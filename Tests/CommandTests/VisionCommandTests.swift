import Foundation
import SutureKit
import SutureTestSupport
import Testing

@Suite("The commands for images")
struct VisionCommandTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    @Test("a classifier of torchvision's is imported, inspected, held against logits, and its pictures are classified")
    func importing() throws {
        let network = try ClassifierArchitecture.named(
            "resnet18", form: .imagenet, channels: 3, classes: ["0", "1", "2"])
        let torchvision = try ImageClassifier.initial(network, seed: 1)
        try SafetensorsWriter.write(
            torchvision.tensors.map { SafetensorsSource($0, $1) }, to: place.url.appending(path: "net.safetensors"))
        try Data("cat\ndog\nfrog\n".utf8).write(to: place.url.appending(path: "names.txt"))
        try place.done(
            "import net.safetensors --architecture resnet18 --classes names.txt --resize 40 --center-crop 32 -o pets")
        let facts = try place.done("inspect pets")
        #expect(facts["family"] as? String == "resnet" && facts["classes"] as? [String] == ["cat", "dog", "frog"])
        #expect((facts["preparation"] as? String)?.contains("resized to 40 (bilinear), cropped to 32x32") == true)

        // A grey picture is prepared, and is the same in three channels.
        let pixels = (0..<50 * 40).map { UInt8($0 * 7 % 256) }
        let picture = Picture(pixels: pixels, channels: 1, height: 50, width: 40)
        let prepared = try picture.resized(height: 50, width: 40).cropped(height: 32, width: 32)
        let input = try Tensor(prepared.pixels + prepared.pixels + prepared.pixels, shape: [1, 3, 32, 32])
        var imported = torchvision.architecture
        (imported.mean, imported.deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        var logits = try ImageClassifier(imported, tensors: torchvision.tensors).scores(of: input).elements(
            as: Float.self)
        for (change, status) in [(Float(0), Int32(0)), (0.01, 1)] {
            logits[1] += change
            try SafetensorsWriter.write(
                [
                    SafetensorsSource("a.png.file", .uint8, [try picture.png().count], bytes: try picture.png()),
                    SafetensorsSource("a.png.logits", .float32, [3], bytes: logits.withUnsafeBytes { Array($0) })
                ], to: place.url.appending(path: "golden-\(status)"))
            let outcome = try place.run("parity pets --golden golden-\(status) --tolerance 1e-4")
            #expect(outcome.status == status && outcome.text.contains("a.png"), "\(outcome.errors)")
        }
    }

    /// `set/train/CLASS/photo-N.png` and `set/test/...`, bright above or below, in sizes of their own.
    private func photos() throws {
        for part in ["train", "test"] {
            for (label, name) in ["high", "low"].enumerated() {
                for number in 0..<16 {
                    let (height, width) = (20 + number % 3, 22 + number % 2)
                    let pixels = (0..<3 * height * width).map { index in
                        UInt8((index / width % height < height / 2) == (label == 0) ? 200 - number : 10 + number)
                    }
                    let url = place.url.appending(path: "photos/\(part)/\(name)/photo-\(number).png")
                    try FileManager.default.createDirectory(
                        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                    let picture = Picture(pixels: pixels, channels: 3, height: height, width: width)
                    try Data(picture.png()).write(to: url)
                }
            }
        }
    }

    @Test("a classifier is tested after its training, and pictures of its mistakes are on a page")
    func mistakes() throws {
        try photos()
        let options = "--resize 18 --center-crop 16 --epochs 2 --batch 8 --width 0.25"
        let trained = try place.done("train photos -o trained \(options)")
        let test = try #require(trained["test"] as? [String: Any])
        let tested = try place.done("classify trained photos --report page.html")
        #expect(test["images"] as? Int == 32 && test["accuracy"] as? Double == tested["accuracy"] as? Double)
        let mistakes = try #require(tested["mistakes"] as? [[String: Any]])
        let right = try #require(test["right"] as? Int)
        #expect(mistakes.count == 32 - right)
        let page = String(decoding: try place.bytes("page.html"), as: UTF8.self)
        #expect(page.components(separatedBy: "data:image/png;base64,").count - 1 == mistakes.count)

        // A folder that is called as a class has pictures of it; of another nobody knows.
        #expect(try place.done("classify trained photos/test/high")["accuracy"] is Double)
        try FileManager.default.copyItem(
            at: place.url.appending(path: "photos/test/high"), to: place.url.appending(path: "unknown"))
        let images = try #require(try place.done("classify trained unknown")["images"] as? [[String: Any]])
        #expect(images.count == 16 && images[0]["file"] as? String == "photo-0.png")
        let lines = try place.run("classify trained unknown --format quiet").text.split(separator: "\n")
        #expect(lines.count == 16 && lines.allSatisfy { $0.hasSuffix("\thigh") || $0.hasSuffix("\tlow") })
    }

    @Test("a residual network for CIFAR goes through the commands as any other")
    func cifarResNet() throws {
        try photos()
        let options = "--resize 16 --epochs 1 --batch 8 --architecture resnet20 --width 0.25"
        try place.done("train photos -o standard \(options)")
        let facts = try place.done("inspect standard")
        #expect(facts["family"] as? String == "cifar_resnet")
        try place.done("train photos -o robust --init standard --corrupt fog:3 --resize 16 --epochs 1 --batch 8")
        try place.done("signature extract --pretrained standard --standard standard --robust robust -o fog.fix")
        let names = try Patch(contentsOf: place.url.appending(path: "fog.fix")).base.keys.map(\.string)
        #expect(names.contains("layer3.2.conv2.weight") && !names.contains { $0.hasPrefix("linear.") })
        try place.done("robustness standard --data photos --corruptions fog --severities 3 --signature fog.fix")
        try place.done("classify standard photos --patch fog.fix")
    }

    @Test("an ONNX file becomes a classifier, and one with a patch on it an ONNX file")
    func onnx() throws {
        let net = Goldens.url("onnx/cifar-norms.onnx").path
        try place.done("import \(net) --mean 0.5,0.4,0.3 --std 0.2,0.2,0.2 --resize 16 -o first")
        let facts = try place.done("inspect first")
        #expect(facts["family"] as? String == "cifar_resnet" && (facts["classes"] as? [String])?.count == 5)
        let first = try ImageClassifier.load(place.url.appending(path: "first"))
        #expect(first.architecture.mean == [0.5, 0.4, 0.3] && first.architecture.fit == .resized(16))
        let changed = try #require(first.tensors["linear.weight"])
        try first.replacing(["linear.weight": changed * 2]).write(to: place.url.appending(path: "second"))
        try place.done("extract first second -o twice.fix")
        let exported = try place.done("export first --to onnx --patch twice.fix -o second.onnx")
        #expect(exported["input"] as? String == "pixels" && exported["classes"] as? Int == 5)
        try place.done("import second.onnx -o again")
        for file in ["model.safetensors", "config.json"] {
            #expect(try place.bytes("again/\(file)") == place.bytes("second/\(file)"), "\(file)")
        }
    }

    @Test("pictures keep their names when they are corrupted, a part of every class, and are not prepared twice")
    func corrupted() throws {
        try photos()
        let mixed = try place.run("corrupt photos -o fog --corruptions fog:3")
        #expect(mixed.status == 4 && mixed.errors.contains("different sizes") && mixed.errors.contains("--resize 224"))
        let size = "--resize 18 --center-crop 16"
        try place.done("corrupt photos -o fog --corruptions fog:3 \(size) --limit 8")
        let folders = try ["high", "low"].map {
            try FileManager.default.contentsOfDirectory(atPath: place.url.appending(path: "fog/fog/3/\($0)").path)
                .sorted()
        }
        #expect(folders[0] == folders[1] && folders[0].count == 4 && folders[0].contains("photo-0.png"))

        try place.done("train photos -o trained \(size) --epochs 1 --batch 8 --width 0.25")
        func loss(_ line: String) throws -> Double { try #require(place.done("classify \(line)")["loss"] as? Double) }
        let set = try ImageSet(contentsOf: place.url.appending(path: "fog/fog/3"), split: .test)
        let classifier = try ImageClassifier.load(place.url.appending(path: "trained"))
        #expect(try abs(loss("trained fog/fog/3") - classifier.evaluate(set).loss) < 1e-6)
        #expect(try loss("trained fog/fog/3") != loss("trained fog/fog/3 --resize 20 --center-crop 16"))
        for path in ["photos/test/high/photo-1.jpg", "photos/test/high/photo-1.jpeg"] {
            let picture = Picture(pixels: [UInt8](repeating: 9, count: 400), channels: 1, height: 20, width: 20)
            try Data(picture.jpeg(quality: 90)).write(to: place.url.appending(path: path))
        }
        try place.done("corrupt photos -o twice --corruptions fog:3 \(size)")
        #expect(try place.bytes("twice/fog/3/high/photo-1.jpeg.png") != place.bytes("twice/fog/3/high/photo-1.png.png"))
    }

    @Test("the commands of the tutorial run as they stand there, one after the other")
    func tutorial() throws {
        try photos()
        let folder = place.url.appending(path: "snapshots")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for number in 0..<2 {
            try FileManager.default.copyItem(
                at: place.url.appending(path: "photos/test/low/photo-\(number).png"),
                to: folder.appending(path: "photo-\(number).png"))
        }
        let network = try ClassifierArchitecture.named(
            "resnet18", form: .imagenet, channels: 3, classes: (0..<1000).map(String.init))
        try SafetensorsWriter.write(
            try ImageClassifier.initial(network, seed: 1).tensors.map { SafetensorsSource($0, $1) },
            to: place.url.appending(path: "resnet18.safetensors"))
        let article = Goldens.checkout.appending(path: "Sources/SutureKit/SutureKit.docc/GettingStartedVision.md")
        let lines = try String(contentsOf: article, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("suture ") }.map { String($0.dropFirst("suture ".count)) }
        let verbs = Set(lines.compactMap { $0.split(separator: " ").first })
        #expect(
            verbs.isSuperset(of: [
                "import", "classify", "corrupt", "train", "robustness", "signature", "combine", "apply", "revert"
            ]))
        for line in lines {
            let outcome = try place.run(line)
            try #require(outcome.status == 0, "suture \(line): \(outcome.errors)")
        }
        #expect(try place.bytes("answers.html").count > 1000 && place.bytes("mistakes.html").count > 1000)
        try place.done("apply standard fog.safetensors -o expected")
        #expect(try place.bytes("fog-only/model.safetensors") == place.bytes("expected/model.safetensors"))
        #expect(try place.bytes("robust/model.safetensors") != place.bytes("expected/model.safetensors"))
    }
}
