import SutureModels
import SutureTensor

extension Sweep {
    /// What is patched into what, and how an effect is told.
    public struct Measure: Hashable, Sendable {
        public var metric: Metric
        public var direction: Direction

        /// A metric, and which of the two prompts lends its activations.
        public init(_ metric: Metric = .logitDifference, _ direction: Direction = .noising) {
            self.metric = metric
            self.direction = direction
        }
    }

    /// Which run is patched (Heimersheim & Nanda 2024, arXiv 2404.15255).
    public enum Direction: String, Hashable, Sendable, Codable, CaseIterable {
        /// The base, with values of the source: what is needed for the answer breaks it.
        case noising
        /// The source, with values of the base: what is enough for the answer restores it.
        case denoising
    }

    /// How an effect is told.
    public enum Metric: String, Hashable, Sendable, Codable, CaseIterable {
        /// The share of the logit difference of answer and rival that noising removes, 1 - LD patched / LD clean; or that
        /// denoising restores, (LD patched - LD source) / (LD base - LD source).
        case logitDifference = "logit-difference"
        /// How much the probability of the answer changes.
        case probability
        /// KL(unpatched || patched) of the next token, in nats.
        case divergence = "kl"
        /// How many ranks the answer rises; it falls where this is negative.
        case rank
    }

    /// The effects of single interventions.
    func effects(of cells: [Intervention]) throws -> [Double] {
        // In pieces where whole distributions are needed: those of all cells may be large.
        let piece = measure.metric == .logitDifference ? max(1, cells.count) : 256
        return try Tensor.withoutGradients {
            try stride(from: 0, to: cells.count, by: piece).flatMap { start in
                try effects(of: cells[start..<min(start + piece, cells.count)].map { Alternative([$0]) })
            }
        }
    }

    private func effects(of alternatives: [Alternative]) throws -> [Double] {
        guard measure.metric != .logitDifference else {
            let logits = try trace.replay(alternatives, logits: .lastOf([pair.answer, pair.other])).logits
            let difference = try logits.selected(1, 0) - logits.selected(1, 1)
            try difference.requireFinite("the scores under a patch")
            return try difference.elements(as: Double.self).map { ($0 - start) / span }
        }
        let patched = try trace.replay(alternatives).logits.logSoftmax()
        try patched.requireFinite("the scores under a patch")
        let unpatched = try trace.logits.logSoftmax()
        switch measure.metric {
        case .probability, .logitDifference:
            return try (patched.exp() - unpatched.exp()).selected(1, pair.answer).elements()
        case .divergence:
            return try (unpatched.exp() * (unpatched - patched)).sum([1]).elements(as: Double.self).map { max(0, $0) }
        case .rank:
            let before = try rank(unpatched)[0]
            return try rank(patched).map { before - $0 }
        }
    }

    /// The rank of the answer in each row of scores.
    private func rank(_ scores: Tensor) throws -> [Double] {
        let own = try scores.narrowed(1, pair.answer..<pair.answer + 1)
        return try (own .< scores).to(.float32).sum([1]).elements()
    }
}
