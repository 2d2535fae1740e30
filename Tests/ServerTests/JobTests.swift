import Foundation
import SutureKit
import SutureServer
import Testing

@Suite("The server's jobs", .serialized)
struct JobTests {
    @Test("a repair is queued, told of as it goes, and becomes a patch that writes the wanted answer")
    func repair() async throws {
        try await Place.with { place in
            try await place.serving { client in
                // An answer that begins with a letter.
                var (prompt, before) = ("", "")
                for letter in "abcdefghijklmnopqrstuvwxyz" where before.first?.isASCII != true {
                    prompt = "\(letter)"
                    before = try await client.text(prompt, tokens: 3)
                }
                let queued = try await client.post(
                    "/api/jobs",
                    ["prompt": prompt, "written": String(before.prefix(1)), "expected": "Z", "name": "mend"])
                #expect(queued.status == 202)
                let id = try #require(queued.json["id"] as? Int)
                let events = try await client.get("/api/jobs/\(id)/events").events
                let states = events.compactMap { $0["state"] as? String }
                #expect(states.last == "done" && states.contains("running"), "\(events.last ?? [:])")
                // The new answer is told while its cost is still being measured.
                let early = events.first { ($0["result"] as? [String: Any])?["after"] != nil }
                #expect(early?["state"] as? String == "running" && early?["error"] is NSNull)
                let result = try #require(events.last?["result"] as? [String: Any])
                let after = try #require(result["after"] as? String)
                #expect(after.hasPrefix(before.prefix(1) + "Z"))
                #expect((result["before"] as? String)?.hasPrefix(before) == true)
                let report = try #require(result["report"] as? [String: Any])
                #expect((report["failures"] as? [[String: Any]])?.first?["status"] as? String == "fixed")
                #expect((result["patch"] as? [String: Any])?["name"] as? String == "mend")
                // It is kept, and not used before somebody wants it.
                #expect(try await client.text(prompt, tokens: 3) == before)
                #expect(try await client.text(prompt, tokens: 2, ["model": "tiny+mend"]) == after.prefix(2))
                #expect(try await client.post("/api/patches/mend", ["enabled": true], method: "PATCH").status == 200)
                #expect(try await client.text(prompt, tokens: 2) == after.prefix(2))
                let jobs = try #require(try await client.get("/api/jobs").json["jobs"] as? [[String: Any]])
                #expect(jobs.map { $0["id"] as? Int } == [id])
            }
        }
    }

    @Test("a job can be cancelled; what a server left goes on with the next one")
    func goingOn() async throws {
        try await Place.with { place in
            var ids: [Int] = []
            try await place.serving { client in
                for wanted in ["Z", "r", "Q", "k"] {
                    let job = try await client.post("/api/jobs", ["prompt": "abc \(wanted)", "expected": wanted])
                    ids.append(try #require(job.json["id"] as? Int))
                }
                let cancelled = try await client.send("DELETE", "/api/jobs/\(ids[3])")
                #expect(cancelled.json["state"] as? String == "cancelled")
            }
            try await place.serving { client in
                for id in ids.dropLast() {
                    let job = try await client.finished(id)
                    #expect(job["state"] as? String == "done", "\(job)")
                }
                #expect(try await client.get("/api/jobs/\(ids[3])").json["state"] as? String == "cancelled")
                let patches = try #require(try await client.get("/api/patches").json["patches"] as? [[String: Any]])
                #expect(patches.count == 3)
            }
        }
    }

    @Test("a repair that fails says why in one line")
    func failing() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let long = String(repeating: "a", count: 1100)
                let job = try await client.post("/api/jobs", ["prompt": long, "expected": "Z"])
                let ended = try await client.finished(try #require(job.json["id"] as? Int))
                let text = "\(ended)"
                #expect(ended["state"] as? String == "done" || ended["error"] is String, "\(text)")
                #expect(text.contains("do not fit") || text.contains("does not fit"), "\(text)")
            }
        }
    }
}
