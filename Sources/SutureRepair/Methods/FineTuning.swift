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

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("layer", "the layer that is changed", 0...10_000, \.layer),
        .init("rate", "the learning rate", 0...100, \.rate),
        .init("steps", "how many steps are taken", 1...100_000, \.steps),
        .init("box", "by how much each weight may move at most", 0...1000, \.box)
    ]

    /// Trains the layer.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Void
    ) throws -> Proposal {
        let model = asked[0].model
        let depth = model.architecture.layers
        let layer = try model.editLayer(layer ?? depth * 21 / 32)
        let runs = try asked.map { try $0.changing([layer]) }
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
            runs.map(\.failure), on: model, otherwise: "\(taken) steps of training did not bring the answer out")
    }
}
