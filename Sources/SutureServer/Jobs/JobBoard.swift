import Foundation
import SutureFormats

/// What running jobs say on their way, and who wants to hear it. Nobody has to look: whoever listens is told.
final class JobBoard: @unchecked Sendable {
    /// What a job says.
    enum News: Sendable {
        /// What is being done.
        case progress(Job.Progress)
        /// What is known of the result already.
        case known(JSONObject)
    }

    /// What a running job has said.
    struct Entry: Sendable {
        var progress: Job.Progress?
        var known: JSONObject?
    }

    // Sendable: all below is guarded by the lock.
    private let lock = NSLock()
    private var entries: [Int64: Entry] = [:]
    private var listeners: [Int64: [UUID: AsyncStream<Void>.Continuation]] = [:]

    /// What a job has said; nil for one that does not run.
    subscript(id: Int64) -> Entry? { lock.withLock { entries[id] } }

    func begin(_ id: Int64) { change(id) { entries[id] = Entry() } }

    func end(_ id: Int64) { change(id) { entries[id] = nil } }

    /// What a job says; nothing of one that was given up.
    func tell(_ news: News, of id: Int64) {
        change(id) {
            switch news {
            case .progress(let progress): entries[id]?.progress = progress
            case .known(let members): entries[id]?.known = members
            }
        }
    }

    /// An element at once, and one whenever there is something new of a job, or ``wake(_:)`` is called.
    func news(of id: Int64) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let key = UUID()
        lock.withLock { listeners[id, default: [:]][key] = continuation }
        continuation.onTermination = { [weak self] _ in self?.forget(key, of: id) }
        continuation.yield()
        return stream
    }

    /// Lets those who listen to a job look at it.
    func wake(_ id: Int64) { change(id) {} }

    private func change(_ id: Int64, _ body: () -> Void) {
        lock.lock()
        body()
        let told = listeners[id]
        lock.unlock()
        for continuation in told.map({ Array($0.values) }) ?? [] { continuation.yield() }
    }

    private func forget(_ key: UUID, of id: Int64) {
        lock.withLock {
            listeners[id]?[key] = nil
            if listeners[id]?.isEmpty == true { listeners[id] = nil }
        }
    }
}
