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

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("factor", "the patch factor f", 1e-6...100, \.factor),
        .init("pool", "how many neurons are candidates", 1...100_000, \.pool),
        .init("maximum_steps", "how many steps a token may take", 1...100_000, \.maximumSteps)
    ]

    /// What steps are made of, and the neurons that are left alone.
    public struct Preparation: Sendable {
        let basis: SemanticBasis
        let reserved: Set<Neuron>
    }

    /// Solves for the differences of tokens once.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        Preparation(basis: try SemanticBasis(material.model), reserved: material.reserved)
    }

    /// Moves one neuron after another until the answer is right.
    public func propose(_ asked: TeacherForcedRun, with preparation: Preparation) throws -> Proposal {
        let (failure, model) = (asked.failure, asked.model)
        let focused = model.architecture.layers / 2..<model.architecture.layers
        var trace = try asked.changing(focused).trace
        var proposal = Proposal()
        var deltas: [Neuron: Tensor] = [:]
        var repaired = 0
        while let place = try trace.scores(failure).wrong(failure.answer).first {
            guard repaired < failure.answer.count else {
                return proposal.abandoning("later repairs keep breaking earlier tokens")
            }
            let search = try MINTSearch(
                self, trace.prefix(failure.prompt.count + place), target: failure.answer[place],
                with: preparation, layers: focused)
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
                proposal.places[edit.neuron] = [Proposal.Place(token: place)]
            }
            trace = try trace.applying(WeightChange(neurons: edits))
            repaired += 1
        }
        proposal.change.neurons = deltas.map { NeuronEdit($0, delta: $1) }
            .sorted { ($0.neuron.layer, $0.neuron.index) < ($1.neuron.layer, $1.neuron.index) }
        return proposal
    }
}
