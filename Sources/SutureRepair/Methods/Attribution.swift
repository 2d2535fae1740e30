import SutureModels
import SutureTensor

/// How much each neuron contributes to a token's probability.
public enum Attribution {
    /// Gradient times activation of P(target) at the last position, for all neurons of `layers`:
    /// the norm over all positions of k dP/dk, `[layers, m]`.
    ///
    /// One pass serves all layers: with g = dP/d(what the MLP writes), dP/dk_j is g . w_j.
    public static func gradientTimesActivation(_ trace: Trace, target: Int, layers: Range<Int>) throws -> Tensor {
        let model = trace.model
        let leaves = try layers.map { _ in
            try Tensor.zeros([1, trace.length, model.architecture.width], device: model.device).tracked()
        }
        let probes = zip(layers, leaves).map { Intervention(.mlpOut($0), .add($1)) }
        let probability = try trace.replay([Alternative(probes)]).logits.softmax().selected(1, target).sum()
        let gradients = try probability.gradients(of: leaves)
        return try Tensor.stacked(
            zip(layers, gradients).map { layer, gradient in
                let sensitivity = try gradient.squeezed(0).matmul(model.writeVectors(layer: layer))
                return try (trace[.mlpHidden(layer)].squeezed(0) * sensitivity).norm(0)
            })
    }
}
