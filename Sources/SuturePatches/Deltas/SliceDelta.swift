import SutureFormats

/// What is added to whole columns or rows of a matrix.
///
/// A neuron's write vector is a column of a projection stored `[out, in]`, as in Llama, and a row of one stored
/// `[in, out]`, as in GPT-2.
struct SliceDelta: Delta {
    let isColumns: Bool
    /// Which columns or rows, ascending.
    let indices: [Int]
    /// `[indices, length]`
    let values: PayloadTensor

    var kind: Edit.Kind { isColumns ? .columns : .rows }
    var summary: String {
        let shown = indices.prefix(8).map(String.init).joined(separator: ", ")
        return "\(kind.rawValue) \(shown)" + (indices.count > 8 ? " and \(indices.count - 8) more" : "")
    }
    var payload: [(key: ByteString, tensor: PayloadTensor)] { [("delta", values)] }
    var members: JSONObject { ["indices": .array(indices.map { JSON($0) })] }
    var storesOriginal: Bool { true }

    /// The elements of a column or row of a matrix of this shape.
    func length(_ shape: [Int]) -> Int { isColumns ? shape[0] : shape[1] }

    func originalShape(for shape: [Int]) -> [Int] { [indices.count, length(shape)] }

    func check(against base: BaseTensor, subject: String) throws {
        try checkMatrix(base, subject: subject)
        let count = isColumns ? base.shape[1] : base.shape[0]
        let isAscending = zip(indices, indices.dropFirst()).allSatisfy { $0 < $1 }
        guard let first = indices.first, let last = indices.last, isAscending, first >= 0, last < count else {
            throw PatchError(
                .malformedManifest, "impossible indices of \(kind.rawValue)", subject: subject,
                expected: "ascending, each once, in 0..<\(count)",
                found: indices.isEmpty ? "none" : "\(indices.prefix(8))")
        }
        try checkPayload(values, shape: originalShape(for: base.shape), subject: subject)
    }

    var isNonzero: Bool { values.hasNonzero }

    func add(_ scale: Double, of range: Range<Int>, shape: [Int], to sums: UnsafeMutableBufferPointer<Double>) throws {
        let width = shape[1]
        guard isColumns else {
            return try forEachRun(in: range, shape: shape) { elements, position in
                let values = try values.floats(position..<position + elements.count)
                for (offset, value) in values.enumerated() {
                    sums[elements.lowerBound - range.lowerBound + offset] += scale * Double(value)
                }
            }
        }
        // A column at a time, so that its values are read at once.
        for (position, column) in indices.enumerated() {
            let rows = Self.rows(of: column, in: range, width: width)
            let start = position * shape[0]
            let values = try values.floats(start + rows.lowerBound..<start + rows.upperBound)
            for (row, value) in zip(rows, values) {
                sums[row * width + column - range.lowerBound] += scale * Double(value)
            }
        }
    }

    func forEachRun(in range: Range<Int>, shape: [Int], _ body: (Range<Int>, Int) throws -> Void) throws {
        let width = shape[1]
        for (position, index) in indices.enumerated() {
            if isColumns {
                for row in Self.rows(of: index, in: range, width: width) {
                    let element = row * width + index
                    try body(element..<element + 1, position * shape[0] + row)
                }
            } else {
                let elements = (index * width..<(index + 1) * width).clamped(to: range)
                if elements.isEmpty { continue }
                try body(elements, position * width + elements.lowerBound - index * width)
            }
        }
    }

    /// The rows whose element in `column` lies in `range`.
    private static func rows(of column: Int, in range: Range<Int>, width: Int) -> Range<Int> {
        let first = (range.lowerBound - column + width - 1) / width
        let end = (range.upperBound - column + width - 1) / width
        return max(first, 0)..<max(first, end, 0)
    }
}
