import SutureModels
import SutureTensor

/// One forward and one backward pass of the answers' cross-entropy through the layers above a change.
///
/// Zeros that are added to what MLPs write collect g = dL/d(output) at every position; the gradient of an output
/// projection is then the sum of g k^T, so that no gradient of a weight is carried through the run.
struct GradientPass {
    /// The mean cross-entropy of all tokens of the answers.
    let loss: Double
    /// dL/dW by layer, `[d, m]`.
    let gradients: [Int: Tensor]
    /// The keys where the answers' tokens are written, those of all answers below each other, by layer, `[tokens, m]`.
    let keys: [Int: Tensor]

    init(_ runs: [TeacherForcedRun], _ change: WeightChange, layers: [Int]) throws {
        let tokens = Double(runs.reduce(0) { $0 + $1.failure.answer.count })
        var gradients: [Int: Tensor] = [:]
        var keys: [Int: [Tensor]] = [:]
        var loss = 0.0
        for run in runs {
            let model = run.trace.model
            let last = Site.residual(model.architecture.layers)
            let leaves = try layers.map { _ in
                try Tensor.zeros([1, run.trace.length, model.architecture.width], device: model.device).tracked()
            }
            let probes = zip(layers, leaves).map { Intervention(.mlpOut($0), .add($1)) }
            let replay = try run.trace.replay(
                [Alternative(probes, change: change)], capturing: [last] + layers.map(Site.mlpHidden), logits: .none)
            let residual = try replay[last].squeezed(0).narrowed(0, run.failure.places)
            let targets = try Tensor(run.failure.answer, device: model.device)
            let share = Double(run.failure.answer.count) / tokens
            let part = try model.logits(ofResidual: residual).crossEntropy(targets) * share
            loss += try part.item()
            for (layer, gradient) in zip(layers, try part.gradients(of: leaves)) {
                let hidden = try replay[.mlpHidden(layer)].detached().squeezed(0)
                let own = try gradient.squeezed(0).transposed().matmul(hidden)
                gradients[layer] = try gradients[layer].map { try $0 + own } ?? own
                keys[layer, default: []].append(try hidden.narrowed(0, run.failure.places))
            }
        }
        self.loss = loss
        self.gradients = gradients
        self.keys = try keys.mapValues { try Tensor.concatenated($0, 0) }
    }
}
