import Foundation
import SutureKit
import Testing

@Suite("The commands for subspaces")
struct SubspaceCommandTests {
    /// Pairs that differ in one byte, in JSON Lines.
    private func pairs(_ place: Workplace, _ name: String, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let letters = Array("abcdefgh")
        let lines = (0..<12).map { index in
            let word = String((0..<4).map { _ in random.pick(letters) })
            let (base, source) = index % 2 == 0 ? ("x", "y") : ("y", "x")
            return #"{"base": {"text": "\#(word)\#(base)z", "label": "\#(base)"}, "#
                + #""source": {"text": "\#(word)\#(source)z", "label": "\#(source)"}, "answer": "P", "other": "Q"}"#
        }
        try Data(lines.joined(separator: "\n").utf8).write(to: place.url.appending(path: name))
    }

    private func json(_ place: Workplace, _ line: String) throws -> [String: Any] {
        let outcome = try place.run(line + " --format json")
        #expect(outcome.status == 0, "suture \(line): \(outcome.errors)")
        return try outcome.json()
    }

    @Test("a direction is learned, kept, and judged by every check, as is one that was found in another way")
    func direction() throws {
        let place = try Workplace()
        try pairs(place, "train.jsonl", seed: 1)
        try pairs(place, "held.jsonl", seed: 2)
        let files = "--pairs held.jsonl --train-pairs train.jsonl --epochs 2"
        let learned = try json(
            place, "faithful model --learn mlp.0.hidden@last \(files) --save v --report page.html --report page.md")
        #expect(learned["schema"] as? String == "suture.faithful/1")
        let checks = try #require(learned["checks"] as? [[String: Any]])
        #expect(checks.compactMap { $0["id"] as? String } == FaithfulnessReport.CheckName.allCases.map(\.rawValue))
        for check in checks where check["reading"] as? String != "notMeasured" {
            #expect(check["shows"] as? String != "" && check["cannotShow"] as? String != "", "\(check["id"] ?? "")")
        }
        let inert = try #require(checks.first { $0["id"] as? String == "inert directions" })
        let values = try #require(inert["values"] as? [[String: Any]])
        #expect(values.count == 3 && values.allSatisfy { $0["low"] != nil && $0["control"] != nil })
        let page = String(decoding: try place.bytes("page.html"), as: UTF8.self)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<svg") && page.contains("The checks at a glance"))
        let markdown = String(decoding: try place.bytes("page.md"), as: UTF8.self)
        #expect(markdown.contains("| inert directions |"))
        let again = try json(place, "faithful model --direction v \(files)")
        #expect(again["level"] as? String == learned["level"] as? String)
        for method in ["means", "pca", "random", "shuffled"] {
            let found = try json(place, "faithful model --learn mlp.0.hidden@last --method \(method) \(files)")
            #expect(found["checks"] is [Any], "\(method)")
        }
    }

    @Test("a repair's pathway is on its page, and can be asked for again")
    func pathway() throws {
        let place = try Workplace()
        let repaired = try json(
            place, "repair model -p abc -e Z --guard-texts texts.txt -o fix --report page.html --pathway")
        let inReport = try #require(repaired["pathway"] as? [String: Any])
        #expect(repaired["failures"] is [Any])
        let asked = try json(place, "faithful model --patch fix")
        #expect(asked["schema"] as? String == "suture.pathway/2")
        let parts = try #require(asked["parts"] as? [[String: Any]])
        #expect(parts.count == 1 && parts[0]["name"] as? String == "mlp.1")
        func after(_ study: [String: Any]) -> Double? { (study["after"] as? [String: Any])?["value"] as? Double }
        #expect(abs(try #require(after(asked)) - #require(after(inReport))) < 1e-3)
        try Data(#"{"prompt": "abc", "expected": "Z"}"#.utf8).write(to: place.url.appending(path: "one.jsonl"))
        #expect(try place.run("faithful model --patch good.fix").status == 4)
        let other = try json(place, "faithful model --patch good.fix --failures one.jsonl --reworded one.jsonl")
        #expect((other["generalisation"] as? [Any])?.count == 2)
    }

    @Test("sweeps and planted networks are printed as JSON and drawn as pages")
    func sweeps() throws {
        let place = try Workplace()
        let prompts = "--prompt abxz --source abyz --answer P --other Q"
        for kind in ["residual", "attention", "mlp", "hidden", "attribution"] {
            let cells = try #require(
                try json(place, "sweep model --kind \(kind) \(prompts) --report \(kind).html")["cells"] as? [[Double]])
            #expect(cells.count == 2 && cells[0].count == 4, "\(kind)")
        }
        let heads = try #require(try json(place, "sweep model --kind heads \(prompts)")["cells"] as? [[Double]])
        #expect(heads.count == 2 && heads[0].count == 4)
        let neurons = try json(place, "sweep model --kind neurons --count 3 \(prompts)")
        #expect((neurons["neurons"] as? [[Any]])?.map(\.count) == [3, 3])
        #expect(try json(place, "sweep model --kind trace --subject x \(prompts)")["cells"] is [Any])
        for receiver in ["1.2", "1.2.values", "mlp.1", "logits"] {
            #expect(try json(place, "sweep model --kind paths --receiver \(receiver) \(prompts)")["cells"] is [Any])
        }
        let planted = try json(place, "reproduce planted --models 4")
        #expect((planted["models"] as? [Any])?.count == 16)
    }

    @Test("what makes no sense is refused")
    func refused() throws {
        let place = try Workplace()
        for line in [
            "faithful model", "faithful model --learn nowhere", "faithful model --direction v --method pca",
            "faithful model --learn mlp.0.hidden --failures x", "reproduce facts", "reproduce planted --models 1",
            "reproduce facts model texts.txt --layers 1,x", "sweep model --kind paths"
        ] {
            #expect(try place.run(line).status == 2, "\(line)")
        }
        for line in [
            "faithful model --direction good.fix", "faithful model --learn mlp.9.hidden --count 20",
            "faithful model --patch plain.fix", "reproduce facts model texts.txt",
            "reproduce facts model missing.json", "reproduce illusion model"
        ] {
            #expect(try place.run(line).status == 4, "\(line)")
        }
    }
}
