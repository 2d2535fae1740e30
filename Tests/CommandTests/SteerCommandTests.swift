import Foundation
import SutureKit
import SutureTestSupport
import Testing

/// A vector from pairs of texts, through every verb that a patch has.
@Suite("The command that steers")
struct SteerCommandTests {
    private static let model = "model"

    /// Pairs that end in one of two bytes, in JSON Lines.
    private func pairs(_ place: Workplace, _ name: String, seed: UInt64, count: Int = 12) throws {
        var random = SeededGenerator(seed: seed)
        let letters = Array("abcdefgh")
        let lines = (0..<count).map { _ in
            let word = String((0..<4).map { _ in random.pick(letters) })
            return #"{"positive": "\#(word)yz", "negative": "\#(word)xz"}"#
        }
        try Data(lines.joined(separator: "\n").utf8).write(to: place.url.appending(path: name))
    }

    private func text(_ place: Workplace, _ line: String) throws -> String {
        let outcome = try place.run(line + " --format quiet")
        try #require(outcome.status == 0, "suture \(line): \(outcome.errors)")
        return outcome.text
    }

    @Test("pairs become a patch that is scaled, stacked, sent to llama.cpp and read back")
    func wholeWay() throws {
        let place = try Workplace()
        try pairs(place, "pairs.jsonl", seed: 1)
        let shown = try place.done("steer model --pairs pairs.jsonl -o a.fix")
        let edits = try #require(shown["edits"] as? [[String: Any]])
        #expect(edits.map { $0["tensor"] as? String } == ["model.layers.1.mlp.down_proj.bias"])
        try place.done("steer model --pairs pairs.jsonl --method pca-center --layers 0-1 -o b.fix")

        let generate = "generate model -p abcd -n 12"
        let base = try text(place, generate)
        let far = try text(place, "\(generate) --patch a.fix --scale 40")
        #expect(far != base)
        #expect(try text(place, "\(generate) --patch a.fix --scale 0") == base)
        #expect(try text(place, "\(generate) --patch a.fix@40") == far)
        #expect(try text(place, "\(generate) --patch a.fix=20 --scale 2") == far)
        let both = try text(place, "\(generate) --patch a.fix@40 --patch b.fix@8 --patch good.fix")
        #expect(try text(place, "\(generate) --patch good.fix --patch b.fix@8 --patch a.fix@40") == both)
        try place.done("combine a.fix@40 b.fix@8 -o c.fix")
        #expect(try text(place, "\(generate) --patch c.fix --patch good.fix") == both)
        // The same vector, added by an intervention.
        try place.done("activations model --patch a.fix@3 --site logits -p abcd -o patched.npy")
        let added = try NPYFile(place.url.appending(path: "patched.npy"), of: .floats).floats()
        let vector = try Patch(contentsOf: place.url.appending(path: "a.fix"))
            .added(to: "model.layers.1.mlp.down_proj.bias")
        try SafetensorsWriter.write(
            [SafetensorsSource("v", .float32, [vector.count], bytes: vector.withUnsafeBytes { [UInt8]($0) })],
            to: place.url.appending(path: "v.safetensors"))
        try place.done(
            "activations model --steer v.safetensors --at residual.2 --strength 3 --site logits -p abcd -o steered.npy")
        let steered = try NPYFile(place.url.appending(path: "steered.npy"), of: .floats).floats()
        #expect(zip(added, steered).allSatisfy { abs($0 - $1) < 1e-3 })
        // A vector of a file is the patch again.
        let again = try place.done("steer model --vectors v.safetensors --at residual.2 -o v.fix")
        #expect(again["id"] as? String == shown["id"] as? String)

        let exported = try place.done("export a.fix --base model --to controlvector -o a.gguf")
        #expect(exported["layers"] as? [Int] == [1])
        #expect((exported["loading"] as? String)?.contains("--control-vector a.gguf") == true)
        let imported = try place.done("import a.gguf --base model -o back.fix")
        #expect(imported["id"] as? String == shown["id"] as? String)
        // A scale that is exported is in the numbers.
        try place.done("export a.fix --base model --to controlvector --scale 40 -o far.gguf")
        try place.done("import far.gguf --base model -o far.fix")
        #expect(try text(place, "\(generate) --patch far.fix") == far)
    }

    @Test("it fits what it can be used on, and is not written to files without a place for it")
    func files() throws {
        let place = try Workplace()
        try pairs(place, "pairs.jsonl", seed: 1)
        try place.done("steer model --pairs pairs.jsonl -o a.fix")
        try place.done("check model a.fix")
        // Nothing of the model's weights is in it.
        try place.done("check other a.fix")
        for line in ["apply model a.fix -o new", "apply model a.fix --dry-run -o new"] {
            let outcome = try place.run(line)
            #expect(outcome.status == 3 && outcome.errors.contains("--to controlvector"), "\(outcome.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "new").path))
    }

    @Test("its direction is judged on such pairs, with the model's own answers")
    func faithful() throws {
        let place = try Workplace()
        try pairs(place, "train.jsonl", seed: 1, count: 40)
        try pairs(place, "held.jsonl", seed: 2, count: 40)
        try place.done("steer model --pairs train.jsonl --layers 0 -o a.fix")
        let files = "--pairs held.jsonl --train-pairs train.jsonl --epochs 1"
        let report = try place.done("faithful model --direction a.fix \(files)")
        #expect(report["spot"] as? String == "residual.1@last" && report["method"] as? String == "steer")
        #expect((report["checks"] as? [Any])?.count == FaithfulnessReport.CheckName.allCases.count)
        try place.done("steer model --pairs train.jsonl --layers 0,1 -o both.fix")
        let outcome = try place.run("faithful model --direction both.fix \(files)")
        #expect(outcome.status == 2 && outcome.errors.contains("--layers N"), "\(outcome.errors)")
        // A bias reads nothing, and a page about the patch does not call it dormant for that.
        try Data(#"{"prompt": "abcd", "expected": "Q"}"#.utf8).write(to: place.url.appending(path: "one.jsonl"))
        let pathway = try place.run("faithful model --patch a.fix --failures one.jsonl")
        #expect(pathway.status == 0 && pathway.text.contains("it reads nothing"), "\(pathway.errors)\(pathway.text)")
        // What is learned from the effect of patching becomes a patch, too.
        try place.done("faithful model --learn residual.1@last \(files) --save v")
        let learned = try place.done("steer model --vectors v -o learned.fix")
        let edits = try #require(learned["edits"] as? [[String: Any]])
        #expect(edits.map { $0["tensor"] as? String } == ["model.layers.0.mlp.down_proj.bias"])
        #expect(abs(try #require(edits[0]["norm"] as? Double) - 1) < 1e-5)
        let neuron = try place.run("faithful model --direction good.fix \(files)")
        #expect(neuron.status == 4 && neuron.errors.contains("no steering vector"), "\(neuron.errors)")
    }
}
