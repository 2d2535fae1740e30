/// A tensor of a checkpoint that is stored in another form than it is presented in, such as in quantized blocks: converted
/// to float32 each time that it is read.
package struct ConvertedTensor: Sendable {
    /// The sizes, outermost first.
    package let shape: [Int]
    private let tensor: GGUFTranslation.Tensor
    private let translation: GGUFTranslation

    init(_ tensor: GGUFTranslation.Tensor, of translation: GGUFTranslation) {
        shape = tensor.shape
        self.tensor = tensor
        self.translation = translation
    }

    /// Some rows as float32, by several threads.
    ///
    /// - Parameters:
    ///   - rows: which rows; a tensor of one dimension is one row.
    ///   - values: exactly as many values as the rows have.
    /// - Throws: ``FormatError`` for blocks that cannot be converted.
    package func read(rows: Range<Int>, into values: UnsafeMutableBufferPointer<Float>) throws {
        let width = shape.last ?? 1
        // Of one that is stored the other way round, each piece would be converted as a whole.
        let pieces = tensor.layout == .transposed ? 1 : min(rows.count, rows.count * width / Self.pieceSize + 1)
        nonisolated(unsafe) let values = values
        _ = try Parallel.map(Array(0..<pieces)) { piece in
            let part = rows.count * piece / pieces..<rows.count * (piece + 1) / pieces
            try translation.read(
                tensor, rows: rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound,
                into: UnsafeMutableBufferPointer(
                    rebasing: values[part.lowerBound * width..<part.upperBound * width]))
        }
    }

    /// The matrix as it is stored, row by row; nil where that is the other way round, or has other blocks in its place.
    package var blocks: (bytes: MappedBytes, type: GGUFType)? {
        switch tensor.layout {
        case .same, .permuted:
            tensor.stored.shape.count == 2 && translation.file.replaced.isEmpty
                ? (translation.file.bytes(of: tensor.stored), tensor.stored.type) : nil
        case .transposed, .oneAdded: nil
        }
    }

    /// Whether the rows are stored in their order.
    package var isInOrder: Bool { tensor.layout == .same }

    /// Which of the stored rows a row is.
    package func storedRow(_ row: Int) -> Int {
        if case .permuted(let order) = tensor.layout { order.stored(row) } else { row }
    }

    /// Takes what is stored out of this process's memory, where the numbers are kept.
    package func leaveMemory() { translation.file.bytes(of: tensor.stored).leaveMemory() }

    /// How many values are worth a thread's while.
    private static let pieceSize = 1 << 18
}
