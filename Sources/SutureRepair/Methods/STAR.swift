import SutureModels
import SutureTensor

/// Semantic Targeting for Analytical Repair (arXiv 2503.12899): the gradient says which way each weight moves, a
/// least-squares solution how far.
///
/// The steer of a wrong token is s = (s_t - s_a) / IQR, the difference of the target's and the rival's latent vectors
/// (``SemanticBasis``) by its interquartile range; that of a right token is 0. With the steers S `[T, d]` and the keys
/// Z `[T, m]` of a layer where the answers' tokens are written, the prior
///
///     Delta^T = S^T (Z D Z^T)^+ Z D,   D = 1 / (E[k^2] + 1e-3 mean E[k^2])
///
/// is the smallest change of the output projection (in the metric of D) that writes the steers. Each epoch moves every
/// weight of the chosen layers by `rate` |Delta| against the sign of its gradient of the answers' cross-entropy, then
/// keys, priors and gradients are taken anew.
///
/// The layers are those whose MLP the first wrong token can least do without: where its output is replaced by its
/// input, the cross-entropy is largest.
///
/// Differs from the authors' code: keys are the input of the output projection where tokens are predicted, layers keep
/// their own priors, and weights without gradient stay.
public struct STAR: JointRepairMethod {
    public let name = "star"
    public var needsMargin: Bool { true }
    /// How far weights move, relative to the prior.
    public var rate = 0.01
    public var epochs = 8
    /// The share of layers that are changed.
    public var share = 0.25

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("rate", "how far weights move, relative to the prior", 0...100, \.rate),
        .init("epochs", "how often keys, priors and gradients are taken", 1...10_000, \.epochs),
        .init("share", "the share of layers that are changed", 0...1, \.share)
    ]

    /// What steps are made of, and how active neurons are on reference texts.
    public struct Preparation: Sendable {
        let basis: SemanticBasis
        let energies: KeyEnergies
    }

    /// Reads how active neurons are on the reference texts.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        Preparation(basis: try SemanticBasis(material.model), energies: try KeyEnergies(material))
    }

    /// Moves the weights of a share of the layers.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal {
        let model = asked[0].model
        let layers = try criticalLayers(asked[0])
        let runs = try asked.map { try $0.changing(layers) }
        let spared = try SparedKeys(kept, on: model, layers: layers)
        let steers = try Tensor.concatenated(runs.map { try Self.steers($0, preparation.basis) }, 0)
        var change = WeightChange()
        for _ in 0..<epochs {
            let pass = try GradientPass(runs, change, layers: layers)
            var next: [MatrixDelta] = []
            for layer in layers {
                guard let keys = pass.keys[layer], let gradient = pass.gradients[layer] else { continue }
                let prior = try Self.prior(steers, keys, try preparation.energies.preconditioner(layer))
                var step = try prior.abs() * gradient.sign() * -rate
                step = try spared.removed(from: step, layer: layer)
                next.append(MatrixDelta(layer: layer, .dense(step)))
            }
            change = try change.adding(WeightChange(matrices: next))
        }
        let proposal = Proposal(change: change, steps: epochs)
        guard runs.count == 1, !(try runs[0].gaps(change).wrong.isEmpty) else { return proposal }
        return proposal.abandoning("\(epochs) epochs did not bring the answer out")
    }

    /// The smallest change `[d, m]`, in the metric of D, that writes `steers` `[T, d]` where `keys` `[T, m]` are read.
    static func prior(_ steers: Tensor, _ keys: Tensor, _ preconditioner: Tensor) throws -> Tensor {
        let weighted = try keys.to(.float64) * preconditioner
        let coefficients = try steers.to(.float64).leastSquares(weighted.matmul(keys.to(.float64).transposed()))
        return try coefficients.transposed().matmul(weighted).to(.float32)
    }

    /// A row `[d]` for each token of an answer: where it is wrong, the way to the target in units of its spread.
    private static func steers(_ run: TeacherForcedRun, _ basis: SemanticBasis) throws -> Tensor {
        let gaps = try run.gaps()
        let answer = run.failure.answer
        let wrong = Set(gaps.wrong)
        return try Tensor.stacked(
            answer.indices.map { place in
                let difference = try basis.difference(answer[place], gaps.rivals[place])
                guard wrong.contains(place) else { return try difference * 0 }
                return try difference / (spread(of: difference) + 1e-8)
            })
    }

    /// The distance between the quartiles of a vector's elements, interpolated between neighbours.
    private static func spread(of vector: Tensor) throws -> Double {
        let values = try vector.elements(as: Double.self).sorted()
        func quantile(_ share: Double) -> Double {
            let place = share * Double(values.count - 1)
            let low = Int(place)
            let high = min(low + 1, values.count - 1)
            return values[low] + (values[high] - values[low]) * (place - Double(low))
        }
        return quantile(0.75) - quantile(0.25)
    }

    /// The layers whose MLP the first wrong token can least do without, ascending.
    private func criticalLayers(_ asked: TeacherForcedRun) throws -> [Int] {
        let (failure, whole) = (asked.failure, asked.trace)
        let depth = asked.model.architecture.layers
        let place = try whole.scores(failure).wrong(failure.answer).first ?? 0
        let trace = try whole.prefix(failure.prompt.count + place)
        let without = try (0..<depth).map { layer in
            Alternative([Intervention(.mlpOut(layer), .replace(try trace.mlpInput(layer)))])
        }
        var losses: [Float] = []
        for start in stride(from: 0, to: depth, by: 8) {
            let scores = try trace.replay(Array(without[start..<min(start + 8, depth)])).logits.logSoftmax()
            losses += try (-scores.selected(1, failure.answer[place])).floats()
        }
        let count = max(1, Int((share * Double(depth)).rounded()))
        return losses.indices.sorted { losses[$0] > losses[$1] }.prefix(count).sorted()
    }
}
