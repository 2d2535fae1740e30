import Foundation
import Hummingbird
import ServiceLifecycle
import SutureFormats

/// `/api/jobs`.
struct JobRoutes: Sendable {
    let workbench: Workbench

    private var jobs: JobRunner { workbench.jobs }

    func add(to router: Router<ServerContext>) {
        router.get("/api/jobs") { _, _ in
            Response.json(["jobs": .array(try await jobs.list().map(json))])
        }
        router.post("/api/jobs") { request, _ in
            var asked = try RepairRequest(await request.json(workbench.limits), workbench)
            // What is enabled now, whatever is when the job begins.
            let patches = try await workbench.patches.resolved(asked.passage.stack)
            asked.passage.stack.parts = patches.map { StackRequest.Part(name: $0.patch.id, scale: $0.scale) }
            return Response.json(json(try await jobs.submit(asked)), status: .accepted)
        }
        router.get("/api/jobs/:id") { _, context in Response.json(json(try await jobs.find(id(context)))) }
        router.delete("/api/jobs/:id") { _, context in Response.json(json(try await jobs.cancel(id(context)))) }
        router.get("/api/jobs/:id/events") { _, context in
            let id = try id(context)
            _ = try await jobs.find(id)
            return Response.events { writer in try await tell(id, &writer) }
        }
    }

    /// Tells of a job whenever it is further, to its end.
    private func tell(_ id: Int64, _ writer: inout any ResponseBodyWriter) async throws {
        var last: JSON?
        var rounds = 0
        while true {
            let job = try await jobs.find(id)
            let now = json(job)
            if now != last {
                try await writer.event(now)
                last = now
            } else if rounds % 50 == 0 {
                try await writer.pulse()
            }
            // The database keeps the job when the server ends.
            guard !job.state.isFinal, !Task.isShuttingDownGracefully else { return }
            rounds += 1
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func json(_ job: Job) -> JSON { job.json(job.id.flatMap { jobs.progress(of: $0) }) }

    private func id(_ context: ServerContext) throws -> Int64 {
        let text = try context.parameters.require("id")
        guard let id = Int64(text) else {
            throw ServerError(.badRequest, "a job has a number", found: "\"\(text.prefix(40))\"")
        }
        return id
    }
}
