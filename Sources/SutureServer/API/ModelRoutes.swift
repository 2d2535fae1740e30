import Foundation
import Hummingbird
import SutureFormats

/// `/health`, `/metrics`, `/v1/models`, and `/openapi.json`, which describes them all.
struct ModelRoutes: Sendable {
    let bench: any Bench

    func add(to router: Router<ServerContext>) {
        router.get("/health") { _, _ in Response.json(["status": "ok"]) }
        router.get("/metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: bench.meter.exposition)))
        }
        let description = ByteBuffer(bytes: PackageResources.openapi_json)
        router.get("/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                body: .init(byteBuffer: description))
        }
        router.get("/v1/models") { _, _ in
            let names = await bench.modelNames()
            return Response.json(["object": "list", "data": .array(names.map(describe))])
        }
        router.get("/v1/models/:name") { _, context in
            let name = try context.parameters.require("name").removingPercentEncoding ?? ""
            let stack = try StackRequest(model: name, of: bench.name)
            _ = try await bench.patches.resolved(stack)
            return Response.json(describe(name))
        }
        router.get("/api/model") { _, _ in Response.json(bench.facts) }
    }

    private func describe(_ name: String) -> JSON {
        ["id": JSON(name), "object": "model", "created": JSON(started), "owned_by": "suture"]
    }

    private let started = Int(Date().timeIntervalSince1970)

    init(bench: any Bench) { self.bench = bench }
}
