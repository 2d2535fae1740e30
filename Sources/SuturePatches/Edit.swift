import SutureFormats

/// A change of whole columns or rows of one matrix.
///
/// A neuron's write vector is a column of a projection stored `[out, in]`, as in Llama, and a row of one stored
/// `[in, out]`, as in GPT-2.
public struct Edit: Sendable, Equatable {
    /// What the indices count; the raw value is the name in a manifest.
    public enum Kind: String, Sendable, CaseIterable {
        case columns, rows
    }

    /// The name of the matrix.
    public let tensor: String
    public let kind: Kind
    /// Which columns or rows, ascending.
    public let indices: [Int]
    /// What is added at scale 1, `[indices, length]`.
    public let delta: [Float]
    /// What was there before, `[indices, length]`, in the matrix's own type.
    public let original: [UInt8]

    /// The elements of a column or row of a matrix of this shape.
    static func length(_ kind: Kind, shape: [Int]) -> Int { kind == .columns ? shape[0] : shape[1] }

    /// The columns or rows of a matrix of this shape.
    static func count(_ kind: Kind, shape: [Int]) -> Int { kind == .columns ? shape[1] : shape[0] }

    /// The bytes of columns or rows of a matrix, one after the other.
    static func slices(
        _ kind: Kind, _ indices: [Int], of bytes: UnsafeRawBufferPointer, type: StorageType, shape: [Int]
    ) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(indices.count * length(kind, shape: shape) * type.width)
        for index in indices {
            forEachRun(kind, index, width: type.width, shape: shape) { result.append(contentsOf: bytes[$0]) }
        }
        return result
    }

    /// Puts the original columns or rows back into a matrix.
    func restore(in bytes: UnsafeMutableRawBufferPointer, type: StorageType, shape: [Int]) {
        original.withUnsafeBytes { original in
            var position = 0
            for index in indices {
                Self.forEachRun(kind, index, width: type.width, shape: shape) { range in
                    let source = UnsafeRawBufferPointer(rebasing: original[position..<position + range.count])
                    UnsafeMutableRawBufferPointer(rebasing: bytes[range]).copyMemory(from: source)
                    position += range.count
                }
            }
        }
    }

    /// Adds `scale * delta` to the sums of those elements of row `row` that this changes.
    func add(scale: Double, row: Int, to sums: inout [Double]) {
        switch kind {
        case .columns:
            let length = delta.count / indices.count
            for (position, column) in indices.enumerated() {
                sums[column] += scale * Double(delta[position * length + row])
            }
        case .rows:
            guard let position = indices.firstIndex(of: row) else { return }
            for column in sums.indices { sums[column] += scale * Double(delta[position * sums.count + column]) }
        }
    }

    /// The byte ranges of a column or row, in order.
    private static func forEachRun(
        _ kind: Kind, _ index: Int, width: Int, shape: [Int], _ body: (Range<Int>) -> Void
    ) {
        let columns = shape[1]
        switch kind {
        case .columns:
            for row in 0..<shape[0] {
                let start = (row * columns + index) * width
                body(start..<start + width)
            }
        case .rows: body(index * columns * width..<(index + 1) * columns * width)
        }
    }
}
