import SutureModels
import SutureTensor

/// MINT's repair of one token: which neurons are moved, in which order.
struct MINTSearch {
    let candidates: [Neuron]
    private let method: MINT
    private let trace: Trace
    private let target: Int
    private let traction: Tensor

    init(_ method: MINT, _ trace: Trace, target: Int, with preparation: MINT.Preparation, layers: Range<Int>) throws {
        self.method = method
        self.trace = trace
        self.target = target
        let scores = try Attribution.gradientTimesActivation(trace, target: target, layers: layers)
        let width = trace.model.architecture.hiddenWidth
        let ranked = try scores.reshaped([-1]).top(min(method.pool + preparation.reserved.count, scores.count)).indices
        let neurons = try ranked.ints().map { Neuron(layer: layers.lowerBound + $0 / width, index: $0 % width) }
        candidates = Array(neurons.filter { !preparation.reserved.contains($0) }.prefix(method.pool))
        let difference = try preparation.basis.difference(target, Int(trace.logits.squeezed(0).argmax().item()))
        traction = try difference / (difference.max() - difference.min())
    }

    /// The steps in order and the edits they add up to; no edits if the steps were not enough.
    ///
    /// Each step goes to the candidate after which P(rival) - P(target) is smallest, the rival being the most likely
    /// token now. Steps taken become part of the trace, so that every candidate is resumed at its own layer; those that
    /// by their ``MINTForecast`` cannot be best are not simulated again.
    func run() throws -> (order: [Neuron], edits: [NeuronEdit]?) {
        var trace = trace
        var forecast = MINTForecast(candidates: candidates.count)
        var order: [Neuron] = []
        while order.count < method.maximumSteps, !candidates.isEmpty {
            let rival = Int(try trace.logits.squeezed(0).argmax().item())
            let steps = try candidates.map { try step($0, in: trace.model) }
            let (best, logits) = try forecast.best(rival: rival, target: target, logits: trace.logits) { contenders in
                try trace.replay(contenders.map { Alternative(edits: [steps[$0]]) }).logits
            }
            order.append(candidates[best])
            if Int(try logits.argmax().item()) == target { return (order, try edits(order)) }
            guard order.count < method.maximumSteps else { break }
            trace = try trace.applying(WeightChange(neurons: [steps[best]]))
            try forecast.advance(with: best, shrinkingBy: 1 / (1 + method.factor))
        }
        return (order, nil)
    }

    /// One step: w <- (w + f tau) / (1 + f).
    private func step(_ neuron: Neuron, in model: LanguageModel) throws -> NeuronEdit {
        NeuronEdit(neuron, delta: try (traction - model.writeVector(neuron)) * (method.factor / (1 + method.factor)))
    }

    /// w after n steps is tau + (w0 - tau) (1 + f)^-n, so its change is (tau - w0) (1 - (1 + f)^-n).
    private func edits(_ order: [Neuron]) throws -> [NeuronEdit] {
        try Dictionary(grouping: order) { $0 }.map { neuron, steps in
            var shrink = 1.0
            for _ in steps { shrink /= 1 + method.factor }
            return NeuronEdit(neuron, delta: try (traction - trace.model.writeVector(neuron)) * (1 - shrink))
        }
    }
}
