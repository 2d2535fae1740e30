import Foundation
import SutureKit
import Testing

@Suite("suture corrupt")
struct CorruptCommandTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    private func read(_ path: String) throws -> ImageSet {
        try ImageSet(contentsOf: place.url.appending(path: path), split: .test)
    }

    private func pixels(_ images: ImageSet) throws -> [UInt8] { try images.pixels.elements() }

    @Test("folders of each corruption and severity are sets of the same images in the same classes, from a seed")
    func folders() throws {
        let asked = "corrupt images --pad 32 --corruptions contrast:5,gaussian_noise --severities 1,3"
        let report = try place.done("\(asked) -o one --seed 7")
        #expect(report["corruptions"] as? [String] == ["contrast:5", "gaussian_noise:1", "gaussian_noise:3"])
        let clean = place.url.appending(path: "images")
        let original = try ImageSet(contentsOf: clean, split: .test, fit: .padded(32))
        // Folders come one after the other: images by classes, in each as they were.
        let order = original.labels.indices.sorted { (original.labels[$0], $0) < (original.labels[$1], $1) }
        let set = try read("one/contrast/5")
        #expect(set.classes == original.classes && set.labels == order.map { original.labels[$0] })
        let contrast = Corruption(.contrast, severity: 5)
        #expect(try pixels(set) == contrast(original.subset(order).pixels, seed: 0).elements())

        try place.done("\(asked) -o same --seed 7")
        try place.done("\(asked) -o other-seed --seed 8")
        let (weak, strong) = (try read("one/gaussian_noise/1"), try read("one/gaussian_noise/3"))
        #expect(try pixels(read("same/gaussian_noise/3")) == pixels(strong))
        #expect(try pixels(read("other-seed/gaussian_noise/3")) != pixels(strong))
        #expect(try pixels(weak) != pixels(strong))
        let manifest = try JSON.parse(contentsOf: place.url.appending(path: "one/corruptions.json"))
        #expect(
            manifest.serialized()
                == (try JSON.parse(contentsOf: place.url.appending(path: "same/corruptions.json")))
                .serialized())

        #expect(try place.run("\(asked) -o one").status == 3)
        try place.done("\(asked) -o one --force --seed 8")
        #expect(try pixels(read("one/gaussian_noise/3")) == pixels(read("other-seed/gaussian_noise/3")))
    }

    @Test("arrays have the severities one after the other, and are what the folders are")
    func arrays() throws {
        try place.done("corrupt images --pad 32 -o arrays --all --as arrays")
        try place.done("corrupt images --pad 32 -o folders --corruptions glass_blur:4")
        let url = place.url.appending(path: "arrays")
        let names = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
        let kinds = Corruption.Kind.allCases.map { "\($0.rawValue).npy" }
        #expect(names == (kinds + ["classes.txt", "corruptions.json", "labels.npy"]).sorted())
        let all = try read("arrays/glass_blur.npy")
        #expect(all.pixels.shape == [5 * 48, 1, 32, 32] && all.classes == ["0", "1"])
        let fourth = try ImageSet(contentsOf: url.appending(path: "glass_blur.npy"), split: .test, severity: 4)
        let order = fourth.labels.indices.sorted { (fourth.labels[$0], $0) < (fourth.labels[$1], $1) }
        #expect(try pixels(fourth.subset(order)) == pixels(read("folders/glass_blur/4")))
        // Nothing here was trained on such images, but they fit.
        #expect(try place.run("classify classifier arrays/fog.npy --severity 2 --format quiet").status == 0)
    }

    @Test("a sheet shows one image")
    func sheet() throws {
        let outcome = try place.run(
            "corrupt images --pad 32 --all --sheet sheet.png --image 3 --format quiet"
        )
        #expect(outcome.status == 0 && outcome.text == "sheet.png\n", "\(outcome.errors)")
        let sheet = try Picture(contentsOf: place.url.appending(path: "sheet.png"))
        // 19 rows and 6 columns of tiles of 96 pixels, 8 apart.
        #expect(sheet.channels == 3 && sheet.height > 19 * 104 && sheet.width > 6 * 104)
    }
}
