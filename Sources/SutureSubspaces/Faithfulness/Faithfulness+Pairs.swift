import SutureTokenizers

extension Faithfulness {
    /// Pairs of indirect object identification: 200 to learn from, and some of other names and places to judge by.
    ///
    /// - Parameters:
    ///   - tokenizer: the model's.
    ///   - count: how many to judge by.
    ///   - seed: what they are drawn from.
    /// - Throws: ``SubspaceError`` for a tokenizer that has too few of the names as single tokens.
    public init(ofIndirectObjects tokenizer: Tokenizer, count: Int = 300, seed: UInt64 = 1) throws {
        let train = try IOI(.train, tokenizer).balanced(200, seed: seed)
        let heldOut = try IOI(.heldOut, tokenizer).swapped(count, seed: seed &+ 0x10_0000)
        self.init(
            train: try train.map { try TokenizedPair($0, tokenizer) },
            heldOut: try heldOut.map { try TokenizedPair($0, tokenizer) })
    }

    /// Throws ``SubspaceError`` with code `badRequest` where a pair that is learned from would judge, too.
    public func requireApart(subject: String) throws {
        let shared = Set(train).intersection(heldOut).count
        guard shared == 0 else {
            throw SubspaceError(
                .badRequest, "what is learned from cannot judge", subject: subject,
                expected: "pairs that are not in both lists", found: "\(shared) in both")
        }
    }
}
