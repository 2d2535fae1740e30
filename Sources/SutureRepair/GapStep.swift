import Foundation
import SutureModels
import SutureTensor

/// The project's own method: one neuron for each wrong token, with a step sized by the gap to close.
///
/// With c the contrast of target and best other token as the head reads it, r the last norm's scale,
/// g the gap in logits and k the neuron's activation where the token is written, adding
///
///     (g + margin) r / k * d*,   d* = G^-1 c / (c . G^-1 c)
///
/// to the neuron's write vector closes the gap by the direct path. What later layers make of it is
/// measured by replay, and the step corrected until the margin holds. The neuron is the one whose step
/// changes the output least: its predicted divergence on reference texts, and on the answer's other
/// tokens, is smallest. All tokens of an answer are solved for together.
public struct GapStep: RepairMethod {
    public let name = "gap"
    /// How far, in logits, the target should lie above every other token.
    public var margin = 1.0
    /// How many of the last layers neurons are taken from.
    ///
    /// What a neuron near the top writes reaches the head by the direct path, which is what a step is sized by.
    public var layers = 4
    /// How often a step may be corrected.
    public var rounds = 6
    /// How many choices of neurons are tried before the failure is given up.
    public var attempts = 3

    public init() {}

    public var options: [String: Double] {
        ["margin": margin, "layers": Double(layers), "rounds": Double(rounds), "attempts": Double(attempts)]
    }

    /// Closes the gaps of an answer's wrong tokens, all together.
    public func propose(_ failure: TokenizedFailure, in workshop: Workshop, on model: LanguageModel) throws -> Proposal {
        guard let statistics = workshop.statistics else {
            throw RepairError(.badRequest, "the method gap needs activations on reference texts")
        }
        var search = try Search(self, failure, workshop.basis, statistics, model)
        return try search.run()
    }

    /// The repair of one answer.
    private struct Search {
        let method: GapStep
        let failure: TokenizedFailure
        let basis: SemanticBasis
        let statistics: ReferenceStatistics
        let model: LanguageModel
        let trace: Trace
        /// The layers neurons come from.
        let layers: Range<Int>
        /// Activations where the answer is written, `[layers, answer, m]`.
        let activations: Tensor

        /// One neuron and what it writes more; it was taken for the token at `place` of the answer.
        struct Repair {
            let place: Int
            let neuron: Neuron
            var delta: Tensor
        }
        var repairs: [Repair] = []
        var steps: [Neuron] = []

        init(
            _ method: GapStep, _ failure: TokenizedFailure, _ basis: SemanticBasis, _ statistics: ReferenceStatistics,
            _ model: LanguageModel
        ) throws {
            let layers = statistics.layers.suffix(method.layers)
            self.method = method
            self.failure = failure
            self.basis = basis
            self.statistics = statistics
            self.model = model
            self.layers = layers
            trace = try model.trace([failure.led], capturing: layers.map(Site.mlpHidden))
            let trace = trace
            activations = try Tensor.stacked(
                layers.map { try trace[.mlpHidden($0)].squeezed(0).narrowed(0, failure.places) })
        }

        /// Neurons that were tried and did not do.
        var refused: Set<Neuron> = []

        mutating func run() throws -> Proposal {
            for _ in 0..<method.attempts {
                if try converges() {
                    return Proposal(
                        edits: repairs.map { NeuronEdit($0.neuron, delta: $0.delta) }, steps: steps,
                        places: Dictionary(repairs.map { ($0.neuron, $0.place) }) { $1 })
                }
                refused.formUnion(repairs.map(\.neuron))
                repairs = []
            }
            return Proposal(steps: steps).abandoning(
                "\(method.attempts) choices of neurons, each corrected \(method.rounds) times, did not bring the answer out")
        }

        /// Whether the answer comes out right with the neurons that are chosen on the way.
        private mutating func converges() throws -> Bool {
            for round in 0...method.rounds {
                let state = try State(self)
                let wrong = state.gaps.indices.filter { state.gaps[$0] >= 0 }
                let isShort = repairs.contains { state.gaps[$0.place] > -0.9 * method.margin }
                // A margin that is not quite reached in the end does not make a right answer wrong.
                if wrong.isEmpty, !isShort || round == method.rounds { return true }
                guard round < method.rounds else { return false }
                for place in wrong where !repairs.contains(where: { $0.place == place }) {
                    let neuron = try choose(for: place, state)
                    repairs.append(
                        Repair(
                            place: place, neuron: neuron,
                            delta: try .zeros([model.architecture.width], device: model.device)))
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

            init(_ search: Search) throws {
                let model = search.model
                let places = search.failure.places
                let last = Site.residual(model.architecture.layers)
                if search.repairs.isEmpty {
                    residual = try search.trace[last].squeezed(0).narrowed(0, places)
                } else {
                    let edits = search.repairs.map { NeuronEdit($0.neuron, delta: $0.delta) }
                    residual = try search.trace.replay([Alternative(edits: edits)], capturing: [last])[last]
                        .squeezed(0).narrowed(0, places)
                }
                scale = try model.finalScale(residual)
                let logits = try model.logits(ofResidual: residual)
                let answer = search.failure.answer
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

        /// The neuron whose step for `place` is predicted to change the output least elsewhere.
        private func choose(for place: Int, _ state: State) throws -> Neuron {
            let direction = try basis.lift(basis.contrast(failure.answer[place], state.rivals[place]))
            let k = try activations.selected(1, place)
            // Divergence for a unit of k * delta on the texts, and logits moved at the answer's other tokens.
            let offset = layers.lowerBound - statistics.layers.lowerBound
            var cost = try statistics.cost(of: direction).narrowed(0, offset..<offset + layers.count)
            if failure.answer.count > 1 {
                let others = failure.answer.indices.filter { $0 != place }
                let elsewhere = try activations.gathered(1, at: others).square().mean([1])
                let unit = try (cost.mean() / activations.square().mean())
                cost = try cost + elsewhere * unit
            }
            cost = try cost / k.square().clamped(to: 1e-12...Double.infinity)
            let taken = refused.union(repairs.map(\.neuron))
            let width = model.architecture.hiddenWidth
            let order = try (-cost).reshaped([-1]).top(taken.count + 1).indices.ints()
            let neurons = order.map { Neuron(layer: layers.lowerBound + $0 / width, index: $0 % width) }
            return neurons.first { !taken.contains($0) } ?? neurons[0]
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
                    let k = try activations.selected(0, source.neuron.layer - layers.lowerBound)
                        .selected(0, target.place).selected(0, source.neuron.index).item()
                    let overlap = try (contrasts[row] * directions[column]).sum().item()
                    matrix.append(k * overlap / scales[target.place])
                }
            }
            let needs = repairs.map { state.gaps[$0.place] + method.margin }
            let sizes = try Tensor(needs, shape: [count, 1]).leastSquares(Tensor(matrix, shape: [count, count])).elements(as: Double.self)
            for index in repairs.indices {
                repairs[index].delta = try repairs[index].delta + directions[index] * sizes[index]
                steps.append(repairs[index].neuron)
            }
        }
    }
}
