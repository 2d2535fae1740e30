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
/// looked for again after every repair, and an abandoned failure leaves no step behind. Of the code, not of the paper, is
/// the projection of tractions off those of earlier repairs in one run; it is left out.
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

    /// Moves one neuron after another until the answer is right.
    public func propose(_ failure: TokenizedFailure, in workshop: Workshop, on model: LanguageModel) throws -> Proposal
    {
        let focused = model.architecture.layers / 2..<model.architecture.layers
        var trace = try model.trace(
            [failure.led], capturing: focused.map(Site.mlpHidden), from: focused.lowerBound)
        var proposal = Proposal()
        var deltas: [Neuron: Tensor] = [:]
        var repaired = 0
        while let place = try trace.reading(failure).wrong(failure.answer).first {
            guard repaired < failure.answer.count else {
                return proposal.abandoning("later repairs keep breaking earlier tokens")
            }
            let search = try MINTSearch(
                self, trace.prefix(failure.prompt.count + place), target: failure.answer[place],
                in: workshop, layers: focused)
            proposal.candidates += search.candidates
            let (order, edits) = try search.run()
            proposal.order += order
            proposal.steps += order.count
            guard let edits else {
                return proposal.abandoning(
                    "\(maximumSteps) steps did not make token \(place + 1) of the answer the most likely")
            }
            for edit in edits {
                deltas[edit.neuron] = try deltas[edit.neuron].map { try $0 + edit.delta } ?? edit.delta
                proposal.places[edit.neuron] = Proposal.Place(token: place)
            }
            trace = try trace.applying(WeightChange(neurons: edits))
            repaired += 1
        }
        proposal.change.neurons = deltas.map { NeuronEdit($0, delta: $1) }
            .sorted { ($0.neuron.layer, $0.neuron.index) < ($1.neuron.layer, $1.neuron.index) }
        return proposal
    }
}

extension Proposal {
    /// The same search, given up: nothing is changed.
    func abandoning(_ reason: String) -> Proposal {
        var proposal = self
        proposal.change = WeightChange()
        proposal.abandoned = reason
        return proposal
    }
}
