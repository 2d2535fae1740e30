import Foundation
import SutureKit
import SutureTestSupport
import Testing

/// Every verb on patches, as a user runs it.
@Suite("The commands for patches")
struct PatchCommandTests {
    private static let down = "model.layers.0.mlp.down_proj.weight"

    /// A model, what tuning made of it, another model, and patches that meet in the columns 5 and 8.
    private final class Place {
        let url = FileManager.default.temporaryDirectory.appending(path: "suture-patches-\(UUID().uuidString)")

        init() throws {
            try TinySnapshot.write(to: url("model"))
            try TinySnapshot.write(to: url("other"), seed: 2)
            try patch("a.fix", columns: [3, 5, 8], adding: 0.25)
            try patch("b.fix", columns: [5, 8, 9], adding: -0.5)
            try patch("c.fix", columns: [11], layer: 1, adding: 1)
            _ = try json("apply model a.fix c.fix -o tuned")
            for name in ["suture.lock.json", "suture"] {
                try FileManager.default.removeItem(at: url("tuned/\(name)"))
            }
        }

        deinit { try? FileManager.default.removeItem(at: url) }

        func url(_ path: String) -> URL { url.appending(path: path) }

        private func patch(_ name: String, columns: [Int], layer: Int = 0, adding value: Float) throws {
            let values = (0..<columns.count * TinySnapshot.width).map { value * Float($0 % 5 + 1) }
            let tensor = "model.layers.\(layer).mlp.down_proj.weight"
            try Patch(
                [.columns(columns, of: tensor, adding: values)], of: Checkpoint(url("model")),
                method: .init(name: "made by hand", options: ["wish": "well"], seed: 7)
            ).write(to: url(name))
        }

        func id(_ name: String) throws -> String { try Patch(contentsOf: url(name)).id }
        func weights(_ model: String) throws -> Data { try Data(contentsOf: url("\(model)/model.safetensors")) }
        func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

        @discardableResult
        func run(_ line: String) throws -> Command.Outcome {
            let outcome = try Command.run(line, in: url)
            #expect(outcome.status == 0, "suture \(line): \(outcome.errors)")
            return outcome
        }

        @discardableResult
        func json(_ line: String) throws -> [String: Any] { try run(line + " --format json").json() }

        /// With a command for `--check`, which has spaces.
        func run(_ line: String, check: String) throws -> Command.Outcome {
            try Command.run(line.split(separator: " ").map(String.init) + ["--check", check], in: url)
        }
    }

    @Test("patches that undo one another's answers without sharing a neuron are refused by check")
    func lostAnswers() throws {
        let place = try Workplace()
        let limits = "--guard-texts texts.txt --max-divergence 99 --max-changed 1 --max-perplexity 99"
        for (name, answer, method) in [("z", "Z", "recruit"), ("r", "r", "rome"), ("other", "Z", "rome")] {
            let prompt = name == "other" ? "def" : "abc"
            try place.done("repair model -p \(prompt) -e \(answer) --method \(method) \(limits) -o \(name).fix")
        }
        // One prompt cannot have two answers.
        let refused = try place.run("check model z.fix r.fix")
        #expect(refused.status == 3 && refused.errors.contains("repaired answers are gone"), "\(refused.errors)")
        #expect(refused.errors.contains("suture rebase"))
        #expect(try place.run("check model z.fix r.fix --allow-conflicts").status == 0)
        // One patch has nobody to undo it, and none is asked at another scale.
        #expect(try place.done("check model z.fix")["answers"] == nil)
        #expect(try place.run("check model z.fix r.fix --scale 0.5").status == 0)
    }

    @Test("several patches are checked, applied, listed, and taken off in any order")
    func stack() throws {
        let place = try Place()
        let (a, b) = (try place.id("a.fix"), try place.id("b.fix"))
        let checked = try place.json("check model a.fix b.fix")
        #expect(checked["patches"] as? [String] == [a, b] && checked["tensors"] as? [String] == [Self.down])
        #expect(try place.run("check model a.fix --format quiet").text == "fits\n")

        let plan = try place.json("apply model a.fix b.fix -o both --dry-run")
        let files = try #require(plan["files"] as? [[String: Any]])
        #expect(plan["bytes"] as? Int == files.compactMap { $0["bytes"] as? Int }.reduce(0, +))
        let rewritten = files.first { $0["action"] as? String == "rewritten" }
        #expect(rewritten?["bytes"] as? Int == (try place.weights("model")).count && !place.exists("both"))

        let log = try #require(
            try place.json("apply model a.fix b.fix --scale 0.5 -o both")["patches"] as? [[String: Any]])
        #expect(log.map { $0["id"] as? String } == [a, b] && log.allSatisfy { $0["scale"] as? Double == 0.5 })
        #expect(try place.run("log both --format quiet").text == "\(a)\n\(b)\n")
        for (first, second) in [(a, b), (b, a)] {
            try place.run("revert both \(first) -o one --force")
            try place.run("apply model \(second == a ? "a.fix" : "b.fix") --scale 0.5 -o direct --force")
            #expect(try place.weights("one") == place.weights("direct"))
            try place.run("revert one \(second.dropFirst(7).prefix(6)) -o none --force")
            #expect(try place.weights("none") == place.weights("model") && !place.exists("none/suture.lock.json"))
        }
        // By its file, and the last one.
        try place.run("revert both a.fix -o one --force")
        #expect(try place.run("log one --format quiet").text == "\(b)\n")
        try place.run("revert both --last -o one --force")
        #expect(try place.run("log one --format quiet").text == "\(a)\n")
        for line in ["revert both a.fix --last -o two", "revert both -o two"] {
            #expect(try Command.run(line, in: place.url).status == 2)
        }
        try place.run("apply model a.fix --scale 0 -o zero")
        #expect(try place.weights("zero") == place.weights("model"))
    }

    @Test("weight files that no patch touches are linked, or copied if asked, and not even read")
    func untouched() throws {
        let place = try Place()
        try place.run("convert model --shard-size 60KB -o shards")
        let names = try FileManager.default.contentsOfDirectory(atPath: place.url("shards").path)
        #expect(names.count { $0.hasPrefix("model-") } > 2)
        let index = try JSONSerialization.jsonObject(
            with: Data(contentsOf: place.url("shards/model.safetensors.index.json")))
        let map = try #require((index as? [String: Any])?["weight_map"] as? [String: String])
        let touched = try #require(map[Self.down])
        for (flag, areLinked) in [("", true), (" --copy", false)] {
            try place.run("apply shards a.fix\(flag) -o patched --force")
            for name in names where name.hasPrefix("model-") {
                func inode(_ model: String) throws -> Int? {
                    try FileManager.default.attributesOfItem(
                        atPath: place.url("\(model)/\(name)").path)[.systemFileNumber] as? Int
                }
                #expect((try inode("shards") == inode("patched")) == (areLinked && name != touched), "\(name)\(flag)")
            }
        }
        // A tensor of a tebibyte without content: nobody waits for a command that reads it.
        let size = 1 << 40
        let header = #"{"huge.weight":{"dtype":"F32","shape":[\#(size / 4)],"data_offsets":[0,\#(size)]}}"#
        let huge = place.url("shards/model-huge.safetensors")
        try (withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)).write(
            to: huge)
        let handle = try FileHandle(forWritingTo: huge)
        try handle.truncate(atOffset: UInt64(8 + header.utf8.count + size))
        try handle.close()
        try FileManager.default.removeItem(at: place.url("shards/model.safetensors.index.json"))
        #expect(try place.run("check shards a.fix --format quiet").text == "fits\n")
        try place.run("apply shards a.fix -o patched --force")
        try place.run("revert patched \(place.id("a.fix")) -o back")
        #expect(try Data(contentsOf: place.url("back/\(touched)")) == Data(contentsOf: place.url("shards/\(touched)")))
    }

    @Test("a patch is shown to people, as a card, and as JSON")
    func show() throws {
        let place = try Place()
        let id = try place.id("a.fix")
        let shown = try place.json("show a.fix")
        let edit = try #require((shown["edits"] as? [[String: Any]])?.first)
        #expect(shown["id"] as? String == id && shown["seed"] as? Int == 7)
        #expect(shown["options"] as? [String: String] == ["wish": "well"] && shown["results"] is NSNull)
        #expect(edit["indices"] as? [Int] == [3, 5, 8] && edit["tensor"] as? String == Self.down)
        let text = try place.run("show a.fix").text
        #expect(text.contains("columns 3, 5, 8") && text.contains("well"))
        let card = try place.run("show a.fix --format markdown").text
        #expect(card.hasPrefix("# a.fix\n") && card.contains("| \(Self.down.replacing("_", with: "\\_")) |"))
        #expect(card.contains("suture apply MODEL a.fix -o PATCHED") && card.contains(id))
        #expect(try place.run("show a.fix --format quiet").text == id + "\n")
    }

    @Test("models are compared tensor by tensor")
    func diff() throws {
        let place = try Place()
        let difference = try place.json("diff model tuned --rank 1e-3")
        let tensors = try #require(difference["tensors"] as? [[String: Any]])
        #expect(tensors.count == 2 && difference["equal"] as? Int == 19)
        let first = try #require(tensors.first { $0["name"] as? String == Self.down })
        #expect(first["changed"] as? Int == 3 * TinySnapshot.width && first["rank"] as? Int == 3)
        #expect((first["sparsity"] as? Double).map { abs($0 - (1 - 3.0 / 192)) < 1e-9 } == true)
        #expect(first["slices"] as? String == "columns")
        #expect(Set((first["top"] as? [[String: Any]] ?? []).compactMap { $0["index"] as? Int }) == [3, 5, 8])
        #expect(try place.run("diff model tuned").text.contains("columns "))
        #expect(try place.run("diff model model").text.contains("The weights are the same."))
        #expect(try place.run("diff model tuned --format quiet").text.split(separator: "\n").count == 2)
    }

    @Test("a difference is extracted in each form, and gives the tuned model again")
    func extract() throws {
        let place = try Place()
        let whole = try place.json("extract model tuned -o whole.fix")
        #expect((whole["edits"] as? [[String: Any]])?.map { $0["kind"] as? String } == ["sparse", "sparse"])
        #expect((whole["lost"] as? [[String: Any]])?.allSatisfy { $0["error"] as? Double == 0 } == true)
        try place.run("apply model whole.fix -o again")
        #expect(try place.weights("again") == place.weights("tuned"))
        for (form, kind) in [
            ("--low-rank 1e-3", "low_rank"), ("--sparse 0.01", "sparse"), ("--bits 4", "quantized"),
            ("--bits 8 --per-tensor --asymmetric", "quantized")
        ] {
            let made = try place.json("extract model tuned \(form) -o form.fix --force")
            #expect(
                (made["edits"] as? [[String: Any]])?.allSatisfy { $0["kind"] as? String == kind } == true, "\(form)")
            try place.run("check model form.fix")
        }
    }

    @Test("patches are combined as their sum, and where they meet is told")
    func combine() throws {
        let place = try Place()
        let combined = try place.json("combine a.fix=0.5 b.fix c.fix -o sum.fix")
        let overlap = try #require((combined["overlaps"] as? [[String: Any]])?.first)
        #expect(overlap["tensor"] as? String == Self.down && overlap["elements"] as? Int == 2 * TinySnapshot.width)
        #expect(overlap["opposed"] as? Int == 2 * TinySnapshot.width)
        #expect(try Set(overlap["patches"] as? [String] ?? []) == [place.id("a.fix"), place.id("b.fix")])
        try place.run("apply model sum.fix -o sum")
        try place.run("apply model a.fix --scale 0.5 -o half")
        try place.run("apply half b.fix c.fix -o stack")
        #expect(try place.weights("sum") == place.weights("stack"))
        func id(_ options: String) throws -> String {
            try #require(try place.json("combine a.fix b.fix \(options) -o made.fix --force")["id"] as? String)
        }
        #expect(try id("--mode dare --drop 0.5 --seed 1") == id("--mode dare --drop 0.5 --seed 1"))
        #expect(try id("--mode dare --drop 0.5 --seed 1") != id("--mode dare --drop 0.5 --seed 2"))
        #expect(try id("--mode ties --density 0.5") != id("--mode mean"))
        try place.run("check model made.fix")
    }

    @Test("a patch is made smaller while a check holds")
    func minimize() throws {
        let place = try Place()
        // Holds as long as column 5 is among the indices.
        let check = #"'\#(Command.executable.path)' show {} --format json | grep -Eq '^ +5,?$'"#
        let outcome = try place.run("minimize a.fix -o small.fix --format json", check: check)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let made = try outcome.json()
        #expect((made["edits"] as? [[String: Any]])?.first?["indices"] as? [Int] == [5])
        #expect(made["before"] as? Int == 3 && made["after"] as? Int == 1)
        try place.run("check model small.fix")
    }

    @Test("the patch that broke a check is found")
    func bisect() throws {
        let place = try Place()
        try place.run("apply model a.fix b.fix c.fix -o patched")
        let culprit = try place.id("b.fix")
        let check = "! '\(Command.executable.path)' log {} --format quiet | grep -q \(culprit)"
        let outcome = try place.run("bisect patched --format json", check: check)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let found = try outcome.json()
        #expect(found["patch"] as? String == culprit && found["alone"] as? Bool == true)
        let names = try FileManager.default.contentsOfDirectory(atPath: place.url.path)
        #expect(!names.contains { $0.hasPrefix(".") })
        let broken = try place.run("bisect patched", check: "no-such-command-here 2>/dev/null")
        #expect(broken.status == 3 && broken.errors.contains("could not be run"))
    }

    @Test("what is exported is imported again as the same change", arguments: ["peft", "mlx"])
    func adapters(_ target: String) throws {
        let place = try Place()
        let facts = try place.json("export a.fix --to \(target) --base model -o adapter")
        #expect(facts["exact"] as? Bool == true && facts["rank"] as? Int == 3)
        #expect(facts["modules"] as? [String] == [Self.down])
        try place.run("import adapter --base model -o again.fix")
        try place.run("apply model again.fix -o imported")
        try place.run("apply model a.fix -o applied")
        #expect(try place.weights("imported") == place.weights("applied"))
        #expect(
            try place.json("export a.fix --to \(target) --base model --scale 0.3 -o third")["exact"] as? Bool == false)
    }

    @Test(
        "a pattern of an adapter is matched, or refused where matching could take long",
        arguments: [
            (#"layers\\.[0-9]+\\.mlp\\.down_proj"#, true), ("(a+)+b", false), ("(.*)*(.*)*x", false), ("[", false)
        ])
    func patterns(_ pattern: String, isRead: Bool) throws {
        let place = try Place()
        try place.run("export a.fix --to peft --base model -o adapter")
        let url = place.url("adapter/adapter_config.json")
        let config = try String(contentsOf: url, encoding: .utf8)
        let changed = "{\"alpha_pattern\": {\"\(pattern)\": 1}," + config.drop { $0 != "{" }.dropFirst()
        try Data(
            changed.replacing(#""alpha_pattern": {},"#, with: "").replacing(#""alpha_pattern":{},"#, with: "").utf8
        ).write(to: url)
        let outcome = try Command.run("import adapter --base model -o again.fix", in: place.url)
        #expect(outcome.status == (isRead ? 0 : 4), "\(outcome.errors)")
        #expect(isRead || outcome.errors.contains("this regular expression"))
    }

    @Test("an adapter for llama.cpp, and a plain file of differences")
    func otherFormats() throws {
        let place = try Place()
        try place.run("export a.fix --to gguf --base model -o adapter.gguf")
        let file = try GGUFFile(place.url("adapter.gguf"))
        #expect(
            file.tensors.map(\.key.string).sorted() == ["blk.0.ffn_down.weight.lora_a", "blk.0.ffn_down.weight.lora_b"])
        let values = [Float](repeating: 0.5, count: TinySnapshot.width)
        let norm = SafetensorsSource(
            "model.norm.weight", .float32, [TinySnapshot.width], bytes: values.withUnsafeBytes { [UInt8]($0) })
        try SafetensorsWriter.write([norm], to: place.url("delta.safetensors"))
        let imported = try place.json("import delta.safetensors --base model -o delta.fix")
        #expect((imported["edits"] as? [[String: Any]])?.first?["kind"] as? String == "dense")
        try place.run("apply model delta.fix -o shifted")
        let shifted = try Checkpoint(place.url("shifted"))
        let tensor = try #require(shifted["model.norm.weight"])
        #expect(try shifted.data(of: tensor).bytes.load(as: Float.self) == 1.5)
    }

    @Test("a model is converted to another type and into shards, and a short type back without loss")
    func convert() throws {
        let place = try Place()
        try place.run("convert model --dtype bf16 --shard-size 40KB -o short")
        #expect(place.exists("short/model.safetensors.index.json"))
        try place.run("convert short --dtype f32 -o long")
        try place.run("convert long --dtype bf16 -o short-again")
        #expect(try place.run("diff short short-again").text.contains("The weights are the same."))
        #expect(try place.run("diff short long").text.contains("The weights are the same."))
        let facts = try place.json("inspect short")
        #expect((facts["stored_as"] as? [String: Int])?["BF16"] == 21)
    }

    @Test("a difference is transferred as its patch would be")
    func transfer() throws {
        let place = try Place()
        let facts = try place.json("transfer model tuned other --scale 0.7 -o moved")
        #expect(facts["changed"] as? Int == 2 && (facts["ignored"] as? [String])?.isEmpty == true)
        try place.run("extract model tuned -o tuning.fix")
        try place.run("apply other tuning.fix --transfer --scale 0.7 -o applied")
        #expect(try place.weights("moved") == place.weights("applied"))
        #expect(try place.weights("moved") != place.weights("other") && !place.exists("moved/suture.lock.json"))
        try place.run("transfer model tuned model -o again")
        #expect(try place.weights("again") == place.weights("tuned"))
    }
}
