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
            place,
            "repair model -p abc -e Z \(EndToEndTests.alone) --guard-texts texts.txt -o fix --report page.html --pathway"
        )
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

    @Test("edges are scored on some pairs, circuits measured on others, and the page drawn again from its JSON")
    func circuits() throws {
        let place = try Workplace()
        for (name, words) in [("train", ["abc", "cde", "aab"]), ("held", ["bcd", "eab", "cab", "dd"])] {
            let lines = words.map { #"{"base": "\#($0)x", "source": "\#($0)y", "answer": "R", "other": "S"}"# }
            try Data(lines.joined(separator: "\n").utf8).write(to: place.url.appending(path: "\(name).jsonl"))
        }
        let held = "--pairs held.jsonl --train-pairs train.jsonl"
        let found = try json(place, "circuit model \(held) --scores s.safetensors --report c.json --report c.html")
        #expect(found["edges"] as? Int == CircuitGraph(layers: 2, heads: 4).edgeCount)
        #expect(
            found["pairs"] as? Int == 3 && found["test_pairs"] as? Int == 4 && found["is_held_out"] as? Bool == true)
        let points = try #require(found["points"] as? [[String: Any]])
        #expect(points.count == 10 && points.last?["edges"] as? Int == found["edges"] as? Int)
        let whole = try #require(points.last?["faithfulness"] as? [String: Double])
        #expect(abs(try #require(whole["value"]) - 1) < 1e-3)
        let file = try SafetensorsFile(place.url.appending(path: "s.safetensors"))
        #expect(file["scores"]?.shape == [11, 27])
        let again = try json(place, "report c.json")
        #expect(again["cpr"] as? [String: Double] == found["cpr"] as? [String: Double])
        for options in ["--method eap --choice greedy", "--steps 2 --patch good.fix", "--method exact"] {
            #expect(try json(place, "circuit model --pairs held.jsonl \(options)")["is_held_out"] as? Bool == false)
        }
        // Half of these are the others with base and source exchanged.
        try pairs(place, "even.jsonl", seed: 3)
        let alike = try place.run("circuit model --pairs even.jsonl --method eap")
        #expect(alike.status == 2 && alike.errors.contains("answers clean and corrupted prompts alike"))
        let changed = try place.run("circuit model --pairs held.jsonl --ablate attn.1.head.0")
        #expect(changed.status == 2 && changed.errors.contains("leave --ablate"))
        let uneven = try place.run("circuit model", input: "")
        #expect(uneven.status == 4 && uneven.errors.contains("one token of this model"))
    }

    @Test("sweeps of many pairs are means with intervals; denoising, other metrics and chosen neurons")
    func manyPairs() throws {
        let place = try Workplace()
        try pairs(place, "even.jsonl", seed: 3)
        let many = try json(place, "sweep model --pairs even.jsonl --report mean.html")
        #expect(many["pairs"] as? Int == 12 && many["columns"] as? [String] == (0..<6).map(String.init))
        let cells = try #require(many["cells"] as? [[Double]])
        let intervals = try #require(many["intervals"] as? [[[String: Double]]])
        for (row, line) in cells.enumerated() {
            for (column, cell) in line.enumerated() {
                let own = intervals[row][column]
                #expect(try #require(own["low"]) <= cell && cell <= #require(own["high"]))
            }
        }
        let runs = try #require(many["runs"] as? [[String: Any]])
        #expect(runs.count == 2 && (runs[0]["top"] as? [Any])?.count == 3)
        for options in [
            "--kind heads", "--kind paths --receiver 1.2", "--kind attribution --component heads",
            "--denoise --metric probability",
            "--metric kl", "--metric rank --denoise",
            "--kind neurons --neuron mlp.1.hidden[3] --neuron mlp.0.hidden[1]",
            "--ablate attn.1.head.0"
        ] {
            #expect(try json(place, "sweep model --pairs even.jsonl \(options)")["intervals"] is [Any], "\(options)")
        }
        let single = try json(
            place, "sweep model --kind neurons --neuron mlp.1.hidden[3] --pairs even.jsonl --metric kl")
        #expect(single["rows"] as? [String] == ["mlp.1.hidden[3]"] && single["neurons"] == nil)
        // Half of the pairs are the others with base and source exchanged.
        let cancelled = try place.run("sweep model --pairs even.jsonl --denoise")
        #expect(cancelled.status == 2 && cancelled.errors.contains("cancel"))
        // Words that stand elsewhere in each prompt.
        let uneven = (1...4).map { count in
            let pad = String(repeating: "a", count: count)
            return #"{"base": {"text": "\#(pad)xz", "roles": {"it": "x"}}, "#
                + #""source": {"text": "byz", "roles": {"it": "y"}}, "answer": "P", "other": "Q"}"#
        }
        try Data(uneven.joined(separator: "\n").utf8).write(to: place.url.appending(path: "uneven.jsonl"))
        #expect(
            try json(place, "sweep model --pairs uneven.jsonl --metric kl")["columns"] as? [String] == ["it", "last"])
        let apart = uneven.map { $0.replacing(#", "roles": {"it": "x"}"#, with: "") }
        try Data(apart.joined(separator: "\n").utf8).write(to: place.url.appending(path: "apart.jsonl"))
        let refused = try place.run("sweep model --pairs apart.jsonl")
        #expect(refused.status == 4 && refused.errors.contains("same role"))
    }

    @Test("lens, attention and activations say what is inside, and see what changes each run")
    func inside() throws {
        let place = try Workplace()
        let lens = try json(place, "lens model -p abcx --answer P --other Q --report lens.html --report lens.json")
        let layers = try #require((lens["logit_lens"] as? [String: Any])?["cells"] as? [[Any]])
        #expect(layers.count == 3 && layers[0].count == 4)
        let attribution = try #require(lens["attribution"] as? [String: Any])
        #expect((attribution["heads"] as? [[Double]])?.count == 2 && (attribution["neurons"] as? [Any])?.count == 8)
        #expect(try place.run("report lens.json --report again.html").status == 0)
        #expect(try place.bytes("again.html") == place.bytes("lens.html"))
        // Damaged results are refused, not drawn.
        let drawn = String(decoding: try place.bytes("lens.json"), as: UTF8.self)
        let damaged = drawn.replacing(/"heads" : \[[^\]]*\]/, with: "\"heads\" : [")
        for (number, text) in [
            damaged, drawn.replacing(/"mlp" : \[[^\]]*\]/, with: "\"mlp\" : []"),
            drawn.replacing(/"tokens" : \[[^\]]*\]/, with: "\"tokens\" : []")
        ].enumerated() {
            try Data(text.utf8).write(to: place.url.appending(path: "damaged\(number).json"))
            #expect(try place.run("report damaged\(number).json --report new.html").status == 4)
        }
        let ablated = try json(place, "lens model -p abcx --answer P --other Q --ablate mlp.1.out")
        let mlp = try #require((ablated["attribution"] as? [String: Any])?["mlp"] as? [Double])
        #expect(mlp[1] == 0 && mlp[0] != 0)
        #expect((ablated["model"] as? String)?.contains("without mlp.1.out") == true)

        let view = try json(place, "attention model -p abcx --head 1.2 --layer 0 --report heads.html")
        let patterns = try #require(view["patterns"] as? [[String: Any]])
        #expect(patterns.count == 5)
        for pattern in patterns {
            let weights = try #require(pattern["weights"] as? [[Double]])
            #expect(weights.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-5 } && weights[0][1] == 0)
        }

        let written = try json(place, "activations model --site residual.1 -p abc -p de --tokens all -o x.npy")
        #expect(written["rows"] as? Int == 5)
        #expect(try place.bytes("x.npy").starts(with: [0x93] + Array("NUMPY".utf8)))
        _ = try json(
            place, "activations model --site residual.1 --site mlp.0.hidden --texts texts.txt -o x.safetensors")
        try Data("a\n\nb\n".utf8).write(to: place.url.appending(path: "gaps.txt"))
        let gaps = try place.run("activations model --site residual.1 --texts gaps.txt -o gaps.npy")
        #expect(gaps.status == 0 && gaps.errors.contains("1 blank lines") && gaps.text.contains("[2, "))
        let kept = try SafetensorsFile(place.url.appending(path: "x.safetensors"))
        #expect(kept.tensors.map(\.name).sorted() == ["mlp.0.hidden", "residual.1"])
        #expect(try place.run("activations model --site residual.1 -p abc -o x.npy").status == 3)
    }

    @Test("generation draws by a seed, stops at a string, goes on with a conversation, and is steered")
    func generation() throws {
        let place = try Workplace()
        func text(_ options: String) throws -> String {
            try #require(try json(place, "generate model -p abc -n 12 \(options)")["text"] as? String)
        }
        let greedy = try text("")
        #expect(try text("--temperature 3 --seed 4") == text("--temperature 3 --seed 4"))
        #expect(try text("--temperature 3 --seed 4") != text("--temperature 3 --seed 5"))
        #expect(try text("--top-k 1 --seed 5") == greedy && text("--temperature 0") == greedy)
        let stop = String(greedy.dropFirst(4).first ?? "?")
        let stopped = try Command.run(["generate", "model", "-p", "abc", "-n", "12", "--stop", stop], in: place.url)
        #expect(stopped.text == greedy.prefix { String($0) != stop } + "\n")

        // A direction that always writes one token: its row of the head, at the end of the stream.
        let checkpoint = try Checkpoint(place.url.appending(path: "model"))
        let model = try LanguageModel.load(checkpoint)
        let token = try #require(Tokenizer(checkpoint).encode("Z").ids.last)
        let row = try model.head.selected(0, token).floats()
        try SafetensorsWriter.write(
            [SafetensorsSource("v", .float32, [row.count], bytes: row.withUnsafeBytes { Array($0) })],
            to: place.url.appending(path: "z.safetensors"))
        let top = model.architecture.layers
        #expect(try text("--steer z.safetensors --at residual.\(top) --strength 1000") == "ZZZZZZZZZZZZ")
        #expect(try text("--steer z.safetensors --at residual.\(top) --strength 0") == greedy)
        #expect(try !text("--project z.safetensors --at residual.\(top)").contains("Z"))
        // The same from an array, and what `activations` writes.
        let array = NPYHeader.bytes(type: "<f4", shape: [row.count]) + row.withUnsafeBytes { Array($0) }
        try Data(array).write(to: place.url.appending(path: "z.npy"))
        #expect(try text("--steer z.npy --at residual.\(top) --strength 1000") == "ZZZZZZZZZZZZ")
        #expect(try place.run("activations model --site residual.\(top) -p Z -o own.npy").status == 0)
        #expect(
            try place.run("activations model --site residual.\(top) -p Z -o own.safetensors").status == 0)
        #expect(
            try text("--steer own.npy --at residual.\(top) --strength 9")
                == text("--steer own.safetensors --at residual.\(top) --strength 9"))
        for (name, bytes, says) in [
            ("whole", NPYHeader.bytes(type: "<i4", shape: [1]) + [0, 0, 0, 0], "such arrays are not read"),
            ("deep", NPYHeader.bytes(type: "<f4", shape: [1, 1, 1]) + [0, 0, 0, 0], "does not hold vectors"),
            ("none", NPYHeader.bytes(type: "<f4", shape: [0]), "does not hold vectors"),
            ("cut", Array(array.dropLast()), "does not have the size"),
            ("infinite", NPYHeader.bytes(type: "<f4", shape: [1]) + [0, 0, 0x80, 0x7F], "not finite")
        ] {
            try Data(bytes).write(to: place.url.appending(path: "\(name).npy"))
            let refused = try place.run("generate model -p abc --steer \(name).npy --at residual.\(top)")
            #expect(refused.status == 4 && refused.errors.contains(says), "\(refused.errors)")
        }
        #expect(try place.run("generate model -p abc --steer z.safetensors").status == 2)
        #expect(try place.run("generate model -p abc --steer z.safetensors --at residual.77").status != 0)
        #expect(try place.run("generate model -p abc --steer good.fix --at residual.1").status == 4)

        try Data(#"[{"role": "user", "content": "abc"}]"#.utf8).write(to: place.url.appending(path: "talk.json"))
        // The tiny model has no chat template.
        #expect(try place.run("generate model --messages talk.json").status == 4)
    }

    @Test("what makes no sense is refused")
    func refused() throws {
        let place = try Workplace()
        for line in [
            "faithful model", "faithful model --learn nowhere", "faithful model --direction v --method pca",
            "faithful model --learn mlp.0.hidden --failures x", "reproduce facts", "reproduce planted --models 1",
            "reproduce facts model texts.txt --layers 1,x", "sweep model --kind paths",
            "sweep model --prompt abc", "sweep model --pairs p --prompt a",
            "sweep model --kind trace --subject x --denoise",
            "sweep model --kind neurons --pairs p", "sweep model --kind neurons --neuron mlp.1.out",
            "sweep model --metric kl --kind attribution", "sweep model --neuron mlp.1.hidden[2]",
            "lens model", "attention model -p abc", "attention model -p abc --head 1",
            "activations model -p a -o x.npy",
            "activations model --site here -p a -o x.npy", "activations model --site residual.1 -o x.npy",
            "activations model --site residual.1 --site residual.0 -p a -o x.npy",
            "activations model --site residual.1 -p a -o x.txt", "generate model", "generate model -p a --messages b",
            "generate model -p a --temperature -1", "generate model -p a --top-p 2", "generate model -p a --seed 3",
            "generate model -p a --temperature 0 --min-p 2", "sweep model --component heads --kind mlp",
            "sweep model --receiver 1.1", "sweep model --count 3", "attention model -p a --layer=-1",
            "generate model -p a --ablate nowhere", "generate model -p a --at residual.1",
            "generate model -p a --steer v --at residual.1 --at residual.2", "generate model -p a --strength 2",
            "faithful model --patch good.fix --ablate mlp.1.out"
        ] {
            #expect(try place.run(line).status == 2, "\(line)")
        }
        for line in [
            "faithful model --direction good.fix", "faithful model --learn mlp.9.hidden --count 20",
            "faithful model --patch plain.fix", "reproduce facts model texts.txt",
            "reproduce facts model missing.json", "reproduce illusion model", "reproduce starts model"
        ] {
            #expect(try place.run(line).status == 4, "\(line)")
        }
    }
}
