import Foundation
import SutureFormats
import SutureTensor

/// A tensor of a checkpoint as it is held: as it is stored, and as float32 where it is used.
///
/// What is float32 already is used as it is. A matrix of fewer bits stays mapped from its file and is widened each time, or
/// once where its ``WeightMemory`` has room to hold it: the numbers are the same.
final class StoredTensor: Sendable {
    let shape: [Int]
    private let form: Form
    private let lock = NSLock()
    // All are guarded by the lock.
    nonisolated(unsafe) private var held: Tensor?
    nonisolated(unsafe) private var shared: Tensor?
    nonisolated(unsafe) private var storedOrder: [Int64]?

    private enum Form {
        case ready(Tensor)
        /// The rows that some rows of a source are, one run after the other.
        case stored(Source, runs: [Range<Int>], WeightMemory)
    }

    private enum Source {
        case narrow(Tensor)
        case converted(ConvertedTensor)
    }

    /// float32, in memory.
    init(_ tensor: Tensor) {
        shape = tensor.shape
        form = .ready(tensor)
    }

    /// Of a tensor in any type.
    init(_ tensor: Tensor, on device: Device, _ memory: WeightMemory) throws {
        shape = tensor.shape
        let isNarrow = tensor.dtype == .bfloat16 || tensor.dtype == .float16
        form =
            isNarrow && Self.staysStored(shape, on: device)
            ? .stored(.narrow(tensor), runs: [0..<shape[0]], memory) : .ready(try tensor.to(.float32).to(device))
    }

    /// Of a matrix that has to be converted when it is read.
    init(_ matrix: ConvertedTensor, _ memory: WeightMemory) {
        shape = matrix.shape
        form = .stored(.converted(matrix), runs: [0..<matrix.shape[0]], memory)
    }

    private init(_ source: Source, runs: [Range<Int>], width: Int, _ memory: WeightMemory) {
        shape = [runs.reduce(0) { $0 + $1.count }, width]
        form = .stored(source, runs: runs, memory)
    }

    deinit { if held != nil { memory?.release(byteCount) } }

    /// Whether a tensor of such a shape is worth being held as it is stored: matrices are.
    static func staysStored(_ shape: [Int], on device: Device) -> Bool { device == .cpu && shape.count == 2 }

    /// Its size as float32.
    var byteCount: Int { 4 * shape.reduce(1, *) }

    /// What is float32 however little memory there is.
    var ready: Tensor? { if case .ready(let tensor) = form { tensor } else { nil } }

    private var memory: WeightMemory? { if case .stored(_, _, let memory) = form { memory } else { nil } }

    /// The rows of a part, to be widened and held for themselves; nil where they are float32 already.
    func taking(_ part: TensorNames.Part) -> StoredTensor? {
        guard case .stored(let source, _, let memory) = form else { return nil }
        let runs = stride(from: part.start, to: shape[0], by: part.block).map { $0..<$0 + part.count }
        return StoredTensor(source, runs: runs, width: shape[1], memory)
    }

    /// As float32, where that is at hand or can be held from now on; nil for what has to be widened each time.
    func atHand() throws -> Tensor? {
        if let ready { return ready }
        return try lock.withLock {
            if let tensor = held ?? shared { return tensor }
            guard let memory, memory.hold(byteCount) else { return nil }
            do {
                held = try widen(0..<shape[0], isKept: true)
                if case .stored(.converted(let matrix), _, _) = form { matrix.leaveMemory() }
            } catch {
                memory.release(byteCount)
                throw error
            }
            return held
        }
    }

    /// As float32, to be held from now on if there is room for it. Otherwise it is the caller's for as long as it is kept,
    /// and then memory for others.
    func widened() throws -> Tensor { try atHand() ?? widen(0..<shape[0]) }

    /// Keeps it as float32 until ``unshare()``, for several uses in a row.
    func share() throws {
        if try atHand() == nil {
            let tensor = try widen(0..<shape[0])
            lock.withLock { shared = tensor }
        }
    }

    func unshare() { lock.withLock { shared = nil } }

    /// As float32, for this once.
    func widenedOnce() throws -> Tensor { try current ?? widen(0..<shape[0]) }

    /// Some rows as float32, for this once.
    func widened(rows: Range<Int>) throws -> Tensor { try current?.narrowed(0, rows) ?? widen(rows) }

    /// The rows at `ids` (int64) `[...]` as float32, `[..., width]`; no others are widened.
    func rows(at ids: Tensor) throws -> Tensor {
        if let current { return try current.embedding(ids) }
        let (places, width) = (try ids.ints(), shape[1])
        for place in places where !(0..<shape[0]).contains(place) {
            throw ModelError(
                .outOfRange, "the matrix has no such row", expected: "0..<\(shape[0])", found: "\(place)")
        }
        return try filled([places.count, width]) { scratch in
            for (index, place) in places.enumerated() {
                try read(place..<place + 1, into: scratch, at: index)
            }
        }.reshaped(ids.shape + [width])
    }

    /// For how many vectors at once a product with the blocks is faster than one with what is float32.
    private static let fewVectors = 3

    /// `x W^T` `[..., out]` of a few vectors `[..., in]` with the blocks of a GGUF file as they are stored; nil for more
    /// vectors, and for what is stored otherwise. The weights are the same numbers, summed in another order.
    func product(_ input: Tensor) throws -> Tensor? {
        guard case .stored(.converted(let matrix), let runs, _) = form, !input.isTracked,
            input.count <= Self.fewVectors * shape[1], let blocks = matrix.blocks,
            Tensor.multiplies(blocksOf: blocks.type.rawValue, columns: shape[1])
        else { return nil }
        let isWhole = matrix.isInOrder && runs.count == 1 && runs[0].lowerBound == 0
        let order =
            isWhole
            ? nil
            : lock.withLock { () -> [Int64] in
                if let storedOrder { return storedOrder }
                let order = runs.flatMap { $0.map { Int64(matrix.storedRow($0)) } }
                storedOrder = order
                return order
            }
        return try blocks.bytes.withUnsafeBytes {
            try input.linear(blocks: $0, type: blocks.type.rawValue, order: order, rows: shape[0])
        }
    }

    /// Whether it is float32 at hand: for good, or for several uses in a row.
    var isHeld: Bool { current != nil }

    /// What is float32 now.
    private var current: Tensor? { ready ?? lock.withLock { held ?? shared } }

    private func widen(_ rows: Range<Int>, isKept: Bool = false) throws -> Tensor {
        try filled([rows.count, shape[1]], isKept: isKept) { try read(rows, into: $0, at: 0) }
    }

    /// Memory that is used again, unless it is kept, with what is read into it.
    private func filled(
        _ shape: [Int], isKept: Bool = false, _ fill: (WeightMemory.Scratch) throws -> Void
    ) throws -> Tensor {
        guard let memory else { preconditionFailure("what is float32 is not widened") }
        let scratch = memory.scratch(4 * shape[0] * shape[1], isKept: isKept)
        try fill(scratch)
        return try Tensor(
            borrowing: UnsafeRawBufferPointer(scratch.bytes), shape: shape, dtype: .float32, owner: scratch)
    }

    /// Puts some rows behind the first `start` of a piece of memory.
    private func read(_ rows: Range<Int>, into scratch: WeightMemory.Scratch, at start: Int) throws {
        guard case .stored(let source, let runs, _) = form else { return }
        let rowWidth = 4 * shape[1]
        // The first row of the run, and where the wanted ones go.
        var (first, target) = (0, start)
        for run in runs {
            let part = rows.clamped(to: first..<first + run.count)
            if !part.isEmpty {
                let stored = part.lowerBound - first + run.lowerBound..<part.upperBound - first + run.lowerBound
                let bytes = UnsafeMutableRawBufferPointer(
                    rebasing: scratch.bytes[target * rowWidth..<(target + part.count) * rowWidth])
                switch source {
                case .narrow(let matrix): _ = try matrix.narrowed(0, stored).to(.float32, in: bytes, owner: scratch)
                case .converted(let matrix): try matrix.read(rows: stored, into: bytes.bindMemory(to: Float.self))
                }
                target += part.count
            }
            first += run.count
        }
    }
}
