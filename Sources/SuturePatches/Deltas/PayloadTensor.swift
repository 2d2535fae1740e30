import SutureFormats

/// A tensor of a patch's payload, in memory or read piece by piece from where it is.
struct PayloadTensor: Sendable {
    let type: StorageType
    let shape: [Int]
    let bytes: TensorBytes
    /// As in a manifest, by which the id of the patch covers this tensor.
    let digest: String
    /// Whether all elements are finite, and whether one is not zero; of types that patches can change.
    let isFinite, hasNonzero: Bool

    var count: Int { bytes.count / type.width }

    /// A tensor whose bytes were all given to `scan`.
    init(shape: [Int], bytes: TensorBytes, scan: PayloadScan) {
        type = scan.type
        self.shape = shape
        self.bytes = bytes
        digest = scan.digest
        isFinite = scan.isFinite
        hasNonzero = scan.hasNonzero
    }

    /// A tensor whose bytes are read once, for its digest and for what its numbers are like.
    init(type: StorageType, shape: [Int], bytes: TensorBytes) throws {
        var scan = PayloadScan(type, shape)
        try bytes.forEachChunk { scan.take($0) }
        self.init(shape: shape, bytes: bytes, scan: scan)
    }

    init(_ type: StorageType, _ shape: [Int], _ bytes: [UInt8]) {
        var scan = PayloadScan(type, shape)
        bytes.withUnsafeBytes { scan.take($0) }
        self.init(shape: shape, bytes: TensorBytes(bytes), scan: scan)
    }

    /// A tensor of float32.
    init(_ values: [Float], shape: [Int]) {
        self.init(
            .float32, shape,
            values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { [UInt8]($0) } })
    }

    /// Some elements, which must be of a type that patches can change: F32, BF16 or F16.
    func floats(_ range: Range<Int>) throws -> [Float] { try bytes.floats(range, type) }

    func floats() throws -> [Float] { try floats(0..<count) }

    /// Hands over all elements in order, piece by piece, with the place of the first.
    func forEachChunk(_ body: (_ start: Int, [Float]) throws -> Void) throws {
        let size = TensorBytes.chunkSize / type.width
        for start in stride(from: 0, to: count, by: size) {
            try body(start, floats(start..<min(start + size, count)))
        }
    }
}

/// What is noted of a payload tensor while its bytes go by, piece by piece: each has whole elements.
struct PayloadScan {
    let type: StorageType
    private(set) var isFinite = true
    private(set) var hasNonzero = false
    private var hasher: Digest

    init(_ type: StorageType, _ shape: [Int]) {
        self.type = type
        hasher = Digest(labeled: type, shape)
    }

    var digest: String { BaseTensor.digestPrefix + hasher.hexadecimal }

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        hasher.update(bytes)
        switch type {
        case .float32: look(at: bytes, UInt32.self, exponent: 0x7F80_0000)
        case .bfloat16: look(at: bytes, UInt16.self, exponent: 0x7F80)
        case .float16: look(at: bytes, UInt16.self, exponent: 0x7C00)
        default: break
        }
    }

    /// By the bits, without branches: this goes over whole checkpoints.
    @inline(__always)
    private mutating func look<Bits: FixedWidthInteger & UnsignedInteger>(
        at bytes: UnsafeRawBufferPointer, _ type: Bits.Type, exponent: Bits
    ) {
        var (notFinite, all) = (Bits(0), Bits(0))
        for offset in stride(from: 0, to: bytes.count, by: Bits.bitWidth / 8) {
            let bits = bytes.loadUnaligned(fromByteOffset: offset, as: Bits.self)
            notFinite |= bits & exponent == exponent ? 1 : 0
            all |= bits
        }
        isFinite = isFinite && notFinite == 0
        hasNonzero = hasNonzero || all << 1 != 0
    }
}
