import SutureTensor

/// Keys and values of one layer, `[batch, key-value heads, positions, head width]`, keys already rotated.
struct KeyValues: Sendable {
    var keys: Tensor
    var values: Tensor

    /// The first `count` positions for some rows of the batch; a batch of one serves any number of rows.
    func prefix(_ count: Int, rows: [Int]) throws -> KeyValues {
        func pick(_ tensor: Tensor) throws -> Tensor {
            let part = try tensor.narrowed(2, 0..<count)
            return tensor.shape[0] == 1
                ? try part.expanded([rows.count, -1, -1, -1]) : try part.indexSelected(0, at: rows)
        }
        return KeyValues(keys: try pick(keys), values: try pick(values))
    }

    func appending(_ next: KeyValues) throws -> KeyValues {
        KeyValues(
            keys: try Tensor.concatenated([keys, next.keys], 2),
            values: try Tensor.concatenated([values, next.values], 2))
    }
}
