import SutureTensor

/// The rows of a batch of one column in which each is at a position of its own, behind keys and values of its own.
final class SeparateRows {
    let positions: [Int]
    /// The keys and values of each row's layers: they grow as the batch goes through the layers.
    private(set) var seen: [DecodingSession.Seen]
    private var masks: [Int: Tensor?] = [:]

    init(_ positions: [Int], _ seen: [DecodingSession.Seen]) { (self.positions, self.seen) = (positions, seen) }

    /// What each row reads of what it has seen, its own column too: `[rows, heads, 1, width]`.
    func mixed(_ layer: Int, _ own: KeyValues, _ mix: (_ row: Int, _ seen: KeyValues) throws -> Tensor) throws -> Tensor
    {
        try Tensor.concatenated(
            positions.indices.map { row in
                let next = KeyValues(
                    keys: try own.keys.narrowed(0, row..<row + 1), values: try own.values.narrowed(0, row..<row + 1))
                let all = try seen[row].layers[layer]?.appending(next) ?? next
                seen[row].layers[layer] = all
                return try mix(row, all)
            }, 0)
    }

    /// Which keys a row sees in layers with a window; nil where it sees all.
    func windowedMask(_ row: Int, _ model: LanguageModel) throws -> Tensor? {
        if let mask = masks[row] { return mask }
        let mask = try Forward.mask(
            positions[row]..<positions[row] + 1, window: model.architecture.window, device: model.device)
        masks[row] = .some(mask)
        return mask
    }
}
