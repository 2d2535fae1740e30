import CTorch

/// Processes that share out work, on one machine or several: libtorch's rendezvous over TCP and its Gloo collectives.
///
/// All members make the same calls in the same order.
public final class ProcessGroup: @unchecked Sendable {
    // Sendable: the engine locks what its calls share.
    private let handle: OpaquePointer

    /// Which of the processes this is, from 0.
    public let rank: Int
    /// How many there are.
    public let size: Int

    /// How to join a group.
    public struct Place: Sendable, Equatable {
        public var rank: Int
        public var size: Int
        /// The machine that rank 0 is on, and a port that is free there.
        public var host: String
        public var port: Int
        /// Whether rank 0 has to serve as the place to meet; `torchrun` does that for its children.
        public var isServed = false

        /// A place by its four values.
        public init(rank: Int, size: Int, host: String, port: Int) {
            (self.rank, self.size, self.host, self.port) = (rank, size, host, port)
        }

        /// What `torchrun` says in its children's environment, and who starts them by hand says too: `RANK`,
        /// `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`. Nil where there is no `WORLD_SIZE`, or it is 1.
        ///
        /// Throws ``TensorError`` where one of the others is missing or impossible.
        public init?(environment: [String: String]) throws(TensorError) {
            func number(_ name: String, in range: ClosedRange<Int>) throws(TensorError) -> Int {
                let text = environment[name]
                guard let text, let value = Int(text), range.contains(value) else {
                    throw TensorError(
                        "ProcessGroup",
                        reason: "\(name) is \(text ?? "not set"); expected \(range.lowerBound) to \(range.upperBound)")
                }
                return value
            }
            guard environment["WORLD_SIZE"] != nil else { return nil }
            size = try number("WORLD_SIZE", in: 1...4096)
            guard size > 1 else { return nil }
            rank = try number("RANK", in: 0...size - 1)
            port = try number("MASTER_PORT", in: 1...65535)
            guard let address = environment["MASTER_ADDR"], !address.isEmpty else {
                throw TensorError("ProcessGroup", reason: "MASTER_ADDR is not set; expected the machine of rank 0")
            }
            host = address
            isServed = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
        }
    }

    /// Joins a group: returns when all have come.
    ///
    /// - Parameters:
    ///   - place: this process's place in it.
    ///   - patience: how many seconds to wait for the others, here and in ``gather(_:)``.
    /// - Throws: ``TensorError`` if they do not come.
    public init(_ place: Place, patience: Double = 300) throws(TensorError) {
        let made = torch.group(
            place.host, Int32(place.port), place.rank == 0 && !place.isServed, Int32(place.rank), Int32(place.size),
            patience)
        guard let made else { throw TensorError("ProcessGroup(rank \(place.rank) of \(place.size))") }
        (handle, rank, size) = (made, place.rank, place.size)
    }

    deinit { torch.group_free(handle) }

    /// Returns when all have come to this call.
    ///
    /// - Parameter patience: how many seconds to wait; a process that has died is noticed before.
    /// - Throws: ``TensorError`` that names the ranks that did not come.
    public func meet(patience: Double) throws(TensorError) {
        let number = try count("meetings of \(rank)", adding: 1)
        let deadline = ContinuousClock.now + .seconds(patience)
        guard torch.group_meet(handle, patience) != 0 else { return }
        let reason = Runtime.lastError
        let isLate = ContinuousClock.now >= deadline
        // Who was waited for in vain is cut off like who has died; there the count tells.
        let missing = (0..<size).filter { each in
            guard each != rank else { return false }
            guard isLate else { return torch.group_reach(handle, Int32(each)) != 0 }
            return (try? count("meetings of \(each)", adding: 0)).map { $0 < number } ?? false
        }
        let names = missing.map { "rank \($0)" }.joined(separator: ", ")
        throw TensorError(
            "meet(rank \(rank) of \(size))",
            reason: missing.isEmpty ? reason : names + (isLate ? " did not come within \(patience) s" : " died"))
    }

    /// What each process gives, in the order of their ranks, at each of them.
    public func gather(_ bytes: [UInt8]) throws(TensorError) -> [[UInt8]] {
        let lengths = try gather(Tensor([bytes.count])).ints()
        let longest = lengths.max() ?? 0
        guard longest > 0 else { return lengths.map { _ in [] } }
        let padded = bytes + [UInt8](repeating: 0, count: longest - bytes.count)
        let all = try gather(Tensor(padded)).elements(as: UInt8.self)
        return lengths.enumerated().map { rank, length in Array(all[rank * longest..<rank * longest + length]) }
    }

    private func gather(_ tensor: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.group_gather(handle, tensor.handle), "gather(rank \(rank) of \(size))", [tensor])
    }

    /// Adds to a number that all share, and returns what it is then.
    @discardableResult
    public func count(_ key: String, adding more: Int) throws(TensorError) -> Int {
        var sum: Int64 = 0
        guard torch.group_count(handle, key, Int64(more), &sum) == 0 else { throw TensorError("count(\(key))") }
        return Int(sum)
    }
}
