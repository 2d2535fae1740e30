import Hummingbird
import SutureFormats

/// `/api/cases`: prompts that must stay right.
struct CaseRoutes: Sendable {
    let workbench: Workbench

    func add(to router: Router<ServerContext>) {
        let cases = workbench.cases
        router.get("/api/cases") { _, _ in
            Response.json(["cases": .array(try cases.list().map { .object($0.members) })])
        }
        router.post("/api/cases") { request, _ in
            let added = try cases.add(Case(await request.json(workbench.limits), workbench))
            return Response.json(.object(added.members), status: .created)
        }
        router.delete("/api/cases/:id") { _, context in
            try cases.remove(context.number("a prompt"))
            return Response(status: .noContent)
        }
    }
}

extension ServerContext {
    /// The `id` in the path.
    func number(_ what: String) throws -> Int64 {
        let text = try parameters.require("id")
        guard let id = Int64(text) else {
            throw ServerError(.badRequest, "\(what) has a number", found: "\"\(text.prefix(40))\"")
        }
        return id
    }
}
