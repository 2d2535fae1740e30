import SutureModels
import SutureTensor

/// MINT's repair of one token: which neurons are moved, in which order.
struct MINTSearch {
    let candidates: [Neuron]
    private let method: MINT
    private let trace: Trace
    private let target: Int
    private let traction: Tensor

    init(_ method: MINT, _ trace: Trace, target: Int, basis: SemanticBasis, layers: Range<Int>) throws {
        self.method = method
        self.trace = trace
        self.target = target
        let scores = try Attribution.gradientTimesActivation(trace, target: target, layers: layers)
        let width = trace.model.architecture.hiddenWidth
        candidates = try scores.reshaped([-1]).top(method.pool).indices.ints().map {
            Neuron(layer: layers.lowerBound + $0 / width, index: $0 % width)
        }
        let difference = try basis.difference(target, Int(trace.logits.squeezed(0).argmax().item()))
        traction = try difference / (difference.max() - difference.min())
    }

    /// The steps in order and the edits they add up to; nil if they were not enough.
    func run() throws -> (order: [Neuron], edits: [NeuronEdit])? {
        var order: [Neuron] = []
        var counts: [Neuron: Int] = [:]
        var state = try Outcome(trace.logits.squeezed(0), target)
        var trials = try outcomes(of: Array(candidates.indices), counts).map { Trial(turn: 0, before: state, after: $0) }
        while order.count < method.maximumSteps {
            let best = try bestTrial(turn: order.count, from: state, counts, &trials)
            counts[candidates[best], default: 0] += 1
            order.append(candidates[best])
            state = trials[best].after
            if state.top == target { return (order, try edits(counts)) }
        }
        return nil
    }

    /// The candidate after whose next step P(rival) - P(target) is smallest.
    ///
    /// A step is small, so what one more of it does has hardly changed at the next turn, and all effects grow and fade
    /// together, by the slope of the softmax. So candidates are tried again in the order of what they did when last
    /// tried, until the next could not win even by `slack` times the most that any effect has grown by since.
    private func bestTrial(turn: Int, from state: Outcome, _ counts: [Neuron: Int], _ trials: inout [Trial]) throws
        -> Int
    {
        let slack = 1.5
        let promises = try trials.map { try $0.gain(state.top) }
        var best: (index: Int, gain: Double)?
        var growth = 1.0
        for index in promises.indices.sorted(by: { (promises[$1], $0) < (promises[$0], $1) }) {
            if let best, best.gain > 0, promises[index] * growth * slack < best.gain { break }
            if trials[index].turn < turn {
                trials[index] = Trial(turn: turn, before: state, after: try outcomes(of: [index], counts)[0])
            }
            let gain = try trials[index].gain(state.top)
            if promises[index] > 0 { growth = max(growth, gain / promises[index]) }
            if best.map({ gain > $0.gain }) ?? true { best = (index, gain) }
        }
        return best?.index ?? 0
    }

    /// What the model says after one more step on each of some candidates.
    private func outcomes(of indices: [Int], _ counts: [Neuron: Int]) throws -> [Outcome] {
        let alternatives = try indices.map {
            Alternative(edits: try edits(counts.merging([candidates[$0]: 1], uniquingKeysWith: +)))
        }
        let logits = try trace.replay(alternatives).logits
        return try indices.indices.map { try Outcome(logits.selected(0, $0), target) }
    }

    /// w after n steps is tau + (w0 - tau) (1 + f)^-n, so its change is (tau - w0) (1 - (1 + f)^-n).
    private func edits(_ counts: [Neuron: Int]) throws -> [NeuronEdit] {
        try counts.map { neuron, steps in
            var shrink = 1.0
            for _ in 0..<steps { shrink /= 1 + method.factor }
            return NeuronEdit(neuron, delta: try (traction - trace.model.writeVector(neuron)) * (1 - shrink))
        }
    }

    /// What the model says of the next token.
    private struct Outcome {
        let probabilities: Tensor
        let target: Double
        let top: Int

        init(_ logits: Tensor, _ target: Int) throws {
            probabilities = try logits.softmax()
            self.target = try probabilities.selected(0, target).item()
            top = Int(try logits.argmax().item())
        }

        /// P(rival) - P(target)
        func gap(_ rival: Int) throws -> Double { try probabilities.selected(0, rival).item() - target }
    }

    /// What a step on a candidate did when it was last tried.
    private struct Trial {
        let turn: Int
        let before: Outcome
        let after: Outcome

        /// By how much it narrowed the gap to a rival.
        func gain(_ rival: Int) throws -> Double { try before.gap(rival) - after.gap(rival) }
    }
}
