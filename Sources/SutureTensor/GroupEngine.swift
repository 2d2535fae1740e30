import CTorch
import Foundation

/// The engine's side of a process group. Every call of it ends within a time: one that hangs is left to itself.
final class GroupEngine: @unchecked Sendable {
    // Sendable: the engine locks what its calls share.
    private let handle: OpaquePointer

    /// What became of a call, besides what it returns.
    enum Fault: Error {
        /// It did not end in time.
        case hangs
        /// What the engine said.
        case failed(String)
    }

    private init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { torch.group_free(handle) }

    /// Goes to the place where a group meets, or serves as that.
    static func open(_ place: ProcessGroup.Place, within seconds: Double) throws(Fault) -> GroupEngine {
        try call(seconds) {
            torch.group(
                place.host, Int32(place.port), place.serves, "suture/\(place.attempt)", seconds
            ).map(GroupEngine.init)
        }
    }

    /// Connects with all others, who must have come.
    func connect(_ place: ProcessGroup.Place, within seconds: Double) throws(Fault) {
        try Self.call(seconds) {
            torch.group_connect(
                self.handle, Int32(place.rank), Int32(place.size), place.interface, place.ownAddress, seconds) == 0
                ? () : nil
        }
    }

    /// Returns when all others are in this call, too.
    func meet(within seconds: Double) throws(Fault) {
        try Self.call(seconds) { torch.group_meet(self.handle, seconds) == 0 ? () : nil }
    }

    /// What each gives, one upon the other.
    func gather(_ tensor: Tensor, within seconds: Double) throws(Fault) -> Tensor {
        try Self.call(seconds) { torch.group_gather(self.handle, tensor.handle, seconds).map(Tensor.init(owning:)) }
    }

    /// Hands a tensor to another process, however long that works before it takes it.
    func send(_ tensor: Tensor, to rank: Int, _ wait: Wait) throws {
        try Self.call(wait) { torch.group_send(self.handle, tensor.handle, Int32(rank), Self.forever) == 0 ? () : nil }
    }

    /// Fills a tensor with what another process sends, however long that takes.
    func receive(into tensor: Tensor, from rank: Int, _ wait: Wait) throws {
        try Self.call(wait) {
            torch.group_receive(self.handle, tensor.handle, Int32(rank), Self.forever) == 0 ? () : nil
        }
    }

    /// Adds to a number that all share, and returns what it is then.
    func count(_ key: String, adding more: Int, within seconds: Double) throws(Fault) -> Int {
        try Self.call(seconds) {
            var sum: Int64 = 0
            return torch.group_count(self.handle, key, Int64(more), &sum) == 0 ? Int(sum) : nil
        }
    }

    /// How a call is waited for that ends when another process lets it: what is asked now and then, and how often.
    struct Wait {
        let interval: Double
        /// Throws where the call cannot be expected to end.
        let check: () throws -> Void
    }

    /// A year in seconds: the engine ends all connections where a time is up.
    private static let forever = 3e7

    /// Makes a call, and gives it up where the check throws.
    private static func call(_ wait: Wait, _ body: @escaping @Sendable () -> Void?) throws {
        let outcome = begin(body)
        while outcome.isKnown.wait(timeout: .now() + wait.interval) != .success { try wait.check() }
        try outcome.result?.get()
    }

    /// Begins a call, which returns nil where it fails, on a thread of its own.
    private static func begin<Value: Sendable>(_ body: @escaping @Sendable () -> Value?) -> Outcome<Value> {
        let outcome = Outcome<Value>()
        Thread.detachNewThread {
            // The engine's words are kept for the thread that it failed on.
            outcome.result = body().map { .success($0) } ?? .failure(.failed(Runtime.lastError))
            outcome.isKnown.signal()
        }
        return outcome
    }

    /// Makes a call that ends within a time.
    private static func call<Value: Sendable>(
        _ seconds: Double, _ body: @escaping @Sendable () -> Value?
    ) throws(Fault) -> Value {
        let outcome = begin(body)
        // The engine's own time is up first.
        guard outcome.isKnown.wait(timeout: .now() + seconds + 0.5) == .success, let result = outcome.result else {
            throw .hangs
        }
        return try result.get()
    }
}

private final class Outcome<Value: Sendable>: @unchecked Sendable {
    // Sendable: written before the signal, read behind it.
    var result: Result<Value, GroupEngine.Fault>?
    let isKnown = DispatchSemaphore(value: 0)
}
