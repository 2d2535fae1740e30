import Foundation
import Hummingbird
import SutureFormats

/// `/health`, `/metrics`, `/v1/models`, and `/openapi.json`, which describes them all.
struct ModelRoutes: Sendable {
    let workbench: Workbench

    func add(to router: Router<ServerContext>) {
        router.get("/health") { _, _ in Response.json(["status": "ok"]) }
        router.get("/metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: workbench.meter.exposition)))
        }
        let description = ByteBuffer(bytes: PackageResources.openapi_json)
        router.get("/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                body: .init(byteBuffer: description))
        }
        router.get("/v1/models") { _, _ in
            let names = await workbench.modelNames()
            return Response.json(["object": "list", "data": .array(names.map(describe))])
        }
        router.get("/v1/models/:name") { _, context in
            let name = try context.parameters.require("name").removingPercentEncoding ?? ""
            let stack = try StackRequest(model: name, of: workbench.name)
            _ = try await workbench.patches.resolved(stack)
            return Response.json(describe(name))
        }
        router.get("/api/model") { _, _ in Response.json(facts) }
    }

    private func describe(_ name: String) -> JSON {
        ["id": JSON(name), "object": "model", "created": JSON(started), "owned_by": "suture"]
    }

    private let started = Int(Date().timeIntervalSince1970)

    init(workbench: Workbench) { self.workbench = workbench }

    /// What the page wants to know of the model.
    private var facts: JSON {
        let architecture = workbench.stacks.base.architecture
        let isChat = if case .success = workbench.tokenizers.chat { true } else { false }
        return [
            "name": JSON(workbench.name), "family": JSON(architecture.family), "layers": JSON(architecture.layers),
            "heads": JSON(architecture.heads), "width": JSON(architecture.width),
            "context": JSON(architecture.contextLength), "chat": JSON(isChat)
        ]
    }
}
