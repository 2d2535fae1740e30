import SutureFormats

/// The sum of edits of one matrix, as it is added to the original: all at once, rounded once.
///
/// `new = round_to_type(float32(original + Σ scale * delta))`, the sum in float64 in the order of the patches' ids, so
/// that it does not depend on the order of application. An element whose sum is zero keeps its bytes.
struct EditSum {
    struct Term {
        let edit: Edit
        let scale: Double
    }

    let type: StorageType
    let shape: [Int]
    /// In the order of the ids of the patches that they come from.
    let terms: [Term]

    /// Adds the sum to the bytes of the original, in place.
    ///
    /// - Throws: ``PatchError`` with `overflow` for an element that is finite before and not after.
    func add(to bytes: UnsafeMutableRawBufferPointer) throws {
        let (rows, columns) = (shape[0], shape[1])
        let changedRows = Set(terms.flatMap { $0.edit.kind == .rows ? $0.edit.indices : [] })
        let changedColumns = Set(terms.flatMap { $0.edit.kind == .columns ? $0.edit.indices : [] }).sorted()
        var sums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            let changed = changedRows.contains(row) ? Array(0..<columns) : changedColumns
            if changed.isEmpty { continue }
            for term in terms { term.edit.add(scale: term.scale, row: row, to: &sums) }
            for column in changed where sums[column] != 0 {
                let element = row * columns + column
                let original = type.load(UnsafeRawBufferPointer(bytes), at: element)
                type.store(Float(Double(original) + sums[column]), in: bytes, at: element)
                if original.isFinite, !type.load(UnsafeRawBufferPointer(bytes), at: element).isFinite {
                    throw overflow(row, column)
                }
                sums[column] = 0
            }
        }
    }

    private func overflow(_ row: Int, _ column: Int) -> PatchError {
        PatchError(
            .overflow, "the patched weight is too large for its type", subject: terms.first?.edit.tensor,
            expected: "a finite \(type.rawValue)", found: "infinity in row \(row), column \(column)",
            hint: "use a smaller scale")
    }
}
