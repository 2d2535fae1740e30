import Foundation
import GRDB
import Logging
import ServiceLifecycle
import SutureFormats
import SutureModels
import SuturePatches

/// Runs jobs one after another, and keeps them: what was not finished when a server ended goes on with the next one.
actor JobRunner: Service {
    /// What running jobs say.
    nonisolated let board = JobBoard()
    private let storage: Storage
    private let worker: JobWorker
    private let stacks: ModelStacks
    private let patches: PatchStore
    private let limits: ServerLimits
    private var running: (id: Int64, task: Task<JobOutcome, any Error>)?
    private var preparing: Task<Void, Never>?
    private let wakeups = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    init(
        _ storage: Storage, _ worker: JobWorker, _ stacks: ModelStacks, _ patches: PatchStore, _ limits: ServerLimits
    ) throws {
        (self.storage, self.worker, self.stacks, self.patches, self.limits) = (storage, worker, stacks, patches, limits)
        try storage.database.write { database in
            _ = try Job.filter(Column("state") == Job.State.running.rawValue)
                .updateAll(database, Column("state").set(to: Job.State.queued.rawValue))
        }
    }

    /// Puts a job behind those that wait.
    ///
    /// Throws ``ServerError`` where too many wait.
    func submit(_ request: any JobRequest) throws -> Job {
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

    /// Gives a job up, unless it is finished.
    func cancel(_ id: Int64) throws -> Job {
        var job = try find(id)
        guard !job.state.isFinal else { return job }
        job.state = .cancelled
        try save(job)
        if running?.id == id { running?.task.cancel() }
        board.end(id)
        return job
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in self.wakeups.stream {
                while !Task.isCancelled, let job = try? await self.next() { await self.work(on: job) }
            }
        }
        preparing?.cancel()
    }

    /// Lets ``run()`` look for what is left of an earlier server, and makes ready for the first repair.
    func begin() {
        wakeups.continuation.yield()
        prepare(after: .zero)
    }

    /// Makes ready for repairs of the model as it is switched on, once nothing was switched for a while.
    func prepare(after pause: Duration = .seconds(10)) {
        preparing?.cancel()
        preparing = Task {
            guard (try? await Task.sleep(for: pause)) != nil, let applied = try? await patches.resolved(StackRequest()),
                let model = try? await stacks.model(applied)
            else { return }
            for isChat in worker.tokenizers.hasChat ? [false, true] : [false] {
                // A repair that cannot be prepared says why when it is asked for.
                try? await worker.prepare(model, applied, isChat: isChat)
            }
        }
    }

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
            board.end(id)
        }
        do {
            job.state = .running
            try save(job)
            board.begin(id)
            let request = try JobKinds.request(
                kept: JSONField(JSON.parse(job.request, source: "job \(id)"), source: "job \(id)"))
            // A repair needs what is being prepared; nothing else waits for it.
            let isPutOff = !(request is RepairRequest)
            if isPutOff { preparing?.cancel() }
            defer { if isPutOff { prepare() } }
            let applied = try await patches.resolved(request.stack)
            let setting = JobSetting(model: try await stacks.model(applied), patches: applied) { [board] in
                board.tell($0, of: id)
            }
            let task = Task { [worker] in try await worker.run(request, setting) }
            running = (id, task)
            // It may have been given up in its first moments.
            if try find(id).state != .running { task.cancel() }
            let outcome = try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
            // It may have been given up in its last moments.
            guard try find(id).state == .running else { return }
            var members = outcome.members
            if let patch = outcome.patch {
                let name = try await freeName(outcome.name)
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

    /// A name that was asked for, unless a patch has it.
    private func freeName(_ name: String?) async throws -> String {
        if let name, (try? await patches.find(name)) == nil { return name }
        return await patches.freeName()
    }

    private func save(_ job: Job) throws { try storage.database.write { try job.update($0) } }
}
