import Foundation
import SutureFormats

/// What tuning did to one model, done to another: `target + scale * (tuned - base)`, without a patch in between.
///
/// This is task arithmetic (arXiv 2212.04089) in one pass over the files: one piece of a tensor for each core is in
/// memory. What comes out is, to the bit, what a patch of the difference (``Extraction``) gives that is transferred to
/// the target and applied: `round_to_dtype(float32(target + scale * float32(tuned - base)))`, the outer sum in float64,
/// and elements in which the two do not differ keep their bytes. To be able to take a difference off again, make that
/// patch.
public struct DifferenceTransfer: Sendable {
    public let target: Checkpoint
    public let scale: Double
    /// Tensors that not all three models have in one shape, and rows of a vocabulary: the target's stay as they are.
    public let ignored: [String]
    private let pairs: OrderedTable<TensorPair>

    /// - Parameters:
    ///   - base: the model before it was tuned.
    ///   - tuned: the same after.
    ///   - target: the model that is to change in the same way: a snapshot.
    ///   - scale: how much of the difference is added.
    ///   - isPartial: whether tensors that not all three have in one shape are left out; else they are an error.
    /// - Throws: ``PatchError`` if the models do not correspond, or one of them has patches.
    public init(
        from base: Checkpoint, to tuned: Checkpoint, onto target: Checkpoint, scale: Double = 1, isPartial: Bool = false
    ) throws {
        _ = try target.requireSnapshot()
        guard scale.isFinite else {
            throw PatchError(.badScale, "the scale is not a number", expected: "a finite number", found: "\(scale)")
        }
        for model in [base, tuned, target] where try !PatchedCheckpoint(model).present.patches.isEmpty {
            throw PatchError(
                .conflict, "the model has patches itself", subject: model.url.relativePath,
                hint: "revert them first, so that what is transferred is the difference alone")
        }
        let found = try CheckpointPairs(base, tuned)
        var (pairs, ignored) = (OrderedTable<TensorPair>(), found.unpaired.map { "\($0.name): \($0.oddity)" })
        var notices = found.notices
        for pair in found.pairs {
            guard let place = target[pair.name] else {
                ignored.append("\(pair.name): not in the target")
                continue
            }
            if Checkpoint.vocabularyDifference(pair.name, place.shape, pair.base.shape) != nil {
                let fewer = min(place.shape[0], pair.base.shape[0], pair.tuned.shape[0])
                if fewer < place.shape[0] { notices.append("\(pair.name): rows \(fewer)..<\(place.shape[0])") }
            } else if place.shape != pair.base.shape {
                ignored.append("\(pair.name): of another shape in the target")
                continue
            }
            pairs[ByteString(pair.name)] = pair
        }
        if !isPartial, let first = ignored.first {
            throw PatchError(
                .conflict, "the models do not have the same tensors", subject: target.url.relativePath,
                found: first + (ignored.count > 1 ? ", and \(ignored.count - 1) more" : ""),
                hint: "--shared leaves such tensors out, if they are not meant")
        }
        self.target = target
        self.scale = scale
        self.ignored = ignored + notices
        self.pairs = pairs
    }

    /// Writes the changed target as a new snapshot directory, whole or not at all. Returns how many tensors changed.
    ///
    /// - Throws: ``PatchError`` for a type that cannot be patched or a weight that becomes too large for its type;
    ///   `FormatError` if there is something already or the system fails. Nothing is left behind.
    public func write(to url: URL, overwriting: Bool = false) throws -> Int {
        let snapshot = try target.requireSnapshot()
        return try SnapshotDirectory.create(at: url, from: target.url, overwriting: overwriting) { directory in
            let copies = snapshot.files.map { FileCopy(file: $0, changes: changes(in: $0)) }
            let changed = try FileCopy.write(copies, to: directory) { change, start, output in
                try write(change, to: output, at: start)
            }.count { $0 }
            try snapshot.copy((snapshot.indexFile.map { [$0] } ?? []) + snapshot.otherFiles, to: directory)
            guard changed > 0 else {
                throw PatchError(.emptyPatch, "the two models do not differ", subject: target.url.relativePath)
            }
            return changed
        }
    }

    private func changes(in file: SafetensorsFile) -> [(tensor: SafetensorsFile.Tensor, change: Change)] {
        file.tensors.compactMap { entry in
            guard let pair = pairs[ByteString(entry.name)], let tensor = target[entry.name] else { return nil }
            return (entry, Change(pair: pair, tensor: tensor))
        }
    }

    private struct Change: Sendable {
        let pair: TensorPair
        /// The target's.
        let tensor: Checkpoint.Tensor
    }

    /// Writes the sum for one tensor; tells whether the two models differ in it.
    private func write(_ change: Change, to output: AtomicFile, at start: Int) throws -> Bool {
        let (pair, tensor) = (change.pair, change.tensor)
        let bytes = try target.pieces(of: tensor)
        guard try pair.hasDifferences() else {
            try bytes.copy(to: output, at: start)
            return false
        }
        try pair.checkPatchable()
        guard tensor.type.isPatchable else {
            throw PatchError(
                .unsupportedType, "tensors of this type cannot be patched", subject: tensor.name,
                expected: "F32, BF16 or F16", found: tensor.type.rawValue)
        }
        let width = tensor.type.width
        let common = min(pair.common, tensor.shape.reduce(1, *))
        if common * width < bytes.count { try bytes.copy(to: output, at: start) }
        let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: min(pair.count, EditSum.chunk))
        defer { sums.deallocate() }
        try EditWriter.forEachChunk(of: common) { range in
            for (index, difference) in try pair.differences(range).enumerated() {
                sums[index] = scale * Double(difference)
            }
            var piece = try bytes.bytes(range.lowerBound * width..<range.upperBound * width)
            let sum = UnsafeMutableBufferPointer(rebasing: sums[..<range.count])
            let overflow = piece.withUnsafeMutableBytes { EditSum.add(sum, to: $0, tensor.type).overflow }
            if let overflow {
                let found = "infinity or NaN in element \(range.lowerBound + overflow)"
                throw EditSum.overflow(tensor.name, tensor.type, found)
            }
            try piece.withUnsafeBytes { try output.put($0, at: start + range.lowerBound * width) }
        }
        return true
    }
}
