import Foundation

/// Runs the members of a group of processes, each in a thread of its own, and returns what they return, in order.
public func inRanks<Value: Sendable>(
    _ size: Int, _ body: @escaping @Sendable (_ rank: Int, _ port: Int) throws -> Value
) async throws -> [Value] {
    let port = try freePort()
    let results = Results<Value>(size)
    // Threads that start at once: tasks would wait for each other's turn behind other tests, longer than ranks wait.
    let all = await withCheckedContinuation { done in
        for rank in 0..<size {
            Thread.detachNewThread {
                if let all = results.add(Result { try body(rank, port) }, of: rank) { done.resume(returning: all) }
            }
        }
    }
    return try all.map { try $0.get() }
}

/// What each of some threads came to.
private final class Results<Value: Sendable>: @unchecked Sendable {
    // Sendable: guarded by the lock.
    private let lock = NSLock()
    private var results: [Result<Value, any Error>?]

    init(_ size: Int) { results = Array(repeating: nil, count: size) }

    /// All of them, in order, once the last has come.
    func add(_ result: Result<Value, any Error>, of index: Int) -> [Result<Value, any Error>]? {
        lock.withLock {
            results[index] = result
            let all = results.compactMap { $0 }
            return all.count == results.count ? all : nil
        }
    }
}

/// A port that nobody has at present.
public func freePort() throws -> Int {
    let (listener, port) = try boundSocket()
    close(listener)
    return port
}

/// Runs `body` while a port is listened at by something that takes connections and never says a word.
public func withSilentListener<Value>(_ body: (_ port: Int) throws -> Value) throws -> Value {
    let (listener, port) = try boundSocket()
    defer { close(listener) }
    guard listen(listener, 16) == 0 else { throw CocoaError(.featureUnsupported) }
    return try body(port)
}

private func boundSocket() throws -> (socket: Int32, port: Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
        }
    }
    guard isBound else {
        close(listener)
        throw CocoaError(.featureUnsupported)
    }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
}
