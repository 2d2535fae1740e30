import Foundation

/// Processes that share out work, on one machine or several: libtorch's rendezvous over TCP and its Gloo collectives.
///
/// All members make the same calls in the same order. While a member lives, it says so every second; one that has not been
/// heard of for as long as ``patience`` is taken for dead, whatever the others wait for.
public final class ProcessGroup: Sendable {
    /// Which of the processes this is, from 0.
    public let rank: Int
    /// How many there are.
    public let size: Int
    /// For how many seconds a process may be silent.
    public let patience: Double

    private let place: Place
    private let engine: GroupEngine
    private let pulse: Pulse

    /// Joins a group: returns when all have come.
    ///
    /// - Parameters:
    ///   - place: this process's place in it.
    ///   - patience: for how many seconds to wait for the others, here and in all calls.
    /// - Throws: ``TensorError`` of cause `peers` that names the ranks that did not come in time, came twice, or take the
    ///   group for one of another size.
    public init(_ place: Place, patience: Double = 30) throws(TensorError) {
        let deadline = ContinuousClock.now + .seconds(patience)
        do {
            engine = try GroupEngine.open(place, within: patience)
        } catch {
            throw place.error(place.trouble(waited: patience), error)
        }
        try Self.waitForAll(place, engine, until: deadline, patience)
        do {
            try engine.connect(place, within: max(1, (deadline - .now) / .seconds(1)))
        } catch {
            throw place.error("all have come, but the processes cannot reach one another", error)
        }
        (rank, size, self.patience, self.place) = (place.rank, place.size, patience, place)
        pulse = Pulse(of: place.rank, in: engine, every: Self.interval(patience))
    }

    deinit { pulse.stop() }

    private static func interval(_ patience: Double) -> Double { min(1, patience / 8) }

    /// Says that this process has come, and waits for the others.
    private static func waitForAll(
        _ place: Place, _ engine: GroupEngine, until deadline: ContinuousClock.Instant, _ patience: Double
    ) throws(TensorError) {
        func count(_ key: String, adding more: Int = 0) throws(TensorError) -> Int {
            try place.count(engine, key, adding: more, within: patience)
        }
        // How often a rank came and what sizes it was told, in one number: whoever reads it sees both.
        let once = 1 << 32
        _ = try count("came of \(place.rank)", adding: once + place.size)
        while true {
            var missing: [Int] = []
            // Those who have come too: a second process of their rank may come later than they.
            for other in 0..<place.size {
                let (times, theirs) = try count("came of \(other)").quotientAndRemainder(dividingBy: once)
                guard times < 2 else {
                    throw place.error("\(times) processes say that they are rank \(other) (RANK)")
                }
                guard times == 1 else {
                    missing.append(other)
                    continue
                }
                guard theirs == place.size else {
                    throw place.error(
                        "rank \(other) says that there are \(theirs) processes, and this one \(place.size) (WORLD_SIZE)"
                    )
                }
            }
            if missing.isEmpty { return }
            guard ContinuousClock.now < deadline else {
                throw place.error("\(missing.ranks) did not come within \(patience.plain) s")
            }
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    /// What was heard of the others, and when it was news.
    public struct Watch {
        fileprivate var heard: [Int: (beats: Int, since: ContinuousClock.Instant)] = [:]

        /// Nothing was heard yet.
        public init() {}
    }

    /// Looks whether the others live, and waits for none of them: for calls now and then during work.
    ///
    /// - Throws: ``TensorError`` of kind `peers` that names the ranks that have died or hang.
    public func check(_ watch: inout Watch) throws(TensorError) {
        try requireSigns(of: Set(0..<size).subtracting([rank]), watch: &watch, for: patience)
    }

    /// Returns when all have come to this call, however long they work before. One that is silent is not waited for.
    ///
    /// - Throws: ``TensorError`` of cause `peers` that names the ranks that have died or hang.
    public func meet() throws(TensorError) {
        let number = try count("meetings of \(rank)", adding: 1)
        var waiting = Set(0..<size).subtracting([rank])
        var watch = Watch()
        while !waiting.isEmpty {
            for other in waiting.sorted() where try count("meetings of \(other)", adding: 0) >= number {
                waiting.remove(other)
            }
            try requireSigns(of: waiting, watch: &watch, for: patience)
            if !waiting.isEmpty { Thread.sleep(forTimeInterval: Self.interval(patience) / 4) }
        }
        do { try engine.meet(within: patience) } catch { throw failure(error) }
    }

    /// What each process gives, in the order of their ranks, at each of them.
    ///
    /// - Throws: ``TensorError`` of cause `peers` that names the ranks that have died or hang.
    public func gather(_ bytes: [UInt8]) throws(TensorError) -> [[UInt8]] {
        let lengths = try gather(Tensor([bytes.count])).ints()
        let longest = lengths.max() ?? 0
        guard longest > 0 else { return lengths.map { _ in [] } }
        let padded = bytes + [UInt8](repeating: 0, count: longest - bytes.count)
        let all = try gather(Tensor(padded)).elements(as: UInt8.self)
        return lengths.enumerated().map { rank, length in Array(all[rank * longest..<rank * longest + length]) }
    }

    private func gather(_ tensor: Tensor) throws(TensorError) -> Tensor {
        do { return try engine.gather(tensor, within: patience) } catch { throw failure(error) }
    }

    /// Hands bytes and numbers to another process, which ``receive(from:)`` takes there, however long it works before.
    ///
    /// - Throws: ``TensorError`` of cause `peers` that names the ranks that have died or hang.
    public func send(_ bytes: [UInt8], _ numbers: Tensor? = nil, to other: Int) throws {
        let numbers = try numbers?.detached().to(.float32).to(.cpu)
        try transfer { try engine.send(Tensor([bytes.count, numbers?.count ?? 0]), to: other, $0) }
        if !bytes.isEmpty { try transfer { try engine.send(Tensor(bytes), to: other, $0) } }
        if let numbers, numbers.count > 0 { try transfer { try engine.send(numbers, to: other, $0) } }
    }

    /// What another process has sent or will send: bytes, and float32 numbers `[count]`.
    ///
    /// - Throws: ``TensorError`` of cause `peers` that names the ranks that have died or hang.
    public func receive(from other: Int) throws -> (bytes: [UInt8], numbers: Tensor) {
        let sizes = try Tensor([0, 0])
        try transfer { try engine.receive(into: sizes, from: other, $0) }
        let counts = try sizes.ints()
        guard counts.allSatisfy({ (0...1 << 40).contains($0) }) else {
            throw place.error("rank \(other) sends something that is no message")
        }
        let (bytes, numbers) = (try Tensor.zeros([counts[0]], dtype: .uint8), try Tensor.zeros([counts[1]]))
        if counts[0] > 0 { try transfer { try engine.receive(into: bytes, from: other, $0) } }
        if counts[1] > 0 { try transfer { try engine.receive(into: numbers, from: other, $0) } }
        return (try bytes.elements(as: UInt8.self), numbers)
    }

    /// Makes a call that ends when another process lets it; while that lives, it is waited for.
    private func transfer(_ call: (GroupEngine.Wait) throws -> Void) throws {
        var watch = Watch()
        do {
            try call(GroupEngine.Wait(interval: Self.interval(patience)) { try self.check(&watch) })
        } catch let fault as GroupEngine.Fault {
            throw failure(fault)
        }
    }

    /// Adds to a number that all share, and returns what it is then.
    ///
    /// - Throws: ``TensorError`` of cause `peers` where the process that keeps it is gone.
    @discardableResult
    public func count(_ key: String, adding more: Int) throws(TensorError) -> Int {
        try place.count(engine, key, adding: more, within: patience)
    }

    /// Throws with the ranks that have been silent for so long.
    private func requireSigns(of ranks: Set<Int>, watch: inout Watch, for seconds: Double) throws(TensorError) {
        var silent: [Int] = []
        for other in ranks.sorted() {
            let beats = try count(Pulse.key(other), adding: 0)
            let known = watch.heard[other]
            if known?.beats != beats { watch.heard[other] = (beats, .now) }
            if let known, known.beats == beats, ContinuousClock.now - known.since > .seconds(seconds) {
                silent.append(other)
            }
        }
        guard silent.isEmpty else {
            throw place.error("\(silent.ranks) died or hangs: nothing was heard of it for \(seconds.plain) s")
        }
    }

    /// Why all of them could not do something together: who is silent, if anybody is.
    private func failure(_ fault: GroupEngine.Fault) -> TensorError {
        var watch = Watch()
        let others = Set(0..<size).subtracting([rank])
        let span = 3 * Self.interval(patience)
        do throws(TensorError) {
            try requireSigns(of: others, watch: &watch, for: span)
            Thread.sleep(forTimeInterval: span + 0.05)
            try requireSigns(of: others, watch: &watch, for: span)
        } catch {
            return error
        }
        return place.error("the processes did not come together within \(patience.plain) s", fault)
    }
}

extension ProcessGroup.Place {
    /// An error in our own words, with what the engine said behind it.
    fileprivate func error(_ reason: String, _ fault: GroupEngine.Fault? = nil) -> TensorError {
        var said: String?
        if case .failed(let text) = fault { said = text }
        return TensorError(name, cause: .peers, reason: reason, engine: said)
    }

    fileprivate func count(
        _ engine: GroupEngine, _ key: String, adding more: Int, within seconds: Double
    ) throws(TensorError) -> Int {
        do {
            return try engine.count(key, adding: more, within: seconds)
        } catch {
            if case .hangs = error { throw self.error("\(server) does not answer within \(seconds.plain) s") }
            throw self.error("\(server) is gone", error)
        }
    }
}

extension [Int] {
    /// `rank 1, rank 3`
    fileprivate var ranks: String { map { "rank \($0)" }.joined(separator: ", ") }
}

/// Says every now and then that a process lives.
private final class Pulse: @unchecked Sendable {
    // Sendable: guarded by the condition.
    private var isOver = false
    private let condition = NSCondition()

    static func key(_ rank: Int) -> String { "beats of \(rank)" }

    init(of rank: Int, in engine: GroupEngine, every interval: Double) {
        Thread.detachNewThread { [self] in
            condition.lock()
            defer { condition.unlock() }
            while !isOver {
                condition.unlock()
                // Where it cannot be said, the next call that needs the others tells why.
                _ = try? engine.count(Self.key(rank), adding: 1, within: 60)
                condition.lock()
                if !isOver { _ = condition.wait(until: Date(timeIntervalSinceNow: interval)) }
            }
        }
    }

    func stop() {
        condition.lock()
        isOver = true
        condition.signal()
        condition.unlock()
    }
}
