import SutureModels
import SutureTensor

/// Model Improvement via Neuron Targeting (arXiv 2312.05356), as published, with token ids end to end.
///
/// For each failing token, left to right: the neurons with the largest gradient times activation are
/// candidates; a step moves a neuron's write vector w towards the traction tau, the range-normalized
/// difference of the target's and the rival's latent vectors: w <- (w + f tau) / (1 + f). Each step
/// goes to the candidate after which P(rival) - P(target) is smallest, until the target is the most
/// likely token.
///
/// The defects of the authors' code are not reproduced: prefixes stay token ids, failing tokens are
/// looked for again after every repair, and an abandoned failure leaves no step behind.
public struct MINT: RepairMethod {
    public let name = "mint"
    /// The patch factor f.
    public var factor = 0.01
    /// How many neurons are candidates.
    public var pool = 10
    /// How many steps a token may take.
    public var maximumSteps = 10

    public init() {}

    public var options: [String: Double] {
        ["factor": factor, "pool": Double(pool), "maximum_steps": Double(maximumSteps)]
    }

    /// Reads what the method needs of the model.
    public func prepare(
        _ model: LanguageModel, texts: [[Int]], reserved: Set<Neuron>, progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> Workshop {
        try Workshop(model)
    }

    /// Moves one neuron after another until the answer is right.
    public func propose(_ failure: TokenizedFailure, in workshop: Workshop, on model: LanguageModel) throws -> Proposal
    {
        var proposal = Proposal()
        var deltas: [Neuron: Tensor] = [:]
        var repaired = 0
        while repaired <= failure.answer.count {
            let patched = deltas.isEmpty ? model : try model.editing(deltas.map { NeuronEdit($0, delta: $1) })
            guard let position = try patched.firstWrongToken(failure) else { break }
            guard repaired < failure.answer.count else {
                return proposal.abandoning("later repairs keep breaking earlier tokens")
            }
            let context = failure.prompt + failure.answer[..<position]
            let search = try Search(
                self, context: context, target: failure.answer[position], basis: workshop.basis, model: patched)
            proposal.candidates += search.candidates
            guard let steps = try search.run() else {
                return proposal.abandoning(
                    "\(maximumSteps) steps did not make token \(position + 1) of the answer the most likely")
            }
            proposal.steps += steps.order
            for (neuron, delta) in steps.deltas {
                deltas[neuron] = try deltas[neuron].map { try $0 + delta } ?? delta
                proposal.places[neuron] = position
            }
            repaired += 1
        }
        proposal.edits = deltas.map { NeuronEdit($0, delta: $1) }
            .sorted { ($0.neuron.layer, $0.neuron.index) < ($1.neuron.layer, $1.neuron.index) }
        return proposal
    }

    /// The repair of one token.
    private struct Search {
        let method: MINT
        let trace: Trace
        let target: Int
        let basis: SemanticBasis
        let candidates: [Neuron]
        private let traction: Tensor
        private let rival: Int

        init(_ method: MINT, context: [Int], target: Int, basis: SemanticBasis, model: LanguageModel) throws {
            let layers = model.architecture.layers
            let focused = layers / 2..<layers
            self.method = method
            self.target = target
            self.basis = basis
            trace = try model.trace([context], capturing: focused.map(Site.mlpHidden))
            let scores = try Attribution.gradientTimesActivation(trace, target: target, layers: focused)
            let width = model.architecture.hiddenWidth
            let best = try scores.reshaped([-1]).top(method.pool).indices.ints()
            candidates = best.map { Neuron(layer: focused.lowerBound + $0 / width, index: $0 % width) }
            rival = Int(try trace.logits.squeezed(0).argmax().item())
            let difference = try basis.difference(target, rival)
            traction = try difference / (difference.max() - difference.min())
        }

        /// w after n steps is tau + (w0 - tau) (1 + f)^-n, so its change is (tau - w0) (1 - (1 + f)^-n).
        private func delta(_ neuron: Neuron, steps: Int) throws -> Tensor {
            var shrink = 1.0
            for _ in 0..<steps { shrink /= 1 + method.factor }
            return try (traction - trace.model.writeVector(neuron)) * (1 - shrink)
        }

        /// The steps in order and the change of each neuron they touched; nil if they were not enough.
        func run() throws -> (order: [Neuron], deltas: [Neuron: Tensor])? {
            var order: [Neuron] = []
            var counts: [Neuron: Int] = [:]
            var rival = rival

            func edits(_ counts: [Neuron: Int]) throws -> [NeuronEdit] {
                try counts.map { NeuronEdit($0, delta: try delta($0, steps: $1)) }
            }

            while order.count < method.maximumSteps {
                let alternatives = try candidates.map { candidate in
                    Alternative(edits: try edits(counts.merging([candidate: 1], uniquingKeysWith: +)))
                }
                let logits = try trace.replay(alternatives).logits
                let probabilities = try logits.softmax()
                var best: (gap: Double, index: Int)?
                for index in candidates.indices {
                    let gap = try Self.gap(probabilities.selected(0, index), rival, target)
                    if best.map({ gap < $0.gap }) ?? true { best = (gap, index) }
                }
                guard let best else { return nil }
                counts[candidates[best.index], default: 0] += 1
                order.append(candidates[best.index])
                rival = Int(try logits.selected(0, best.index).argmax().item())
                if rival == target {
                    return (order, Dictionary(uniqueKeysWithValues: try edits(counts).map { ($0.neuron, $0.delta) }))
                }
            }
            return nil
        }

        private static func gap(_ probabilities: Tensor, _ rival: Int, _ target: Int) throws -> Double {
            try probabilities.selected(0, rival).item() - probabilities.selected(0, target).item()
        }
    }
}

extension Proposal {
    /// The same search, given up: nothing is changed.
    func abandoning(_ reason: String) -> Proposal {
        var proposal = self
        proposal.edits = []
        proposal.abandoned = reason
        return proposal
    }
}
