import SutureModels
import SutureTensor

/// MINT's repair of one token: which neurons are moved, in which order.
struct MINTSearch {
    let candidates: [Neuron]
    private let method: MINT
    private let trace: Trace
    private let target: Int
    private let traction: Tensor

    init(_ method: MINT, _ trace: Trace, target: Int, in workshop: Workshop, layers: Range<Int>) throws {
        self.method = method
        self.trace = trace
        self.target = target
        let scores = try Attribution.gradientTimesActivation(trace, target: target, layers: layers)
        let width = trace.model.architecture.hiddenWidth
        let ranked = try scores.reshaped([-1]).top(min(method.pool + workshop.reserved.count, scores.count)).indices
        let neurons = try ranked.ints().map { Neuron(layer: layers.lowerBound + $0 / width, index: $0 % width) }
        candidates = Array(neurons.filter { !workshop.reserved.contains($0) }.prefix(method.pool))
        let difference = try workshop.basis.difference(target, Int(trace.logits.squeezed(0).argmax().item()))
        traction = try difference / (difference.max() - difference.min())
    }

    /// The steps in order and the edits they add up to; no edits if the steps were not enough.
    ///
    /// Each step goes to the candidate after which P(rival) - P(target) is smallest, the rival being the most likely
    /// token now. All are tried at every step: what a step does depends on those before it.
    func run() throws -> (order: [Neuron], edits: [NeuronEdit]?) {
        var order: [Neuron] = []
        var counts: [Neuron: Int] = [:]
        var rival = Int(try trace.logits.squeezed(0).argmax().item())
        while order.count < method.maximumSteps, !candidates.isEmpty {
            let alternatives = try candidates.map {
                Alternative(edits: try edits(counts.merging([$0: 1], uniquingKeysWith: +)))
            }
            let logits = try trace.replay(alternatives).logits
            let probabilities = try logits.softmax()
            let gaps = try probabilities.narrowed(1, rival..<rival + 1) - probabilities.narrowed(1, target..<target + 1)
            let best = Int(try (-gaps.squeezed(1)).argmax().item())
            counts[candidates[best], default: 0] += 1
            order.append(candidates[best])
            rival = Int(try logits.selected(0, best).argmax().item())
            if rival == target { return (order, try edits(counts)) }
        }
        return (order, nil)
    }

    /// w after n steps is tau + (w0 - tau) (1 + f)^-n, so its change is (tau - w0) (1 - (1 + f)^-n).
    private func edits(_ counts: [Neuron: Int]) throws -> [NeuronEdit] {
        try counts.map { neuron, steps in
            var shrink = 1.0
            for _ in 0..<steps { shrink /= 1 + method.factor }
            return NeuronEdit(neuron, delta: try (traction - trace.model.writeVector(neuron)) * (1 - shrink))
        }
    }
}
