import Foundation
import GRDB
import Logging
import ServiceLifecycle
import SutureFormats
import SutureModels
import SuturePatches

/// Runs jobs one after another, and keeps them: what was not finished when a server ended goes on with the next one.
actor JobRunner: Service {
    private let storage: Storage
    private let worker: RepairWorker
    private let stacks: ModelStacks
    private let patches: PatchStore
    private let limits: ServerLimits
    private var running: (id: Int64, task: Task<RepairWorker.Outcome, any Error>)?
    private let wakeups = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    private let progress = ProgressBoard()

    init(
        _ storage: Storage, _ worker: RepairWorker, _ stacks: ModelStacks, _ patches: PatchStore, _ limits: ServerLimits
    ) throws {
        (self.storage, self.worker, self.stacks, self.patches, self.limits) = (storage, worker, stacks, patches, limits)
        try storage.database.write { database in
            _ = try Job.filter(Column("state") == Job.State.running.rawValue)
                .updateAll(database, Column("state").set(to: Job.State.queued.rawValue))
        }
    }

    /// Puts a repair behind those that wait.
    ///
    /// Throws ``ServerError`` where too many wait.
    func submit(_ request: RepairRequest) throws -> Job {
        let text = String(decoding: request.json.serialized(), as: UTF8.self)
        let job = try storage.database.write { [limits] database in
            let waiting = try Job.filter(Column("state") == Job.State.queued.rawValue).fetchCount(database)
            guard waiting < limits.jobs else {
                throw ServerError(.busy, "too many jobs wait", expected: "\(limits.jobs) at most")
            }
            var job = Job(request: text)
            try job.insert(database)
            return job
        }
        wakeups.continuation.yield()
        return job
    }

    /// The latest jobs, the latest first.
    func list() throws -> [Job] {
        try storage.database.read { try Job.order(Column("id").desc).limit(100).fetchAll($0) }
    }

    /// One job; throws ``ServerError`` where there is none of that number.
    func find(_ id: Int64) throws -> Job {
        guard let job = try storage.database.read({ try Job.fetchOne($0, key: id) }) else {
            throw ServerError(.notFound, "there is no such job", found: "\(id)")
        }
        return job
    }

    /// How far a job is, while it runs.
    nonisolated func progress(of id: Int64) -> Job.Progress? { progress[id] }

    /// Gives a job up, unless it is finished.
    func cancel(_ id: Int64) throws -> Job {
        var job = try find(id)
        guard !job.state.isFinal else { return job }
        job.state = .cancelled
        try save(job)
        if running?.id == id { running?.task.cancel() }
        return job
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in self.wakeups.stream {
                while !Task.isCancelled, let job = try? await self.next() { await self.work(on: job) }
            }
        }
    }

    /// Lets ``run()`` look for what is left of an earlier server.
    func wake() { wakeups.continuation.yield() }

    private func next() throws -> Job? {
        try storage.database.read {
            try Job.filter(Column("state") == Job.State.queued.rawValue).order(Column("id")).fetchOne($0)
        }
    }

    private func work(on queued: Job) async {
        var job = queued
        guard let id = job.id else { return }
        defer {
            running = nil
            progress[id] = nil
        }
        do {
            job.state = .running
            try save(job)
            let field = JSONField(try JSON.parse(job.request, source: "job \(id)"), source: "job \(id)")
            let request = try RepairRequest(kept: field)
            let applied = try await patches.resolved(request.passage.stack)
            let model = try await stacks.model(applied)
            let task = Task { [worker, progress] in
                try await worker.repair(request, model, applied) { progress[id] = $0 }
            }
            running = (id, task)
            let outcome = try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
            // It may have been given up in its last moments.
            guard try find(id).state == .running else { return }
            var members = outcome.members
            if let patch = outcome.patch {
                let name = try await name(for: request)
                members["patch"] = try await patches.add(patch, name: name).json
            }
            job.result = String(decoding: JSON.object(members).serialized(), as: UTF8.self)
            job.state = .done
        } catch is CancellationError {
            // By a shutdown: the next server goes on with it. By a request: it says so already.
            guard (try? find(id).state) == .running else { return }
            job.state = .queued
        } catch {
            job.error = ServerError(telling: error).description
            job.state = .failed
        }
        try? save(job)
    }

    private func name(for request: RepairRequest) async throws -> String {
        if let name = request.name, (try? await patches.find(name)) == nil { return name }
        return await patches.freeName()
    }

    private func save(_ job: Job) throws { try storage.database.write { try job.update($0) } }
}

/// How far jobs are, told by the threads that work on them.
private final class ProgressBoard: @unchecked Sendable {
    // Sendable: guarded by the lock.
    private let lock = NSLock()
    private var entries: [Int64: Job.Progress] = [:]

    subscript(id: Int64) -> Job.Progress? {
        get { lock.withLock { entries[id] } }
        set { lock.withLock { entries[id] = newValue } }
    }
}
