import SutureModels
import SutureTensor

/// Brings an answer out by steps along what neurons write, sized by the gap and corrected by replay.
///
/// With c the contrast of target and best other token as the head reads it, r the last norm's scale,
/// g the gap in logits and k the neuron's activation where the token is written, adding
///
///     (g + margin) r / k * d*,   d* = G^-1 c / (c . G^-1 c)
///
/// to the neuron's write vector closes the gap by the direct path. What later layers make of it is
/// measured by replay, and the step corrected until the margin holds. All tokens of an answer are
/// solved for together. Which neuron serves a token is the caller's choice.
struct StepSolver {
    let failure: TokenizedFailure
    let basis: SemanticBasis
    let trace: Trace
    /// How far, in logits, the target should lie above every other token.
    let margin: Double
    /// How often a step may be corrected.
    let rounds: Int

    /// One neuron and how it changes; it was taken for the token at `place` of the answer.
    struct Repair {
        let place: Int
        var edit: NeuronEdit
        /// The neuron's activation where each token of the answer is written, with the edit.
        let activations: [Double]
    }
    private(set) var repairs: [Repair] = []
    /// How often a neuron was changed.
    private(set) var steps = 0

    init(_ failure: TokenizedFailure, _ basis: SemanticBasis, _ trace: Trace, margin: Double, rounds: Int) {
        self.failure = failure
        self.basis = basis
        self.trace = trace
        self.margin = margin
        self.rounds = rounds
    }

    /// What the neurons found so far add up to.
    var change: WeightChange { WeightChange(neurons: repairs.map(\.edit)) }

    /// The same as a proposal.
    var proposal: Proposal {
        Proposal(
            change: change, steps: steps,
            places: Dictionary(repairs.map { ($0.edit.neuron, $0.place) }) { $1 })
    }

    /// Whether the answer comes out right with the neurons that `choose` gives for its wrong tokens, from scratch.
    mutating func converges(choosing choose: (_ place: Int, _ state: State, _ taken: Set<Neuron>) throws -> Repair)
        throws -> Bool
    {
        repairs = []
        for round in 0...rounds {
            let state = try State(self)
            let wrong = state.gaps.indices.filter { state.gaps[$0] >= 0 }
            let isShort = repairs.contains { state.gaps[$0.place] > -0.9 * margin }
            // A margin that is not quite reached in the end does not make a right answer wrong.
            if wrong.isEmpty, !isShort || round == rounds { return true }
            guard round < rounds else { return false }
            for place in wrong where !repairs.contains(where: { $0.place == place }) {
                repairs.append(try choose(place, state, Set(repairs.map(\.edit.neuron))))
            }
            try step(state)
        }
        return false
    }

    /// What the model with the present repairs makes of the answer.
    struct State {
        /// The stream before the last norm where the answer is written, `[answer, d]`.
        let residual: Tensor
        /// The best other token in each place, and how far it lies above the answer's.
        let rivals: [Int]
        let gaps: [Double]
        let scale: Tensor

        init(_ solver: StepSolver) throws {
            let model = solver.trace.model
            let places = solver.failure.places
            let last = Site.residual(model.architecture.layers)
            if solver.repairs.isEmpty {
                residual = try solver.trace[last].squeezed(0).narrowed(0, places)
            } else {
                residual = try solver.trace.replay([Alternative(change: solver.change)], capturing: [last])[last]
                    .squeezed(0).narrowed(0, places)
            }
            scale = try model.finalScale(residual)
            let logits = try model.logits(ofResidual: residual)
            let answer = solver.failure.answer
            let targets = try Tensor(answer, shape: [answer.count, 1], device: model.device)
            let wanted = try logits.taking(1, at: targets)
            // The two best tokens in each place: one of them is not the answer's.
            let top = try logits.top(2)
            let tokens = try top.indices.ints()
            let scores = try top.values.floats()
            let own = try wanted.floats()
            let picks = answer.indices.map { tokens[2 * $0] == answer[$0] ? 2 * $0 + 1 : 2 * $0 }
            rivals = picks.map { tokens[$0] }
            gaps = answer.indices.map { Double(scores[picks[$0]] - own[$0]) }
        }
    }

    /// The direction that raises the target at `place` above its best rival.
    func direction(for place: Int, _ state: State) throws -> Tensor {
        try basis.lift(basis.contrast(failure.answer[place], state.rivals[place]))
    }

    /// Sizes all steps together: neuron u raises the contrast at place s by k_u(s) (c_s . d_u) / r_s for
    /// each unit of its step, and every repaired place should come to lie at the margin.
    private mutating func step(_ state: State) throws {
        let contrasts = try repairs.map { try basis.contrast(failure.answer[$0.place], state.rivals[$0.place]) }
        let directions = try contrasts.map { try basis.lift($0) }
        let scales = try state.scale.squeezed(1).elements(as: Double.self)
        let count = repairs.count
        var matrix: [Double] = []
        for (row, target) in repairs.enumerated() {
            for (column, source) in repairs.enumerated() {
                let overlap = try (contrasts[row] * directions[column]).sum().item()
                matrix.append(source.activations[target.place] * overlap / scales[target.place])
            }
        }
        let needs = repairs.map { state.gaps[$0.place] + margin }
        let sizes = try Tensor(needs, shape: [count, 1]).leastSquares(Tensor(matrix, shape: [count, count])).elements(
            as: Double.self)
        for index in repairs.indices {
            repairs[index].edit.delta = try repairs[index].edit.delta + directions[index] * sizes[index]
            steps += 1
        }
    }
}
