import Foundation
import SutureFormats
import Testing

@testable import SutureServer

@Suite("The description of the API", .serialized)
struct DescriptionTests {
    private static func description() throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(PackageResources.openapi_json))
        return try #require(object as? [String: Any])
    }

    @Test("what is served is described, and what is described is served")
    func routes() async throws {
        let paths = try #require(try Self.description()["paths"] as? [String: [String: Any]])
        let described = paths.flatMap { path, methods in
            methods.keys.map { "\($0.uppercased()) \(path)" }
        }
        try await Place.with { place in
            let other = place.url.appending(path: "other")
            let server = try await Server(Checkpoint(place.model), folder: other, address: .anyPort)
            let served = server.routes.filter { route in !PageRoutes.paths.contains { route == "GET \($0)" } }
            #expect(Set(served) == Set(described))
            try await place.serving { client in
                let answer = try await client.get("/openapi.json")
                #expect(answer.status == 200 && answer.json["openapi"] as? String == "3.1.0")
            }
        }
    }

    @Test("each request names the settings that are read, and no others; each reference leads somewhere")
    func schemas() throws {
        let schemas = try #require(
            (try Self.description()["components"] as? [String: Any])?["schemas"] as? [String: [String: Any]])
        func names(_ schema: String) throws -> Set<String> {
            Set(try #require(schemas[schema]?["properties"] as? [String: Any]).keys)
        }
        #expect(try names("Passage") == Set(Passage.keys.map(\.description)))
        #expect(try names("AttentionRequest") == names("Passage").union(["layer"]))
        #expect(try names("RepairRequest") == names("Passage").union(["kind", "expected", "name", "keep"]))
        #expect(try names("PictureRequest") == Set(PictureRequest.keys.map(\.description)))
        let pair = Set(SwapPassage.keys.map(\.description))
        #expect(try names("SweepRequest") == pair.union(["kind", "answer", "other"]))
        #expect(try names("SwapRequest") == pair.union(["layer", "position"]))
        #expect(try names("TestRequest") == ["kind", "model", "patches", "cases"])
        #expect(try names("EvidenceRequest") == ["kind", "model", "patches"])
        #expect(
            try names("DirectionRequest")
                == ["kind", "model", "patches", "direction", "pairs", "train_pairs", "count"])
        #expect(try names("CaseRequest") == ["prompt", "messages", "written", "expected"])
        for (schema, form) in [("TextRequest", WritingRequest.Form.text), ("ChatRequest", .chat)] {
            // Those that are taken for compatibility and do nothing are not named.
            let silent: Set = ["frequency_penalty", "presence_penalty", "logit_bias", "suffix", "best_of"]
            let read = Set(WritingRequest.keys(form).map(\.description)).subtracting(silent)
            #expect(try names(schema) == read.union(["stream_options"]))
        }
        let text = String(decoding: PackageResources.openapi_json, as: UTF8.self)
        let references = text.matches(of: /#\/components\/schemas\/(\w+)/).map { String($0.1) }
        #expect(references.count > 20 && Set(references).isSubset(of: Set(schemas.keys)))
        #expect(Set(schemas.keys).subtracting(references).isEmpty)
    }
}
