import SutureModels
import SutureTensor

/// Low-rank adaptation (arXiv 2106.09685) of every output projection: AdamW on the factors of alpha / r B A.
///
/// A starts uniform in +-1 / sqrt(m), drawn from `seed`, and B at 0. Minimizes the mean cross-entropy of the answers'
/// tokens.
public struct LoRA: JointRepairMethod {
    public let name = "lora"
    public var rank = 8
    public var alpha = 16.0
    public var rate = 3e-4
    public var steps = 10
    /// How much all factors shrink in a step, relative to the rate.
    public var decay = 0.01
    public var seed: UInt64 = 0

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("rank", "the rank of the factors", 1...100_000, \.rank),
        .init("alpha", "the scale of the factors, times the rank", 0...1e6, \.alpha),
        .init("rate", "the learning rate", 0...100, \.rate),
        .init("steps", "how many steps are taken", 1...100_000, \.steps),
        .init("decay", "how much all factors shrink in a step, relative to the rate", 0...1000, \.decay),
        .init("seed", "the random seed of the factors", 0...1_000_000_000, \.wholeSeed)
    ]

    /// The seed as a setting.
    private var wholeSeed: Int {
        get { Int(truncatingIfNeeded: seed) }
        set { seed = UInt64(newValue) }
    }

    /// Trains the factors of all layers.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Void
    ) throws -> Proposal {
        let model = asked[0].model
        let (width, hidden) = (model.architecture.width, model.architecture.hiddenWidth)
        let layers = 0..<model.architecture.layers
        let runs = try asked.map { try $0.changing([0]) }
        let spared = try SparedKeys(kept, on: model, layers: Array(layers))
        let random = try RandomSource(seed: seed)
        let bound = 1 / Double(hidden).squareRoot()
        let factors = try layers.map { _ in try (random.uniform([rank, hidden]) * 2 - 1) * bound }
        let start = try factors.flatMap { a in
            [try Tensor.zeros([width, rank], device: model.device), try a.to(model.device)]
        }
        func change(_ factors: [Tensor]) throws -> WeightChange {
            WeightChange(
                matrices: try layers.map { layer in
                    let read = try spared.removed(from: factors[2 * layer + 1], layer: layer)
                    let write = try factors[2 * layer] * (alpha / Double(rank))
                    return MatrixDelta(layer: layer, .lowRank(write: write, read: read))
                })
        }
        let optimizer = try Optimizer(start, .adam(rate: rate))
        for _ in 0..<steps {
            try optimizer.move { try $0 * (1 - rate * decay) }
            try optimizer.step { try runs.crossEntropy(change($0)) }
        }
        let proposal = Proposal(
            change: try change(optimizer.parameters.map { try $0.detached().copied() }), steps: steps)
        return try proposal.checked(
            runs.map(\.failure), on: model, otherwise: "\(steps) steps of training did not bring the answer out")
    }
}

extension [TeacherForcedRun] {
    /// The mean cross-entropy of all answers' tokens under a change; gradients flow to what the change is made of.
    func crossEntropy(_ change: WeightChange) throws -> Tensor {
        try crossEntropy { _ in Alternative(change: change) }
    }

    /// The same under an alternative of each run, by its index.
    func crossEntropy(_ alternative: (Int) throws -> Alternative) throws -> Tensor {
        let tokens = Double(reduce(0) { $0 + $1.failure.answer.count })
        let losses = try enumerated().map { index, run in
            let model = run.trace.model
            let last = Site.residual(model.architecture.layers)
            let replay = try run.trace.replay([alternative(index)], capturing: [last], logits: .none)
            // A replay may begin behind the prompt's first tokens; the answer's are its last.
            let stream = try replay[last].squeezed(0)
            let (end, count) = (stream.shape[0], run.failure.answer.count)
            let residual = try stream.narrowed(0, end - count..<end)
            let targets = try Tensor(run.failure.answer, device: model.device)
            return try model.logits(ofResidual: residual).crossEntropy(targets)
                * (Double(run.failure.answer.count) / tokens)
        }
        return try Tensor.stacked(losses).sum()
    }
}
