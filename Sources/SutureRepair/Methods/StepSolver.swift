import SutureModels
import SutureTensor

/// Brings answers out by steps along what neurons write, sized by the gap and corrected by replay.
///
/// With c the contrast of target and best other token as the head reads it, r the last norm's scale,
/// g the gap in logits and k the neuron's activation where the token is written, adding
///
///     (g + margin) r / k * d*,   d* = G^-1 c / (c . G^-1 c)
///
/// to the neuron's write vector closes the gap by the direct path. What later layers make of it is
/// measured by replay, and the step corrected until the margin holds. Where they work against it, c / r
/// is the gradient of the contrast through them instead (Newton's method). All tokens of all answers
/// are solved for together. Which neuron serves a token is the caller's choice.
struct StepSolver {
    let runs: [TeacherForcedRun]
    let basis: SemanticBasis
    /// How far, in logits, the target should lie above every other token.
    var margin: Double
    /// How much further for each logit that it lay below them.
    var reserve = 0.0
    /// How often a step may be corrected.
    let rounds: Int
    /// Whether steps are sized by what they do through the layers above, too: a gradient for each token, where the direct
    /// path alone costs nothing and is nearly always enough.
    var throughLayers = false

    /// One neuron and how it changes, and the token that it was taken for.
    struct Repair {
        let place: Proposal.Place
        var edit: NeuronEdit
        /// The neuron's activation where each token of each answer is written, with the edit.
        let activations: [[Double]]
        /// How far, in logits, this token should lie above every other one.
        var margin = 0.0
    }
    private(set) var repairs: [Repair] = []
    /// How often a neuron was changed.
    private(set) var steps = 0

    init(_ runs: [TeacherForcedRun], _ basis: SemanticBasis, margin: Double, rounds: Int) {
        self.runs = runs
        self.basis = basis
        self.margin = margin
        self.rounds = rounds
    }

    /// What the neurons found so far add up to.
    var change: WeightChange { WeightChange(neurons: repairs.map(\.edit)) }

    /// The same as a proposal.
    var proposal: Proposal {
        Proposal(
            change: change, steps: steps,
            places: Dictionary(repairs.map { ($0.edit.neuron, [$0.place]) }) { $1 })
    }

    /// Whether all answers come out right with the neurons that `choose` gives for their wrong tokens, from scratch.
    mutating func converges(
        choosing choose: (_ place: Proposal.Place, _ rival: Int, _ taken: Set<Neuron>) throws -> Repair
    ) throws -> Bool {
        repairs = []
        /// The repairs with which all answers are right and the most of every margin is reached.
        var best: (repairs: [Repair], reached: Double)?
        for round in 0...rounds {
            let gaps = try runs.map { try $0.gaps(change) }
            let wrong = gaps.indices.flatMap { failure in
                gaps[failure].wrong.map { Proposal.Place(failure: failure, token: $0) }
            }
            guard gaps.allSatisfy({ $0.gaps.allSatisfy(\.isFinite) }) else { break }
            if wrong.isEmpty {
                let reached = repairs.map { -gaps[$0.place.failure].gaps[$0.place.token] / $0.margin }.min() ?? 1
                if reached > best?.reached ?? -.infinity { best = (repairs, reached) }
                if reached >= 0.9 { return true }
            }
            if round == rounds { break }
            for place in wrong where !repairs.contains(where: { $0.place == place }) {
                let rival = gaps[place.failure].rivals[place.token]
                var repair = try choose(place, rival, Set(repairs.map(\.edit.neuron)))
                repair.margin = margin + reserve * gaps[place.failure].gaps[place.token]
                repairs.append(repair)
            }
            guard try step(gaps) else { break }
        }
        // A margin out of reach, where the last corrections may only bring up other tokens, does not make a right answer wrong.
        guard let best else { return false }
        repairs = best.repairs
        return true
    }

    /// The direction that raises the target at a place above a rival.
    func direction(for place: Proposal.Place, rival: Int) throws -> Tensor {
        try basis.lift(basis.contrast(runs[place.failure].failure.answer[place.token], rival))
    }

    /// Sizes all steps together: with c the slope of the contrast at place s, neuron u raises it by
    /// sum over positions p of k_u(p) (c_p . d_u) for each unit of its step along d_u, and every repaired place
    /// should come to lie at the margin. False where that has no finite solution.
    private mutating func step(_ gaps: [AnswerGaps]) throws -> Bool {
        let slopes = try repairs.map { repair in
            let (failure, token) = (repair.place.failure, repair.place.token)
            return try throughLayers
                ? slope(of: repair, above: gaps[failure].rivals[token])
                : directSlope(of: repair, above: gaps[failure].rivals[token], scale: gaps[failure].scales[token])
        }
        let directions = try zip(repairs, slopes).map { try basis.lift($1.selected(0, $0.place.token)) }
        let steps = try Tensor.stacked(directions).transposed()
        let count = repairs.count
        var matrix: [Double] = []
        var needs: [Double] = []
        for (target, slope) in zip(repairs, slopes) {
            let (failure, token) = (target.place.failure, target.place.token)
            let raised = try slope.matmul(steps).elements(as: Double.self)
            for (column, source) in repairs.enumerated() {
                let activations = source.activations[failure]
                matrix.append(activations.indices.reduce(0) { $0 + activations[$1] * raised[$1 * count + column] })
            }
            needs.append(gaps[failure].gaps[token] + target.margin)
        }
        // No direction raises a token above one that the head reads alike.
        guard (matrix + needs).allSatisfy(\.isFinite) else { return false }
        let sizes = try Tensor(needs, shape: [count, 1]).leastSquares(Tensor(matrix, shape: [count, count])).elements(
            as: Double.self)
        for index in repairs.indices {
            repairs[index].edit.delta = try repairs[index].edit.delta + directions[index] * sizes[index]
        }
        self.steps += count
        return true
    }

    /// How a token's logit less its rival's grows by the direct path with what is written in each of the answer's places,
    /// `[answer, d]`: only with what is written in its own.
    private func directSlope(of repair: Repair, above rival: Int, scale: Double) throws -> Tensor {
        let (answer, token) = (runs[repair.place.failure].failure.answer, repair.place.token)
        let own = try basis.contrast(answer[token], rival) / scale
        return try Tensor.zeros([answer.count, own.count], device: own.device).adding(
            0, at: Tensor([token], device: own.device), own.unsqueezed(0))
    }

    /// The same by all paths, with the present changes: the gradient by what the neuron's layer writes.
    private func slope(of repair: Repair, above rival: Int) throws -> Tensor {
        let run = runs[repair.place.failure]
        let (model, places, token) = (run.trace.model, run.failure.places, repair.place.token)
        let last = Site.residual(model.architecture.layers)
        let leaf = try Tensor.zeros([1, run.trace.length, model.architecture.width], device: model.device).tracked()
        let probe = Intervention(.mlpOut(repair.edit.neuron.layer), .add(leaf))
        let residual = try run.trace.replay([Alternative([probe], change: change)], capturing: [last], logits: .none)[
            last]
        let own = try residual.squeezed(0).selected(0, places.lowerBound + token)
        let contrast = try basis.contrast(run.failure.answer[token], rival)
        let logits = try (own * contrast).sum() / model.finalScale(own).sum()
        return try logits.gradients(of: [leaf])[0].squeezed(0).narrowed(0, places)
    }
}
