import Foundation
import SutureFormats

/// What tuning did to one model, done to another: `target + scale * (tuned - base)`, without a patch in between.
///
/// This is task arithmetic (arXiv 2212.04089) in one pass over the files: one piece of a tensor for each core is in
/// memory. The sum is taken in float32 and rounded once to the target's type; tensors in which `base` and `tuned` do not
/// differ keep their bytes. To be able to take a difference off again, make a patch of it: ``Extraction``.
public struct DifferenceTransfer: Sendable {
    public let target: Checkpoint
    public let scale: Float
    /// Tensors that not all three models have in one shape: the target's stay as they are.
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
        from base: Checkpoint, to tuned: Checkpoint, onto target: Checkpoint, scale: Float = 1, isPartial: Bool = false
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
        var (pairs, ignored) = (OrderedTable<TensorPair>(), found.oddities)
        for pair in found.pairs {
            if let place = target[pair.name], place.shape == pair.base.shape {
                pairs[ByteString(pair.name)] = pair
            } else {
                ignored.append("\(pair.name): not in the target, or of another shape")
            }
        }
        if !isPartial, let first = ignored.first {
            throw PatchError(
                .conflict, "the models do not have the same tensors", subject: target.url.relativePath,
                found: first + (ignored.count > 1 ? ", and \(ignored.count - 1) more" : ""),
                hint: "leave such tensors out if they are not meant")
        }
        self.target = target
        self.scale = scale
        self.ignored = ignored
        self.pairs = pairs
    }

    /// Writes the changed target as a new snapshot directory, whole or not at all. Returns how many tensors changed.
    ///
    /// - Throws: ``PatchError`` for a type that cannot be patched or a weight that becomes too large for its type;
    ///   `FormatError` if there is something already or the system fails. Nothing is left behind.
    public func write(to url: URL, overwriting: Bool = false) throws -> Int {
        let snapshot = try target.requireSnapshot()
        return try SnapshotDirectory.create(at: url, from: target.url, overwriting: overwriting) { directory in
            var changed = 0
            for file in snapshot.files {
                let place = directory.appending(path: URL(filePath: file.file.name).lastPathComponent)
                changed += try AtomicFile.write(to: place) { output in
                    var work: [Part] = []
                    var position = 0
                    for entry in file.tensors {
                        guard let pair = pairs[ByteString(entry.name)], let tensor = target[entry.name] else {
                            continue
                        }
                        work.append(.kept(position..<entry.range.lowerBound))
                        work.append(.changed(pair, tensor, start: entry.range.lowerBound))
                        position = entry.range.upperBound
                    }
                    work.append(.kept(position..<file.file.bytes.count))
                    return try Parallel.map(work) { try write($0, of: file.file, to: output) ? 1 : 0 }.reduce(0, +)
                }
            }
            try snapshot.copy((snapshot.indexFile.map { [$0] } ?? []) + snapshot.otherFiles, to: directory)
            guard changed > 0 else {
                throw PatchError(.emptyPatch, "the two models do not differ", subject: target.url.relativePath)
            }
            return changed
        }
    }

    /// A part of a weight file.
    private enum Part: Sendable {
        case kept(Range<Int>)
        case changed(TensorPair, Checkpoint.Tensor, start: Int)
    }

    /// Whether the part came to differ.
    private func write(_ part: Part, of file: MappedFile, to output: AtomicFile) throws -> Bool {
        switch part {
        case .kept(let range):
            try output.put(file, range, at: range.lowerBound)
            return false
        case .changed(let pair, let tensor, let start):
            guard try pair.hasDifferences() else {
                try output.put(file, start..<start + pair.count * tensor.type.width, at: start)
                return false
            }
            try pair.checkPatchable()
            guard tensor.type.isPatchable else {
                throw PatchError(
                    .unsupportedType, "tensors of this type cannot be patched", subject: tensor.name,
                    expected: "F32, BF16 or F16", found: tensor.type.rawValue)
            }
            let bytes = try target.pieces(of: tensor)
            let width = tensor.type.width
            try EditWriter.forEachChunk(of: pair.count) { range in
                let difference = try pair.differences(range)
                var piece = try bytes.bytes(range.lowerBound * width..<range.upperBound * width)
                let isFinite = piece.withUnsafeMutableBytes { add(difference, to: $0, tensor.type) }
                guard isFinite else {
                    throw PatchError(
                        .overflow, "a weight becomes too large for its type", subject: tensor.name,
                        expected: "finite \(tensor.type.rawValue)",
                        found: "infinity or NaN in elements \(range)", hint: "use a smaller scale, and check the models"
                    )
                }
                try piece.withUnsafeBytes { try output.put($0, at: start + range.lowerBound * width) }
            }
            return true
        }
    }

    /// Whether all sums are finite. One loop for each type, so that the type is not looked at for every element.
    private func add(_ difference: [Float], to bytes: UnsafeMutableRawBufferPointer, _ type: StorageType) -> Bool {
        switch type {
        case .float32: addLoop(difference, to: bytes, .float32)
        case .bfloat16: addLoop(difference, to: bytes, .bfloat16)
        default: addLoop(difference, to: bytes, .float16)
        }
    }

    @inline(__always)
    private func addLoop(_ difference: [Float], to bytes: UnsafeMutableRawBufferPointer, _ type: StorageType) -> Bool {
        difference.withUnsafeBufferPointer { difference in
            // 0 * x is NaN for what is not finite: a check that does not branch.
            var check: Float = 0
            for index in 0..<difference.count {
                let sum = type.load(UnsafeRawBufferPointer(bytes), at: index) + scale * difference[index]
                type.store(sum, in: bytes, at: index)
                check += 0 * type.load(UnsafeRawBufferPointer(bytes), at: index)
            }
            return check == 0
        }
    }
}
