import SutureTensor

/// What a run was asked to keep.
public struct Activations: Sendable {
    /// The position of the first column of every captured value.
    public let firstPosition: Int
    /// Scores of the next token, `[batch, vocabulary]` at the last position of each prompt, or
    /// `[batch, positions, vocabulary]` where all were asked for.
    public let logits: Tensor
    let captured: [Site: Tensor]

    /// The values at a site, `[batch, positions, width]`.
    ///
    /// Throws ``ModelError`` with code `notCaptured`, naming the site, if the run did not keep them.
    public subscript(site: Site) -> Tensor {
        get throws {
            guard let value = captured[site] else {
                throw ModelError(
                    .notCaptured, "this site was not captured", subject: "\(site)",
                    found: captured.keys.map(\.description).sorted().joined(separator: ", "))
            }
            return value
        }
    }
}

/// At which positions a run computes the scores of the next token.
public enum LogitPositions: Sendable { case last, all }

extension LanguageModel {
    /// Runs prompts under interventions and keeps the values that are asked for.
    ///
    /// Prompts of different length share a batch, padded on the right, where nothing sees the padding;
    /// what is captured at padded positions means nothing.
    public func run(
        _ tokens: [[Int]], _ interventions: [Intervention] = [], capturing: [Site] = [], logits: LogitPositions = .last
    ) throws -> Activations {
        try check(tokens: tokens)
        try check(interventions, capturing, length: tokens.map(\.count).min() ?? 0)
        let lengths = tokens.map(\.count)
        let changes = interventions.flatMap { Forward.changes($0, lengths: lengths) }
        let length = lengths.max() ?? 0
        let forward = try Forward(self, positions: 0..<length, changes: changes, capturing: Set(capturing))
        let sameLength = lengths.allSatisfy { $0 == length }
        let lastOnly = logits == .last && sameLength && forward.needsLastOnly

        var residual = try forward.embed(padded(tokens))
        for layer in 0..<architecture.layers {
            residual = try forward.attention(
                layer, residual, prefix: nil, lastOnly: lastOnly && layer == architecture.layers - 1
            ).residual
            residual = try forward.mlp(layer, residual)
        }
        let scores = try forward.scores(residual, logits, lasts: sameLength ? nil : lengths.map { $0 - 1 })
        return Activations(firstPosition: 0, logits: scores, captured: forward.captured)
    }

    /// Token ids `[batch, positions]`, padded on the right.
    func padded(_ tokens: [[Int]]) throws -> Tensor {
        let length = tokens.map(\.count).max() ?? 0
        let ids = tokens.flatMap { $0 + Array(repeating: 0, count: length - $0.count) }
        return try Tensor(ids, shape: [tokens.count, length], device: device)
    }

    /// Throws unless the model has the sites and every prompt the positions.
    func check(_ interventions: [Intervention], _ captures: [Site], length: Int) throws {
        for site in captures + interventions.map(\.site) { try site.check(architecture) }
        for case .at(let positions) in interventions.map(\.positions) {
            if let position = positions.first(where: { !(0..<length).contains($0) }) {
                throw ModelError(
                    .outOfRange, "a position is outside the prompt", expected: "0..<\(length)", found: "\(position)")
            }
        }
    }
}

extension Forward {
    /// An intervention on every row; rows of different length are changed one by one, each at its own last position.
    static func changes(_ intervention: Intervention, lengths: [Int]) -> [Change] {
        guard intervention.positions == .last, Set(lengths).count > 1 else {
            return [Change(row: nil, last: (lengths.first ?? 0) - 1, kind: .intervention(intervention))]
        }
        return lengths.enumerated().map { Change(row: $0, last: $1 - 1, kind: .intervention(intervention)) }
    }
}
