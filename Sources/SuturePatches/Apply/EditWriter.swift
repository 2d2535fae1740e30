import SutureFormats

/// Makes edits from numbers that come piece by piece, sparse where few are not zero, else dense.
///
/// The numbers are asked for twice, first to count them; what is made goes to a temporary file, not to memory.
struct EditWriter: Sendable {
    let spool: SpoolFile

    /// The edit that adds these numbers to a tensor, or nil if all are zero.
    ///
    /// - Parameters:
    ///   - values: what to add to some elements.
    ///   - original: what these are in the base, asked for in order and once; nil where that is not known.
    func edit(
        of tensor: String, type: StorageType, shape: [Int], values: (Range<Int>) throws -> [Float],
        original: ((Range<Int>) throws -> [UInt8])?
    ) throws -> Edit? {
        let count = shape.reduce(1, *)
        var changed = 0
        try Self.forEachChunk(of: count) { range in
            for (offset, value) in try values(range).enumerated() where value != 0 {
                guard value.isFinite else {
                    throw PatchError(
                        .badPayload, "a change is no number", subject: tensor,
                        found: "\(value) in element \(range.lowerBound + offset)",
                        hint: "suture diff counts such elements of two models")
                }
                changed += 1
            }
        }
        if changed == 0 { return nil }
        if let original, changed * (SparseDelta.indexType(elementCount: count).width + 4 + type.width) <= count * 4 {
            return try sparse(tensor, type, count: count, changed: changed, values, original)
        }
        return try dense(tensor, shape: shape, values, original)
    }

    private func dense(
        _ tensor: String, shape: [Int], _ values: (Range<Int>) throws -> [Float],
        _ original: ((Range<Int>) throws -> [UInt8])?
    ) throws -> Edit {
        let count = shape.reduce(1, *)
        var room = Room(spool, .float32, shape)
        try Self.forEachChunk(of: count) { range in
            try values(range).withUnsafeBytes { try room.append($0) }
            _ = try original?(range)
        }
        return Edit(tensor: tensor, scale: 1, delta: DenseDelta(values: room.tensor), original: nil)
    }

    private func sparse(
        _ tensor: String, _ type: StorageType, count: Int, changed: Int, _ values: (Range<Int>) throws -> [Float],
        _ original: (Range<Int>) throws -> [UInt8]
    ) throws -> Edit {
        let indexType = SparseDelta.indexType(elementCount: count)
        var indices = Room(spool, indexType, [changed])
        var deltas = Room(spool, .float32, [changed])
        var originals = Room(spool, type, [changed])
        try Self.forEachChunk(of: count) { range in
            let (values, before) = (try values(range), try original(range))
            var (places, numbers, bytes): ([UInt8], [Float], [UInt8]) = ([], [], [])
            for (offset, value) in values.enumerated() where value != 0 {
                places += SparseDelta.bytes(of: range.lowerBound + offset, indexType)
                numbers.append(value)
                bytes += before[offset * type.width..<(offset + 1) * type.width]
            }
            try places.withUnsafeBytes { try indices.append($0) }
            try numbers.withUnsafeBytes { try deltas.append($0) }
            try bytes.withUnsafeBytes { try originals.append($0) }
        }
        return Edit(
            tensor: tensor, scale: 1, delta: SparseDelta(indices: indices.tensor, values: deltas.tensor),
            original: originals.tensor)
    }

    static func forEachChunk(of count: Int, _ body: (Range<Int>) throws -> Void) rethrows {
        for start in stride(from: 0, to: count, by: EditSum.chunk) {
            try body(start..<min(start + EditSum.chunk, count))
        }
    }
}

/// A payload tensor that is being written.
struct Room {
    private let spool: SpoolFile
    private let shape: [Int]
    private let bytes: TensorBytes
    private var scan: PayloadScan
    private var end = 0

    init(_ spool: SpoolFile, _ type: StorageType, _ shape: [Int]) {
        self.spool = spool
        self.shape = shape
        bytes = spool.reserve(shape.reduce(type.width, *))
        scan = PayloadScan(type, shape)
    }

    mutating func append(_ part: UnsafeRawBufferPointer) throws {
        try spool.write(part, to: bytes, at: end)
        scan.take(part)
        end += part.count
    }

    var tensor: PayloadTensor { PayloadTensor(shape: shape, bytes: bytes, scan: scan) }
}
