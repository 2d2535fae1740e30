import SutureTensor

/// What a run was asked to keep.
public struct Activations: Sendable {
    /// The position of the first column of every captured value.
    public let firstPosition: Int
    /// Scores of the next token, `[batch, vocabulary]` at the last position of each prompt, or
    /// `[batch, positions, vocabulary]` where all were asked for, or `[batch, tokens]` of some.
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
public enum LogitPositions: Hashable, Sendable {
    case last, all
    /// At the last position of each prompt, and of these tokens only: `[batch, tokens]`.
    case lastOf([Int])
    /// Nowhere: the run ends where the last captured value is known.
    case none

    var areLast: Bool { self != .all && self != .none }
}

extension LanguageModel {
    /// Runs prompts under interventions and keeps the values that are asked for.
    ///
    /// Prompts of different length share a batch, padded on the right, where nothing sees the padding;
    /// what is captured at padded positions means nothing.
    public func run(
        _ tokens: [[Int]], _ interventions: [Intervention] = [], capturing: [Site] = [], logits: LogitPositions = .last
    ) throws -> Activations {
        try check(tokens: tokens)
        let lengths = tokens.map(\.count)
        try check(interventions, capturing, lengths: lengths)
        let changes = interventions.map {
            Forward.Change(row: nil, lasts: lengths.map { $0 - 1 }, kind: .intervention($0))
        }
        let length = lengths.max() ?? 0
        let forward = try Forward(self, positions: 0..<length, changes: changes, capturing: Set(capturing))
        let sameLength = lengths.allSatisfy { $0 == length }
        let lastOnly = logits.areLast && sameLength && forward.needsLastOnly

        let residual = try forward.run(
            through: forward.depth(logits), forward.embed(padded(tokens)), lastOnly: lastOnly)
        let scores = try forward.scores(residual, logits, lasts: sameLength ? nil : lengths.map { $0 - 1 })
        return Activations(firstPosition: 0, logits: scores, captured: forward.captured)
    }

    /// Token ids `[batch, positions]`, padded on the right.
    func padded(_ tokens: [[Int]]) throws -> Tensor {
        let length = tokens.map(\.count).max() ?? 0
        let ids = tokens.flatMap { $0 + Array(repeating: 0, count: length - $0.count) }
        return try Tensor(ids, shape: [tokens.count, length], device: device)
    }

    /// Throws ``ModelError`` with code `outOfRange` unless the model has this site.
    public func check(_ site: Site) throws { try site.check(architecture) }

    /// Throws unless the model has the sites and every intervention fits prompts of these lengths.
    func check(_ interventions: [Intervention], _ captures: [Site], lengths: [Int]) throws {
        for site in captures { try site.check(architecture) }
        for intervention in interventions { try intervention.check(architecture, lengths: lengths) }
    }
}
