import Foundation
import SutureFormats
import SutureTensor

/// The difference of two models as a patch of the first.
public struct Extraction: Sendable {
    /// How the difference is written down.
    public enum Form: Sendable, Equatable {
        /// Every changed element: sparse where few are, else dense.
        case full
        /// The `density` of the elements of each tensor that change most.
        case sparse(density: Double)
        /// Matrices as a product of the lowest rank whose error is at most `tolerance` of the norm; the rest as `full`.
        case lowRank(tolerance: Double, maximumRank: Int)
        /// In few bits; vectors and scalars, which take little, as `full`.
        case quantized(QuantizationOptions)
    }

    /// What was taken of a tensor.
    public struct Part: Sendable {
        public let tensor: String
        public let summary: String
        /// The norm of what the patch does not have of the difference, as a fraction of the difference's norm.
        public let error: Double
    }

    /// How much of the difference of a tensor is taken.
    public enum Portion: Sendable {
        case nothing
        case all
        /// What is orthogonal to the way from this model to the base.
        case orthogonal(toWayFrom: Checkpoint)
    }

    public let patch: Patch
    public let parts: [Part]
    /// Tensors that only one of the models has, or that have another shape: the patch says nothing of them.
    public let ignored: [String]

    /// Extracts what turns `base` into `tuned`.
    ///
    /// - Parameters:
    ///   - isPartial: whether tensors that only one of the models has, or of another shape, are left out; else they are
    ///     an error.
    ///   - method: how the patch says that it was found; nil for the form alone.
    ///   - spool: where the change goes until the patch is written.
    ///   - portion: what is taken of which tensor, by name.
    ///   - base: the model before.
    ///   - form: how the difference is written down.
    ///   - tuned: the model after.
    /// - Throws: ``PatchError`` if the models do not correspond, the base has patches, a type cannot be patched, or
    ///   nothing differs.
    public init(
        from base: Checkpoint, to tuned: Checkpoint, as form: Form, isPartial: Bool = false,
        method: Patch.Method? = nil, spool: SpoolFile? = nil,
        taking portion: @Sendable (String) -> Portion = { _ in .all }
    ) throws {
        try Self.check(form)
        guard try PatchedCheckpoint(base).present.patches.isEmpty else {
            throw PatchError(
                .conflict, "the base has patches itself", subject: base.url.relativePath,
                hint: "revert them first, so that the patch fits the model without them")
        }
        let pairs = try CheckpointPairs(base, tuned)
        if !isPartial { try pairs.refuseUnpaired(where: portion) }
        let writer = EditWriter(spool: try spool ?? SpoolFile())
        // Factors take memory and are computed by several threads anyway.
        let threads = if case .lowRank = form { 1 } else { ProcessInfo.processInfo.activeProcessorCount }
        let made = try Parallel.map(pairs.pairs, threads: threads) { pair in
            pair.isBuffer ? nil : try pair.taking(portion(pair.name)).flatMap { try Self.extract($0, form, writer) }
        }
        var table = OrderedTable<BaseTensor>()
        var edits: [Edit] = []
        var parts: [Part] = []
        for found in made.compactMap({ $0 }) {
            table[ByteString(found.edit.tensor)] = found.base
            edits.append(found.edit)
            parts.append(Part(tensor: found.edit.tensor, summary: found.edit.summary, error: found.error))
        }
        self.parts = parts
        ignored =
            try pairs.oddities
            + pairs.pairs.filter { try $0.isBuffer && $0.hasDifferences() }
            .map { "\($0.name): a buffer, whose values differ" }
        patch = try Patch(
            base: table, edits: edits, method: Self.method(form, tuned, method), results: .null, tool: "suture",
            created: Date.now.ISO8601Format(), parents: [],
            source: "the difference of \(base.url.lastPathComponent) and \(tuned.url.lastPathComponent)")
    }

    private static func check(_ form: Form) throws {
        switch form {
        case .sparse(let density) where !(density > 0 && density <= 1):
            throw PatchError(.badScale, "impossible density", expected: "above 0, at most 1", found: "\(density)")
        case .lowRank(let tolerance, let rank) where !(tolerance >= 0 && tolerance < 1) || rank < 1:
            throw PatchError(
                .badScale, "impossible tolerance or rank", expected: "0 or more, below 1; rank 1 or more",
                found: "\(tolerance), \(rank)")
        default: break
        }
    }

    private static func method(_ form: Form, _ tuned: Checkpoint, _ given: Patch.Method?) -> Patch.Method {
        var options: JSONObject = given?.options.objectValue ?? [:]
        options["tuned"] = JSON(tuned.url.lastPathComponent)
        switch form {
        case .full: options["form"] = "full"
        case .sparse(let density):
            options["form"] = "sparse"
            options["density"] = JSON(density)
        case .lowRank(let tolerance, let rank):
            options["form"] = "low_rank"
            options["tolerance"] = JSON(tolerance)
            options["maximum_rank"] = JSON(rank)
        case .quantized(let quantization):
            options["form"] = "quantized"
            options["bits"] = JSON(quantization.bits)
            options["per_channel"] = JSON(quantization.perChannel)
            options["symmetric"] = JSON(quantization.isSymmetric)
            options["scheme"] = JSON(quantization.scheme.rawValue)
        }
        return Patch.Method(name: given?.name ?? "extract", options: .object(options))
    }

    private static func extract(
        _ pair: TensorPair, _ form: Form, _ writer: EditWriter
    ) throws -> (base: BaseTensor, edit: Edit, error: Double)? {
        guard try pair.hasDifferences() else { return nil }
        try pair.checkPatchable()
        let (name, shape) = (pair.name, pair.base.shape)
        switch form {
        case .quantized(let options) where shape.count > 1:
            let found = try writer.quantizedEdit(of: name, shape: shape, options, values: pair.differences)
            return try (pair.hashedBase(), found.edit, found.error)
        case .lowRank(let tolerance, let maximumRank) where shape.count == 2:
            let values = try pair.differences(0..<shape.reduce(1, *))
            if let factors = try LowRankFactors(values, shape: shape, tolerance: tolerance, maximumRank: maximumRank) {
                let delta = LowRankDelta(
                    a: PayloadTensor(factors.a, shape: [factors.rank, shape[1]]),
                    b: PayloadTensor(factors.b, shape: [shape[0], factors.rank]))
                let edit = Edit(tensor: name, scale: 1, delta: delta, original: nil)
                return try (pair.hashedBase(), edit, edit.error(against: values, shape: shape))
            }
        case .sparse(let density):
            let threshold = try pair.threshold(density: density)
            let edit = try writer.edit(of: pair) { try pair.differences($0).map { $0.magnitude < threshold ? 0 : $0 } }
            guard let edit else { return nil }
            let whole = try pair.differences(0..<shape.reduce(1, *))
            return try (pair.hashedBase(), edit, edit.error(against: whole, shape: shape))
        default: break
        }
        return try writer.edit(of: pair, values: pair.differences).map { (try pair.hashedBase(), $0, 0) }
    }
}

extension EditWriter {
    /// The edit that adds these numbers to the base of a pair, which it has the originals of if they are few.
    fileprivate func edit(of pair: TensorPair, values: (Range<Int>) throws -> [Float]) throws -> Edit? {
        let (base, width) = (pair.base, pair.base.type.width)
        return try edit(of: pair.name, type: base.type, shape: base.shape, values: values) {
            try pair.baseBytes.bytes($0.lowerBound * width..<$0.upperBound * width)
        }
    }
}

extension Edit {
    /// The norm of what this adds less these values, as a fraction of their norm.
    fileprivate func error(against values: [Float], shape: [Int]) throws -> Double {
        var (error, total) = (0.0, 0.0)
        try EditWriter.forEachChunk(of: values.count) { range in
            var sums = [Double](repeating: 0, count: range.count)
            try sums.withUnsafeMutableBufferPointer { try delta.add(scale, of: range, shape: shape, to: $0) }
            for (sum, value) in zip(sums, values[range]) {
                error += (sum - Double(value)) * (sum - Double(value))
                total += Double(value) * Double(value)
            }
        }
        return total == 0 ? 0 : (error / total).squareRoot()
    }
}
