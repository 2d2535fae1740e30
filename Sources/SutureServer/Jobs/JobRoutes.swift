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
            var asked = try await JobKinds.request(request.json(workbench.limits), workbench)
            // What is enabled now, whatever is when the job begins.
            let patches = try await workbench.patches.resolved(asked.stack)
            asked.stack.parts = patches.map { StackRequest.Part(name: $0.patch.id, scale: $0.scale) }
            return Response.json(json(try await jobs.submit(asked)), status: .accepted)
        }
        router.get("/api/jobs/:id") { _, context in Response.json(json(try await jobs.find(context.number("a job")))) }
        router.delete("/api/jobs/:id") { _, context in
            Response.json(json(try await jobs.cancel(context.number("a job"))))
        }
        router.get("/api/jobs/:id/events") { _, context in
            let id = try context.number("a job")
            _ = try await jobs.find(id)
            return Response.events { writer in try await tell(id, &writer) }
        }
    }

    /// Tells of a job whenever it is further, to its end.
    private func tell(_ id: Int64, _ writer: inout any ResponseBodyWriter) async throws {
        let board = jobs.board
        // Whether anybody still listens is learned by saying something; a server that ends says so at once.
        let pulse = Task {
            await gracefulShutdownOrTicks(every: .seconds(5)) { board.wake(id) }
        }
        defer { pulse.cancel() }
        var (last, job, wasRunning) = (JSON?.none, Job?.none, false)
        for await _ in board.news(of: id) {
            let entry = board[id]
            // While it runs the database has nothing new of it.
            if job == nil || entry == nil || !wasRunning { job = try await jobs.find(id) }
            guard let job else { return }
            wasRunning = entry != nil && job.state == .running
            let now = job.json(entry)
            if now != last {
                try await writer.event(now)
                last = now
            } else {
                try await writer.pulse()
            }
            // The database keeps the job when the server ends.
            guard !job.state.isFinal, !Task.isShuttingDownGracefully else { return }
        }
    }

    private func json(_ job: Job) -> JSON { job.json(job.id.flatMap { jobs.board[$0] }) }
}

/// Does something at intervals, and once more when the server is asked to end, until the task is cancelled.
private func gracefulShutdownOrTicks(every interval: Duration, _ body: @escaping @Sendable () -> Void) async {
    await withGracefulShutdownHandler {
        while (try? await Task.sleep(for: interval)) != nil { body() }
    } onGracefulShutdown: {
        body()
    }
}
