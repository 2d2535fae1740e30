import SutureModels
import SutureTensor

/// Constrained fine-tuning (Zhu et al., arXiv 2012.00363), the baseline of ROME's authors: Adam on one output
/// projection, whose elements may move by no more than `box` each.
///
/// Minimizes the mean cross-entropy of the answers' tokens. Gradients flow through the layers above the changed one only.
public struct FineTuning: JointRepairMethod {
    public let name = "ft"
    /// The layer that is changed; nil for the share of the depth that EasyEdit takes for Llama 2 (21 of 32).
    public var layer: Int?
    public var rate = 5e-4
    public var steps = 25
    /// By how much each weight may move at most.
    public var box = 5e-4
    /// The loss at which training ends.
    public var enough = 0.01

    public init() {}

    public var options: [String: Double] {
        var options = ["rate": rate, "steps": Double(steps), "box": box]
        if let layer { options["layer"] = Double(layer) }
        return options
    }

    /// Trains the layer.
    public func propose(
        _ failures: [TokenizedFailure], sparing kept: [TokenizedFailure], in workshop: Workshop, on model: LanguageModel
    ) throws -> Proposal {
        let depth = model.architecture.layers
        let layer = try model.editLayer(layer ?? depth * 21 / 32)
        let runs = try failures.map { try LedRun($0, on: model, layers: [layer]) }
        let spared = try SparedKeys(kept, on: model, layers: [layer])
        let shape = [model.architecture.width, model.architecture.hiddenWidth]
        let optimizer = try Optimizer([.zeros(shape, device: model.device)], .adam(rate: rate))
        func change(_ matrix: Tensor) throws -> WeightChange {
            WeightChange(
                matrices: [MatrixDelta(layer: layer, .dense(try spared.removed(from: matrix, layer: layer)))])
        }
        var taken = 0
        while taken < steps {
            taken += 1
            let loss = try optimizer.step { try runs.crossEntropy(change($0[0])) }
            try optimizer.move { try $0.clamped(to: -box...box) }
            if loss < enough { break }
        }
        let proposal = Proposal(change: try change(optimizer.parameters[0].detached().copied()), steps: taken)
        return try proposal.checked(
            failures, on: model, otherwise: "\(taken) steps of training did not bring the answer out")
    }
}
