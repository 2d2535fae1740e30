import Foundation
import SutureFormats
import SutureKit
import SutureTestSupport
import Testing

@Suite("The server's kinds of jobs", .serialized)
struct JobKindTests {
    @Test("a sweep tells where two prompts differ, and a cell of it can be patched")
    func sweep() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let (base, source) = ("abcd", "aXcd")
                let ended = try await client.done(
                    ["kind": "sweep", "prompt": base, "source": source, "answer": "k", "other": "m"])
                #expect(ended["kind"] as? String == "sweep")
                let result = try #require(ended["result"] as? [String: Any])
                let sweep = try #require(result["sweep"] as? [String: Any])
                let cells = try #require(sweep["cells"] as? [[Double]])
                let columns = try #require(sweep["columns"] as? [String])
                let place = try #require(columns.firstIndex { $0.hasSuffix(" b") })
                #expect(sweep["answer"] as? String == "k" && sweep["other"] as? String == "m")
                for row in cells { #expect(row.prefix(place).allSatisfy { $0 == 0 } && row.count == columns.count) }
                #expect(cells[0][place] != 0)
                // All that differs below the first layer is the embedding of one token: with it the one prompt is the other.
                let swap: [String: Any] = ["prompt": base, "source": source, "layer": 0, "position": place]
                let answer = try await client.post("/api/swap", swap)
                #expect(answer.status == 200, "\(answer.text)")
                func text(_ side: String) -> String? { (answer.json[side] as? [String: Any])?["text"] as? String }
                #expect(try await client.text(base, tokens: 12) == text("before"))
                #expect(try await client.text(source, tokens: 12) == text("after"))
            }
        }
    }

    @Test("a sweep without answers tells apart what the model says")
    func answers() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let (base, answer) = try await client.prompt(beginning: "ab")
                let (source, other) = try await client.prompt(beginning: "cd") { $0 != answer }
                let ended = try await client.done(["kind": "sweep", "prompt": base, "source": source])
                let sweep = try #require((ended["result"] as? [String: Any])?["sweep"] as? [String: Any])
                #expect(sweep["answer"] as? String == answer && sweep["other"] as? String == other)
            }
        }
    }

    @Test("one's own prompts are kept, tested with a stack, and asked after each repair")
    func cases() async throws {
        try await Place.with { place in
            var (prompt, right) = ("", "")
            try await place.serving { client in
                (prompt, right) = try await client.prompt(beginning: "qr")
                let added = try await client.post("/api/cases", ["prompt": prompt, "expected": right])
                #expect(added.status == 201, "\(added.text)")
                #expect(try await client.post("/api/cases", ["prompt": prompt, "expected": "Z"]).status == 409)
                #expect(try await client.post("/api/cases", ["prompt": "tuv", "expected": "ZZZ"]).status == 201)
                let tested = try await client.done(["kind": "test"])
                let result = try #require(tested["result"] as? [String: Any])
                #expect(result["asked"] as? Int == 2 && result["right"] as? Int == 1, "\(result)")
                let told = try #require(result["cases"] as? [[String: Any]])
                #expect(told.map { $0["right"] as? Bool } == [true, false])
                #expect(
                    told.first?["id"] as? Int == added.json["id"] as? Int && told.first?["written"] as? String == right)
                let given: [String: Any] = [
                    "kind": "test", "patches": [], "cases": [["prompt": prompt, "expected": right]]
                ]
                let own = try #require(try await client.done(given)["result"] as? [String: Any])
                #expect(own["asked"] as? Int == 1 && own["right"] as? Int == 1, "\(own)")
            }
            // Kept for the next server. A repair of the very same prompt changes what it should not.
            try await place.serving { client in
                let listed = try #require(try await client.get("/api/cases").json["cases"] as? [[String: Any]])
                #expect(listed.map { $0["expected"] as? String } == [right, "ZZZ"])
                let wanted = right == "Z" ? "Y" : "Z"
                let repaired = try await client.done(["prompt": prompt, "expected": wanted])
                let result = try #require(repaired["result"] as? [String: Any], "\(repaired)")
                let cases = try #require(result["cases"] as? [String: Any])
                #expect(cases["asked"] as? Int == 2 && cases["before"] as? Int == 1 && cases["after"] as? Int == 0)
                let changed = try #require(cases["changed"] as? [[String: Any]])
                let first = try #require(changed.first { $0["prompt"] as? String == prompt })
                #expect(first["before"] as? String == right && first["after"] as? String == wanted)
                // What is asked for goes before what was kept of the very same prompt.
                #expect((result["keep"] as? [[String: Any]])?.map { $0["expected"] as? String } == ["ZZZ"])
                let id = try #require(listed[0]["id"] as? Int)
                #expect(try await client.send("DELETE", "/api/cases/\(id)").status == 204)
                #expect(try await client.send("DELETE", "/api/cases/\(id)").status == 404)
            }
        }
    }

    @Test(
        "a repair leaves one's own prompts right, unless it is told of others or of none, and says to what it was bound"
    )
    func keeping() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let (prompt, right) = try await client.prompt(beginning: "qr")
                #expect(try await client.post("/api/cases", ["prompt": prompt, "expected": right]).status == 201)
                #expect(try await client.post("/api/cases", ["prompt": "tuv", "expected": "ZZZ"]).status == 201)
                // The same with one more letter in front: what repairs the one is easily said behind the other.
                let wanted = right == "Z" ? "Y" : "Z"
                let repair: [String: Any] = ["prompt": "a" + prompt, "expected": wanted]
                let bound = try #require(try await client.done(repair)["result"] as? [String: Any])
                let kept = try #require(bound["keep"] as? [[String: Any]])
                #expect(kept.map { $0["expected"] as? String } == [right, "ZZZ"])
                let outcome = try #require(
                    ((bound["report"] as? [String: Any])?["failures"] as? [[String: Any]])?.first)
                let notes = try #require(outcome["notes"] as? [String])
                #expect(
                    notes.count { $0.hasPrefix("not kept") } == 1 && notes.contains { $0.contains("tuv") }, "\(notes)")
                if outcome["status"] as? String == "fixed" {
                    let cases = try #require(bound["cases"] as? [String: Any])
                    #expect(cases["before"] as? Int == 1 && cases["after"] as? Int == 1, "\(cases)")
                }
                // Others in their place, and none at all. What comes of them may be the same patch.
                func forget() async throws {
                    let kept = try #require(try await client.get("/api/patches").json["patches"] as? [[String: Any]])
                    for name in kept.compactMap({ $0["name"] as? String }) {
                        #expect(try await client.send("DELETE", "/api/patches/\(name)").status == 204)
                    }
                }
                try await forget()
                let others: [String: Any] = ["keep": [["prompt": "tuv", "expected": "ZZZ"]], "patches": []]
                let told = try #require(
                    try await client.done(repair.merging(others) { $1 })["result"] as? [String: Any])
                #expect((told["keep"] as? [[String: Any]])?.count == 1)
                try await forget()
                let free: [String: Any] = ["keep": [Any](), "patches": []]
                let unbound = try #require(
                    try await client.done(repair.merging(free) { $1 })["result"] as? [String: Any])
                #expect((unbound["keep"] as? [Any])?.isEmpty == true && unbound["cases"] == nil, "\(unbound)")
            }
        }
    }

    @Test("evidence says by what pathway a kept repair works")
    func evidence() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let none = try await client.post("/api/jobs", ["kind": "evidence"])
                #expect(none.status == 400 && none.message?.contains("repaired") == true)
                let wanted = try await client.text("abc", tokens: 1) == "Z" ? "Y" : "Z"
                _ = try await client.done(["prompt": "abc", "expected": wanted, "name": "mend"])
                let ended = try await client.done(["kind": "evidence", "patches": ["mend"]])
                let result = try #require(ended["result"] as? [String: Any], "\(ended)")
                #expect((result["headline"] as? String)?.hasPrefix("This patch") == true)
                let evidence = try #require(result["evidence"] as? [String: Any])
                #expect(evidence["prompts"] as? Int == 1 && (evidence["parts"] as? [Any])?.count == 1)
            }
        }
    }

    @Test("a direction is asked about as suture faithful asks, off while it is, whatever becomes of its patch")
    func direction() async throws {
        try await Place.with { place in
            let checkpoint = try Checkpoint(place.model)
            let model = try LanguageModel.load(checkpoint)
            var random = SplitMix64(state: 3)
            let values = (0..<TinySnapshot.width).map { _ in Float.random(in: -1...1, using: &random) }
            let steering = try Steering([.init(layer: 0, values: values)], for: model.architecture)
            let patch = try steering.patch(of: checkpoint, method: .init(name: "steering"))
            let file = try place.file(patch, "steer.safetensors")
            // Pairs of one letter each, told apart by what the answers are.
            func pairs(_ letters: String, _ start: String) -> [[String: String]] {
                letters.map { ["base": "\(start)\($0)a", "source": "\(start)\($0)b", "answer": "k", "other": "m"] }
            }
            let (train, heldOut) = (pairs("cdefghij", "q"), pairs("cdefghij", "r"))
            try await place.serving(patches: [file]) { client in
                let asked: [String: Any] = [
                    "kind": "direction", "direction": "steer", "train_pairs": train, "pairs": heldOut
                ]
                let ended = try await client.done(asked)
                let result = try #require(ended["result"] as? [String: Any], "\(ended)")
                let evidence = try #require(result["evidence"] as? [String: Any])
                let told = try #require(result["headline"] as? String)
                // The same by the library that the command is made of, on the model without the direction.
                let tokenizer = try Tokenizer(checkpoint)
                func tokenized(_ list: [[String: String]]) throws -> [TokenizedPair] {
                    try list.map { pair in
                        try TokenizedPair(
                            PromptPair(
                                base: Prompt(pair["base"] ?? ""), source: Prompt(pair["source"] ?? ""), answer: "k",
                                other: "m"), tokenizer)
                    }
                }
                var examination = Faithfulness(train: try tokenized(train), heldOut: try tokenized(heldOut))
                examination.unrelated = Texts.guards.prefix(8).map { tokenizer.encode($0, specials: .opening).ids }
                examination.tokenName = { tokenizer.decode([$0]) }
                let own = try examination.run(
                    steering.subspace(method: "steer"), of: model, modelName: checkpoint.url.lastPathComponent)
                #expect(told == own.headline)
                let expected = try JSONSerialization.jsonObject(with: Data(JSON(encoding: own).serialized()))
                #expect(evidence as NSDictionary == expected as? NSDictionary)
                for (more, words) in [
                    (["pairs": train] as [String: Any], "not in both"), (["direction": "none"], "no such patch"),
                    (["pairs": [[String: String]]()], "as many pairs")
                ] {
                    let answer = try await client.post("/api/jobs", asked.merging(more) { $1 })
                    #expect(answer.message?.contains(words) == true, "\(answer.text)")
                }
                let neurons = try place.file(place.patch([1]), "neurons.safetensors")
                #expect(try await client.upload(neurons, as: "neurons").status == 201)
                let other = try await client.post("/api/jobs", ["kind": "direction", "direction": "neurons"])
                #expect(other.status == 400 && other.message?.contains("no steering vector") == true, "\(other.text)")
            }
        }
    }

    @Test("all kinds go on with the next server, and one that runs can be cancelled")
    func goingOn() async throws {
        try await Place.with { place in
            var ids: [Int] = []
            try await place.serving { client in
                let repair: [String: Any] = ["prompt": "abc", "expected": "Z"]
                let running = try #require(try await client.post("/api/jobs", repair).json["id"] as? Int)
                let told = Task {
                    try await client.get("/api/jobs/\(running)/events").events.last?["state"] as? String
                }
                while try await client.get("/api/jobs/\(running)").json["state"] as? String == "queued" {
                    try await Task.sleep(for: .milliseconds(5))
                }
                let sweep: [String: Any] = [
                    "kind": "sweep", "prompt": "abcd", "source": "aXcd", "component": "mlp", "answer": "k", "other": "m"
                ]
                let test: [String: Any] = ["kind": "test", "cases": [["prompt": "abc", "expected": "Z"]]]
                for request in [sweep, test] {
                    let job = try await client.post("/api/jobs", request)
                    ids.append(try #require(job.json["id"] as? Int, "\(job.text)"))
                }
                let cancelled = try await client.send("DELETE", "/api/jobs/\(running)")
                #expect(cancelled.json["state"] as? String == "cancelled")
                // Whoever listens is told at once.
                #expect(try await told.value == "cancelled")
            }
            try await place.serving { client in
                for (id, kind) in zip(ids, ["sweep", "test"]) {
                    let job = try await client.finished(id)
                    #expect(job["state"] as? String == "done" && job["kind"] as? String == kind, "\(job)")
                }
                #expect(try await client.get("/api/patches").json["patches"] as? [[String: String]] == [])
            }
        }
    }

    @Test(
        "what cannot be done is refused before it is queued",
        arguments: [
            (#"{"kind": "dance", "prompt": "a"}"#, "there is no such kind of job"),
            (#"{"kind": "sweep", "prompt": "abcd"}"#, "source"),
            (#"{"kind": "sweep", "prompt": "abcd", "source": "abcd"}"#, "the same"),
            (#"{"kind": "sweep", "prompt": "abcd", "source": "abc"}"#, "equally many tokens"),
            (#"{"kind": "sweep", "prompt": "abcd", "source": "abcX", "component": "soul"}"#, "no such component"),
            (#"{"kind": "sweep", "prompt": "abcd", "source": "abcX", "expected": "a"}"#, "not supported"),
            (#"{"kind": "test"}"#, "nothing to test"), (#"{"kind": "test", "cases": []}"#, "as many prompts"),
            (#"{"kind": "test", "cases": [{"prompt": "a"}]}"#, "expected"),
            (#"{"kind": "evidence", "patches": ["none"]}"#, "no such patch")
        ])
    func refused(_ body: String, _ words: String) async throws {
        try await Place.with { place in
            try await place.serving { client in
                let answer = try await client.send(
                    "POST", "/api/jobs", headers: ["Content-Type": "application/json"], body: Data(body.utf8))
                #expect((400..<500).contains(answer.status), "\(answer.text)")
                #expect(answer.message?.contains(words) == true, "\(answer.text)")
                #expect((try await client.get("/api/jobs").json["jobs"] as? [Any])?.isEmpty == true)
            }
        }
    }
}

extension Client {
    /// A prompt behind which the model writes a letter that is a token by itself, and that letter.
    fileprivate func prompt(
        beginning start: String, where isMeant: (String) -> Bool = { _ in true }
    ) async throws -> (prompt: String, answer: String) {
        for letter in "abcdefghijklmnopqrstuvwxyz0123456789" {
            let answer = try await text("\(start)\(letter)", tokens: 1)
            if answer.count == 1, answer.first?.isASCII == true, isMeant(answer) {
                return ("\(start)\(letter)", answer)
            }
        }
        throw CancellationError()
    }

    /// A job that was asked for and came to its end.
    fileprivate func done(_ request: [String: Any]) async throws -> [String: Any] {
        let queued = try await post("/api/jobs", request)
        let ended = try await finished(try #require(queued.json["id"] as? Int, "\(queued.text)"))
        #expect(ended["state"] as? String == "done", "\(ended)")
        return ended
    }
}
