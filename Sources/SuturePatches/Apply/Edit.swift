import SutureFormats

/// A change of one tensor: what is added, how much of it, and, where that is little, what was there before.
public struct Edit: Sendable {
    /// How what is added is written down; the raw value is the name in a manifest.
    public enum Kind: String, Sendable, CaseIterable {
        /// Some columns or rows of a matrix.
        case columns, rows
        /// The product of two thin matrices.
        case lowRank = "low_rank"
        /// Some elements.
        case sparse
        /// Every element.
        case dense
        /// Every element, in few bits.
        case quantized
    }

    /// The name of the tensor.
    public let tensor: String
    /// How much of the change this patch has at its scale 1; 1 unless the patch was combined from others.
    public let scale: Double
    let delta: any Delta
    /// What was there before, in the tensor's own type, for kinds that change few elements; nil outside of a patch.
    let original: PayloadTensor?

    public var kind: Kind { delta.kind }

    /// Which columns or rows, ascending; nil for other kinds.
    public var indices: [Int]? { (delta as? SliceDelta)?.indices }

    /// What is changed, in a few words: `columns 3, 17` or `rank 8`.
    public var summary: String { delta.summary + (scale == 1 ? "" : ", scale \(scale)") }

    /// The Euclidean norm of what is added, over all elements of a tensor of this shape.
    public func norm(shape: [Int]) throws -> Double {
        let count = shape.reduce(1, *)
        var square = 0.0
        var sums = [Double](repeating: 0, count: min(count, EditSum.chunk))
        for start in stride(from: 0, to: count, by: EditSum.chunk) {
            let range = start..<min(start + EditSum.chunk, count)
            try sums.withUnsafeMutableBufferPointer { sums in
                sums.update(repeating: 0)
                try delta.add(scale, of: range, shape: shape, to: sums)
                square += LaneSums.add(count: range.count) { (sums[$0] * sums[$0], 0) }.0
            }
        }
        return square.squareRoot()
    }
}

/// What an edit adds at scale 1: a way to write down one number for each element of a tensor.
///
/// Elements are counted in row-major order. All arithmetic is in float64 and in the order that
/// `Documentation/patch-format.md` gives, so that every reader adds the same.
protocol Delta: Sendable {
    var kind: Edit.Kind { get }
    var summary: String { get }
    /// The tensors of the payload, by the keys under which a manifest names them.
    var payload: [(key: ByteString, tensor: PayloadTensor)] { get }
    /// What else a manifest says of it.
    var members: JSONObject { get }
    /// Whether what is changed is little, so that a patch stores what was there before.
    var storesOriginal: Bool { get }

    /// Checks all that can be checked without the model.
    func check(against base: BaseTensor, subject: String) throws
    /// Whether some element is added to, as far as can be told without the model.
    var isNonzero: Bool { get }
    /// Adds `scale` times the elements in `range` to as many sums.
    func add(_ scale: Double, of range: Range<Int>, shape: [Int], to sums: UnsafeMutableBufferPointer<Double>) throws
    /// The runs of elements in `range` that are changed, and where each begins in the stored original.
    func forEachRun(
        in range: Range<Int>, shape: [Int], _ body: (_ elements: Range<Int>, _ position: Int) throws -> Void) throws
    /// The shape of the stored original.
    func originalShape(for shape: [Int]) -> [Int]
}

extension Delta {
    var members: JSONObject { [:] }
    var storesOriginal: Bool { false }
    func forEachRun(in range: Range<Int>, shape: [Int], _ body: (Range<Int>, Int) throws -> Void) throws {}
    func originalShape(for shape: [Int]) -> [Int] { shape }

    func checkPayload(_ tensor: PayloadTensor, shape: [Int], subject: String) throws {
        guard tensor.shape == shape else {
            throw PatchError(
                .badPayload, "the payload does not fit the edit", subject: subject, expected: "\(shape)",
                found: "\(tensor.shape)")
        }
        guard tensor.isFinite else {
            throw PatchError(.badPayload, "the payload is not finite", subject: subject)
        }
    }

    func checkMatrix(_ base: BaseTensor, subject: String) throws {
        guard base.shape.count == 2 else {
            throw PatchError(
                .malformedManifest, "only a matrix has columns, rows and a rank", subject: subject,
                found: "\(base.shape)")
        }
    }
}
