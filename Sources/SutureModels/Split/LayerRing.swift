import Foundation
import SutureCore
import SutureFormats
import SutureTensor

/// Processes that each hold some layers of one model. A batch goes from rank 0 through the layers of rank 1, 2 and so on,
/// and comes back to rank 0, which does all else.
public final class LayerRing: Sendable {
    /// Which layers each rank holds.
    public let shares: LayerShares
    let group: ProcessGroup
    private let lock = NSLock()
    // All are guarded by the lock.
    nonisolated(unsafe) private var released: [Int] = []
    nonisolated(unsafe) private var count = 0
    nonisolated(unsafe) private var isBroken = false
    /// How many interventions the ranks have in the layers below rank 0's.
    nonisolated(unsafe) private var standing = 0
    /// One batch is on its way at a time.
    private let way = NSLock()

    /// Shares the layers of a checkpoint out to the processes of a group.
    ///
    /// - Parameters:
    ///   - group: the processes.
    ///   - checkpoint: the model's files.
    ///   - agreed: what all must have the same, in words and by value, such as the digest of the model's files.
    /// - Throws: ``ModelError`` with code `split` that names the rank and what it has otherwise, or for fewer layers than
    ///   processes; `TensorError` where a rank has died.
    public init(_ group: ProcessGroup, of checkpoint: Checkpoint, agreed: [(what: String, value: String)]) throws {
        self.group = group
        // What is compared may have taken one of them longer.
        try group.meet()
        let mine = JSON.array(agreed.map { [JSON($0.what), JSON($0.value)] })
        let all = try group.gather(mine.serialized()).enumerated().map { rank, bytes in
            try JSONField(JSON.parse(bytes, source: "rank \(rank)"), source: "rank \(rank)").array.map {
                (what: try $0.array.first?.string ?? "", value: try $0.array.last?.string ?? "")
            }
        }
        for (rank, theirs) in all.enumerated() {
            for (place, (what, value)) in all[0].enumerated() {
                guard place < theirs.count, theirs[place].what == what else {
                    throw ModelError(
                        .split, "the processes are of different versions of suture", subject: "rank \(rank)")
                }
                guard theirs[place].value == value else {
                    throw ModelError(
                        .split, "\(what) is not that of rank 0", subject: "rank \(rank)", expected: value,
                        found: theirs[place].value,
                        hint: "start the same command on each machine, with the same files")
                }
            }
        }
        shares = try LayerShares(of: checkpoint, among: group.size)
    }

    /// The layers of this process.
    public var held: Range<Int> { shares.layers[group.rank] }

    private var next: Int { (group.rank + 1) % group.size }
    private var previous: Int { (group.rank + group.size - 1) % group.size }

    func release(_ id: Int) { lock.withLock { released.append(id) } }

    // MARK: - Rank 0

    /// Says that a model is that of the other ranks: interventions that are added to it later are not known there.
    public func begin(with model: LanguageModel) {
        lock.withLock { standing = model.interventions(below: held.lowerBound) }
    }

    /// Takes a batch through the layers below rank 0's, with the keys and values of the positions before it.
    ///
    /// - Returns: what enters the lowest layer of rank 0, and where the keys and values are kept, if they are.
    func run(
        _ forward: Forward, _ residual: Tensor, prefix: DistantKeys?, keeping: Bool
    ) throws -> (residual: Tensor, keys: DistantKeys?) {
        let known = lock.withLock { standing }
        guard forward.model.interventions(below: held.lowerBound) == known else {
            throw ModelError(
                .split, "an intervention in a layer of another process is given on the command line",
                expected: "interventions in layers \(held.lowerBound) to \(held.upperBound - 1)")
        }
        return try way.withLock {
            let (id, gone) = lock.withLock {
                count += 1
                defer { released = [] }
                return (count, released)
            }
            let batch = RingMessage.Batch(
                rows: residual.shape[0], positions: forward.first..<forward.end, isDecoding: forward.model.isDecoding,
                prefix: prefix.map { ($0.kept.id, $0.cuts) }, keep: keeping ? id : nil, released: gone)
            let (answer, numbers) = try whole {
                try group.send(RingMessage.run(batch).bytes, residual, to: next)
                let (bytes, numbers) = try group.receive(from: previous)
                return (try RingMessage(bytes, from: previous), numbers)
            }
            switch answer {
            case .failed(let rank, let kind, let words): throw PeerFailure(rank: rank, kind: kind, words: words)
            case .run, .end: break
            }
            let kept = keeping ? DistantKeys(kept: .init(id, in: self)) : nil
            return (try numbers.reshaped(residual.shape).to(residual.device), kept)
        }
    }

    /// Lets the other ranks end, with the exit code that this one ends with.
    public func end(code: Int32) {
        guard group.rank == 0, !lock.withLock({ isBroken }) else { return }
        // One that cannot hear it is told by the silence.
        try? group.send(RingMessage.end(code: Int(code)).bytes, to: next)
    }

    /// Notes that the processes have lost each other.
    private func whole<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch {
            lock.withLock { isBroken = true }
            throw error
        }
    }

    // MARK: - The other ranks

    /// Runs this process's layers of a model for rank 0, until that ends.
    ///
    /// - Returns: the exit code of rank 0.
    /// - Throws: `TensorError` where a rank has died.
    public func serve(_ model: LanguageModel) throws -> Int32 {
        var layers = HeldLayers(model, held)
        while true {
            let (bytes, numbers) = try group.receive(from: previous)
            let message = try RingMessage(bytes, from: previous)
            switch message {
            case .end(let code):
                if next != 0 { try group.send(bytes, to: next) }
                return Int32(clamping: code)
            case .failed: try group.send(bytes, to: next)
            case .run(let batch):
                do {
                    let residual = try layers.run(batch, numbers)
                    try group.send(bytes, residual, to: next)
                } catch let error as TensorError where error.cause == .peers {
                    throw error
                } catch {
                    let told = error as? any Diagnostic
                    let failure = RingMessage.failed(
                        rank: group.rank, kind: told?.kind ?? .failed, words: told?.description ?? "\(error)")
                    try group.send(failure.bytes, to: next)
                }
            }
        }
    }
}

/// What another process could not do.
struct PeerFailure: Diagnostic {
    let rank: Int
    let kind: DiagnosticKind
    let words: String
    var problem: String { words }
    var subject: String? { "rank \(rank)" }
}
