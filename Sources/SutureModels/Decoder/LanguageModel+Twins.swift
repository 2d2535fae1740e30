import SutureTensor

extension LanguageModel {
    /// The other tokens whose scores equal those of `token` whatever the model reads, in rising order: the head has the same
    /// row for them. Rows that were never trained often are equal.
    ///
    /// Throws ``ModelError`` with code `outOfRange` for a token that is not in the vocabulary.
    public func twins(of token: Int) throws -> [Int] {
        try check(tokens: [[token]])
        // A few columns tell nearly all rows apart; the whole rows of the rest are looked at in blocks.
        let head = try head
        let few = try head.narrowed(1, 0..<min(8, head.shape[1]))
        let distances = try (few - few.selected(0, token)).abs().max([1]).floats()
        let like = distances.indices.filter { distances[$0] == 0 && $0 != token }
        let (row, bias) = (try head.selected(0, token), try weights.head.bias?.floats())
        var twins: [Int] = []
        for start in stride(from: 0, to: like.count, by: 4096) {
            let block = Array(like[start..<min(start + 4096, like.count)])
            let distances = try (head.indexSelected(0, at: block) - row).abs().max([1]).floats()
            twins += zip(block, distances).filter { $1 == 0 && bias?[$0] == bias?[token] }.map(\.0)
        }
        return twins
    }
}
