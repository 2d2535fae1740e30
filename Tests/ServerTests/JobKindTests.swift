import Foundation
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
                let id = try #require(listed[0]["id"] as? Int)
                #expect(try await client.send("DELETE", "/api/cases/\(id)").status == 204)
                #expect(try await client.send("DELETE", "/api/cases/\(id)").status == 404)
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
