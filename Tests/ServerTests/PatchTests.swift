import Foundation
import SutureKit
import SutureServer
import SutureTestSupport
import Testing

@Suite("The server's patches", .serialized)
struct PatchTests {
    @Test("each request has its own stack, in one batch or alone, and answers as generate --patch does")
    func stacks() async throws {
        try await Place.with { place in
            let patches = try [place.patch([3, 9]), place.patch([20], layer: 0, seed: 6)]
            try await place.serving { client in
                for (index, patch) in patches.enumerated() {
                    let answer = try await client.upload(place.file(patch, "p\(index)"), as: "fix\(index + 1)")
                    #expect(answer.status == 201 && answer.json["id"] as? String == patch.id)
                }
                func applied(_ scales: [Double]) -> [AppliedPatch] {
                    zip(patches, scales).filter { $0.1 != 0 }.map { AppliedPatch($0, scale: $1) }
                }
                let stacks: [(model: String, scales: [Double])] = [
                    ("tiny", [0, 0]), ("tiny+fix1", [1, 0]), ("tiny+fix2", [0, 1]), ("tiny+fix1@0.5+fix2", [0.5, 1]),
                    ("tiny+fix2+fix1@0.5", [0.5, 1]), ("tiny+fix1@-1", [-1, 0]), ("tiny+fix1@0", [0, 0])
                ]
                let expected = try stacks.map { try place.written("abc", tokens: 16, patches: applied($0.scales)) }
                #expect(Set(expected).count == 5)
                for _ in 0..<3 {
                    try await withThrowingTaskGroup { group in
                        for (stack, text) in zip(stacks, expected) {
                            group.addTask {
                                let found = try await client.text("abc", tokens: 16, ["model": stack.model])
                                #expect(found == text, "\(stack.model)")
                            }
                        }
                        try await group.waitForAll()
                    }
                }
                let listed: [String: Any] = ["patches": [["name": "fix1", "scale": 0.5], "fix2"] as [Any]]
                #expect(try await client.text("abc", tokens: 16, listed) == expected[3])
                let models = try #require(try await client.get("/v1/models").json["data"] as? [[String: Any]])
                #expect(models.compactMap { $0["id"] as? String } == ["tiny", "tiny+fix1", "tiny+fix2"])
                #expect(try await client.get("/v1/models/tiny+fix1@0.5").status == 200)
            }
        }
    }

    @Test("a steering vector is taken up, scaled and stacked like any patch")
    func steering() async throws {
        try await Place.with { place in
            let checkpoint = try Checkpoint(place.model)
            let architecture = try Architecture(checkpoint)
            let values = (0..<architecture.width).map { 2 * sin(Float($0)) }
            let patch = try Steering([.init(layer: 0, values: values)], for: architecture)
                .patch(of: checkpoint, method: .init(name: "steer"))
            let other = try place.patch([3, 9])
            let stacks: [(String, [AppliedPatch])] = [
                ("tiny+way@2", [AppliedPatch(patch, scale: 2)]),
                ("tiny+way@-2+fix", [AppliedPatch(patch, scale: -2), AppliedPatch(other)]), ("tiny", [])
            ]
            let expected = try stacks.map { try place.written("abc", tokens: 16, patches: $0.1) }
            #expect(Set(expected).count == 3)
            try await place.serving { client in
                for (made, name) in [(patch, "way"), (other, "fix")] {
                    let answer = try await client.upload(place.file(made, "file-\(name)"), as: name)
                    #expect(answer.status == 201, "\(answer.json)")
                }
                for (stack, text) in zip(stacks, expected) {
                    let found = try await client.text("abc", tokens: 16, ["model": stack.0])
                    #expect(found == text, "\(stack.0)")
                }
            }
        }
    }

    @Test("the patches to which a token is due are told, and what stands there without them")
    func blame() async throws {
        try await Place.with { place in
            let (patch, other) = (try place.patch([3, 9]), try place.patch([5]))
            let base = try place.written("abc", tokens: 16)
            let changed = try place.written("abc", tokens: 16, patches: [AppliedPatch(patch), AppliedPatch(other)])
            let shared = String(zip(base, changed).prefix { $0 == $1 }.map(\.0))
            try #require(shared.count < min(base.count, changed.count))
            try await place.serving { client in
                for (made, name) in [(patch, "one"), (other, "two")] {
                    #expect(try await client.upload(place.file(made, "file-\(name)"), as: name).status == 201)
                }
                let asked: [String: Any] = ["prompt": "abc", "written": shared, "patches": ["one", "two"]]
                let found = try await client.post("/api/blame", asked)
                let names = try #require(found.json["patches"] as? [String], "\(found.json)")
                let instead = try #require(found.json["instead"] as? String)
                #expect(
                    !names.isEmpty
                        && (found.json["token"] as? String).map(changed.dropFirst(shared.count).hasPrefix) == true)
                // Without them, this is what comes.
                let left = ["one", "two"].filter { !names.contains($0) }
                #expect(try await client.text("abc" + shared, tokens: 1, ["patches": left]) == instead)
                let own = try await client.post("/api/blame", ["prompt": "abc", "patches": [String]()])
                #expect(own.json["instead"] is NSNull && own.json["patches"] as? [String] == [])
            }
        }
    }

    @Test("what is enabled serves requests that name no patches, also after a restart; removing gives the base back")
    func enabling() async throws {
        try await Place.with { place in
            let patch = try place.patch([3, 9])
            let base = try place.written("abc", tokens: 16)
            let half = try place.written("abc", tokens: 16, patches: [AppliedPatch(patch, scale: 0.5)])
            let file = try place.file(patch, "fix.safetensors")
            try await place.serving(patches: [file]) { client in
                #expect(
                    try await client.text("abc", tokens: 16)
                        == place.written(
                            "abc", tokens: 16, patches: [AppliedPatch(patch)]))
                #expect(try await client.text("abc", tokens: 16, ["patches": [String]()]) == base)
                let changed = try await client.post("/api/patches/fix.safetensors", [:], method: "PATCH")
                #expect(changed.status == 404)
                #expect(try await client.post("/api/patches/fix", ["scale": 0.5], method: "PATCH").status == 200)
            }
            // What the folder keeps.
            try await place.serving { client in
                #expect(try await client.text("abc", tokens: 16) == half)
                let bytes = try await client.get("/api/patches/fix/file").body
                #expect(try bytes == Data(contentsOf: file))
                let adapters = try JSONSerialization.jsonObject(with: try await client.get("/lora-adapters").body)
                #expect((adapters as? [[String: Any]])?.first?["scale"] as? Double == 0.5)
                let off = try await client.send(
                    "POST", "/lora-adapters", headers: ["Content-Type": "application/json"],
                    body: Data(#"[{"id": 0, "scale": 0}]"#.utf8))
                #expect(off.status == 200)
                #expect(try await client.text("abc", tokens: 16) == base)
                #expect(try await client.text("abc", tokens: 16, ["model": "tiny+fix"]) == half)
                #expect(try await client.send("DELETE", "/api/patches/fix").status == 204)
                let gone = try await client.post("/v1/completions", ["prompt": "abc", "model": "tiny+fix"])
                #expect(gone.status == 404)
                #expect(try await client.text("abc", tokens: 16) == base)
            }
            #expect(
                try FileManager.default.contentsOfDirectory(
                    atPath: place.folder.appending(path: "patches").path
                ).isEmpty)
        }
    }

    @Test("a patch of another base, one that was tampered with, and two that exclude one another are refused")
    func refusals() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let patch = try place.patch([3])
                let file = try place.file(patch, "good")
                var bytes = [UInt8](try Data(contentsOf: file))
                bytes[bytes.count - 5] ^= 1
                let bad = place.url.appending(path: "bad")
                try Data(bytes).write(to: bad)
                let tampered = try await client.upload(bad, as: "bad")
                #expect(tampered.status == 400 && tampered.message?.contains("bad") == true, "\(tampered.text)")

                let other = Place(url: place.url.appending(path: "elsewhere"))
                try TinySnapshot.write(to: other.model, seed: 2)
                let foreign = try await client.upload(other.file(other.patch([3]), "foreign"), as: "foreign")
                #expect(foreign.status == 409, "\(foreign.text)")

                #expect(try await client.upload(file, as: "good").status == 201)
                #expect(try await client.upload(file, as: "again").status == 409)
                #expect(try await client.upload(place.file(place.patch([4]), "b"), as: "good").status == 409)
                #expect((try await client.get("/api/patches").json["patches"] as? [Any])?.count == 1)
                // A second server would write to the same database.
                await #expect(throws: ServerError.self) {
                    _ = try await Server(Checkpoint(place.model), folder: place.folder, address: .anyPort)
                }
            }
        }
    }

    @Test("files that an upload left behind go, and a patch whose file is broken is named and not used")
    func recovery() async throws {
        try await Place.with { place in
            let patch = try place.patch([3])
            try await place.serving(patches: [place.file(patch, "fix")]) { _ in }
            let files = place.folder.appending(path: "patches")
            try Data("half".utf8).write(to: files.appending(path: ".upload-x"))
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: files.path).first { $0.hasSuffix("safetensors") })
            try Data("half".utf8).write(to: files.appending(path: name))
            try await place.serving { client in
                let listed = try #require(try await client.get("/api/patches").json["patches"] as? [[String: Any]])
                #expect(listed.count == 1 && listed[0]["fits"] as? Bool == false && listed[0]["problem"] is String)
                #expect(try await client.text("abc") == place.written("abc", tokens: 12))
                let asked = try await client.post("/v1/completions", ["prompt": "abc", "model": "tiny+fix"])
                #expect(asked.status >= 400 && asked.message != nil)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: files.path) == [name])
        }
    }
}
