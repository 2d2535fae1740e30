import SutureFormats

/// What is added to some elements of a tensor of any shape.
struct SparseDelta: Delta {
    /// Which elements in row-major order, ascending: `[count]`, U32, or U64 for a tensor of more than 2^32 elements.
    let indices: PayloadTensor
    /// `[count]`
    let values: PayloadTensor

    var kind: Edit.Kind { .sparse }
    var summary: String { indices.count == 1 ? "1 element" : "\(indices.count) elements" }
    var payload: [(key: ByteString, tensor: PayloadTensor)] { [("indices", indices), ("delta", values)] }
    var storesOriginal: Bool { true }

    init(indices: PayloadTensor, values: PayloadTensor) {
        self.indices = indices
        self.values = values
    }

    init(_ entries: [(index: Int, value: Float)], elementCount: Int) {
        let type = Self.indexType(elementCount: elementCount)
        let bytes = entries.flatMap { Self.bytes(of: $0.index, type) }
        self.init(
            indices: PayloadTensor(type, [entries.count], bytes),
            values: PayloadTensor(entries.map(\.value), shape: [entries.count]))
    }

    static func bytes(of index: Int, _ type: StorageType) -> [UInt8] {
        withUnsafeBytes(of: UInt64(index).littleEndian) { [UInt8]($0.prefix(type.width)) }
    }

    static func indexType(elementCount: Int) -> StorageType { elementCount <= 1 << 32 ? .uint32 : .uint64 }

    func originalShape(for shape: [Int]) -> [Int] { [indices.count] }

    func check(against base: BaseTensor, subject: String) throws {
        let elements = base.shape.reduce(1, *)
        guard indices.count > 0, indices.shape == [indices.count] else {
            throw PatchError(.badPayload, "there are no indices", subject: subject, found: "\(indices.shape)")
        }
        var last = -1
        for start in stride(from: 0, to: indices.count, by: EditSum.chunk) {
            for index in try positions(start..<min(start + EditSum.chunk, indices.count)) {
                guard index > last, index < elements else {
                    throw PatchError(
                        .badPayload, "impossible indices of elements", subject: subject,
                        expected: "ascending, each once, in 0..<\(elements)", found: "\(index) after \(last)")
                }
                last = index
            }
        }
        try checkPayload(values, shape: [indices.count], subject: subject)
    }

    var isNonzero: Bool { values.hasNonzero }

    func add(_ scale: Double, of range: Range<Int>, shape: [Int], to sums: UnsafeMutableBufferPointer<Double>) throws {
        let entries = try entries(in: range)
        let values = try values.floats(entries)
        for (index, value) in zip(try positions(entries), values) {
            sums[index - range.lowerBound] += scale * Double(value)
        }
    }

    func forEachRun(in range: Range<Int>, shape: [Int], _ body: (Range<Int>, Int) throws -> Void) throws {
        let entries = try entries(in: range)
        for (index, position) in zip(try positions(entries), entries) { try body(index..<index + 1, position) }
    }

    /// The elements that some entries name.
    func positions(_ entries: Range<Int>) throws -> [Int] {
        let width = indices.type.width
        let bytes = try indices.bytes.bytes(entries.lowerBound * width..<entries.upperBound * width)
        return bytes.withUnsafeBytes { bytes in
            (0..<entries.count).map { entry in
                width == 4
                    ? Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * entry, as: UInt32.self)))
                    : Int(
                        clamping: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * entry, as: UInt64.self)))
            }
        }
    }

    /// The entries whose elements lie in `range`.
    private func entries(in range: Range<Int>) throws -> Range<Int> {
        try firstEntry(from: range.lowerBound)..<firstEntry(from: range.upperBound)
    }

    private func firstEntry(from element: Int) throws -> Int {
        var (low, high) = (0, indices.count)
        while low < high {
            let middle = (low + high) / 2
            if try positions(middle..<middle + 1)[0] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
