import SutureFormats

/// A tensor of a patch's payload, in memory or read piece by piece from where it is.
struct PayloadTensor: Sendable {
    let type: StorageType
    let shape: [Int]
    let bytes: TensorBytes
    /// As in a manifest, by which the id of the patch covers this tensor.
    let digest: String

    var count: Int { bytes.count / type.width }

    init(type: StorageType, shape: [Int], bytes: TensorBytes) throws {
        self.type = type
        self.shape = shape
        self.bytes = bytes
        digest = BaseTensor.digestPrefix + (try Digest.tensor(type: type, shape: shape, bytes: bytes))
    }

    /// A tensor whose digest was taken when it was made.
    init(type: StorageType, shape: [Int], bytes: TensorBytes, digest: Digest) {
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.digest = BaseTensor.digestPrefix + digest.hexadecimal
    }

    init(_ type: StorageType, _ shape: [Int], _ bytes: [UInt8]) {
        self.type = type
        self.shape = shape
        self.bytes = TensorBytes(bytes)
        digest = BaseTensor.digestPrefix + bytes.withUnsafeBytes { Digest.tensor(type: type, shape: shape, bytes: $0) }
    }

    /// A tensor of float32.
    init(_ values: [Float], shape: [Int]) {
        self.init(
            .float32, shape,
            values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { [UInt8]($0) } })
    }

    /// Some elements, which must be of a type that patches can change: F32, BF16 or F16.
    func floats(_ range: Range<Int>) throws -> [Float] {
        let bytes = try bytes.bytes(range.lowerBound * type.width..<range.upperBound * type.width)
        return bytes.withUnsafeBytes { type.floats($0) }
    }

    func floats() throws -> [Float] { try floats(0..<count) }

    /// Hands over all elements in order, piece by piece, with the place of the first.
    func forEachChunk(_ body: (_ start: Int, [Float]) throws -> Void) throws {
        let size = TensorBytes.chunkSize / type.width
        for start in stride(from: 0, to: count, by: size) {
            try body(start, floats(start..<min(start + size, count)))
        }
    }

    /// Whether all elements are finite, and whether one is not zero.
    func survey() throws -> (isFinite: Bool, hasNonzero: Bool) {
        var (isFinite, hasNonzero) = (true, false)
        try forEachChunk { _, values in
            isFinite = isFinite && values.allSatisfy { $0.isFinite }
            hasNonzero = hasNonzero || values.contains { $0 != 0 }
        }
        return (isFinite, hasNonzero)
    }

    /// The sum of the squares of the elements.
    func squareSum() throws -> Double {
        var sum = 0.0
        try forEachChunk { _, values in for value in values { sum += Double(value) * Double(value) } }
        return sum
    }
}
