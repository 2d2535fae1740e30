import SutureModels
import SutureTensor
import SutureTokenizers

/// Which tokens of a prompt heads attend to.
public struct AttentionView: Codable, Sendable {
    /// The pattern of one head: queries x keys, each row sums to 1.
    public struct Pattern: Codable, Sendable {
        public let head: Head
        public let weights: [[Double]]
    }

    /// The token that a head attends to most from the last one, the first token aside, at which heads rest.
    public struct Target: Codable, Sendable, CustomStringConvertible {
        public let head: Head
        public let position: Int
        public let token: String
        public let weight: Double
        /// How much it attends to the first token.
        public let first: Double

        /// `23.4 2 " Mary" 0.71`
        public var description: String { "\(head) \(position) \"\(token)\" \(weight)" }
    }

    public let model, prompt: String
    public let tokens: [String]
    public let patterns: [Pattern]
    public let strongest: [Target]

    /// Runs a prompt once.
    ///
    /// Throws `ModelError` for heads that the model does not have, or a prompt that does not fit it.
    public init(
        _ model: LanguageModel, _ prompt: Prompt, heads: [Head], _ tokenizer: Tokenizer, modelName: String
    ) throws {
        let ids = try prompt.tokens(tokenizer).ids
        var seen: Set<Head> = []
        let heads = heads.filter { seen.insert($0).inserted }
        for head in heads { try model.check(.head(layer: head.layer, index: head.index)) }
        let layers = Set(heads.map(\.layer)).sorted()
        let weights = Dictionary(uniqueKeysWithValues: zip(layers, try model.attentionPatterns(ids, layers: layers)))
        for (layer, pattern) in weights { try pattern.requireFinite("the attention of layer \(layer)") }
        let tokens = ids.map { tokenizer.decode([$0]) }
        patterns = try heads.compactMap { head in
            try weights[head.layer].map { all in
                let values = try all.selected(0, head.index).elements(as: Double.self)
                return Pattern(
                    head: head,
                    weights: ids.indices.map { Array(values[$0 * ids.count..<($0 + 1) * ids.count]) })
            }
        }
        strongest = patterns.map { pattern in
            let last = pattern.weights[ids.count - 1]
            let place = last.indices.dropFirst().max { last[$0] < last[$1] } ?? 0
            return Target(
                head: pattern.head, position: place, token: tokens[place], weight: last[place], first: last[0])
        }
        (self.model, self.prompt, self.tokens) = (modelName, prompt.text, tokens)
    }
}

extension Head: LosslessStringConvertible {
    /// Reads `23.4`: layer and number.
    public init?(_ text: String) {
        let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard numbers.count == 2, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        self.init(layer: numbers[0], index: numbers[1])
    }
}
