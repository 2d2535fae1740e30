import Foundation
import SutureKit
import Testing

@Suite("The commands for images")
struct VisionCommandTests {
    @Test("a classifier of torchvision's is imported, inspected, held against logits, and its pictures are classified")
    func importing() throws {
        let place = try Workplace()
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
}
