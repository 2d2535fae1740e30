import SutureModels
import SutureTensor

/// What neurons of the last layers do on reference texts, and how much the output would mind.
///
/// Kept for n positions of the texts: the activations k, the scale r of the last norm, and the most
/// likely tokens with their probabilities p. From these the divergence of a rank-one change is
/// predicted without running the model (``cost(of:)``).
public struct ReferenceStatistics: Sendable {
    /// The layers that are covered.
    public let layers: Range<Int>
    /// k^2 `[layers, n, m]`
    private let energy: Tensor
    /// 1/r `[n, 1]`
    private let sharpness: Tensor
    /// p `[n, tops]`, and the tokens `[n x tops]`
    private let probabilities: Tensor
    private let tokens: Tensor
    private let model: LanguageModel
    private let isCentered: Bool

    /// How many likely tokens are kept at each position; they hold nearly all of the probability.
    private static let tops = 64

    /// Texts are read until they have this many positions: all that neurons do there is kept.
    private static let enough = 2048

    /// Runs the model on texts; `covering` is how many of the last layers may be asked for.
    public init(_ material: RepairMaterial, covering count: Int) throws {
        let (model, texts) = (material.model, material.texts)
        let depth = model.architecture.layers
        layers = max(0, depth - count)..<depth
        var energies: [[Tensor]] = layers.map { _ in [] }
        var scales: [Tensor] = []
        var likely: [(Tensor, Tensor)] = []
        let batchSize = 8
        let sites = layers.map(Site.mlpHidden) + [.residual(depth)]
        var taken = 0
        let read = texts.filter { !$0.isEmpty }.prefix { text in
            defer { taken += text.count }
            return taken < Self.enough
        }
        let sorted = read.sorted { $0.count < $1.count }
        for start in stride(from: 0, to: sorted.count, by: batchSize) {
            let batch = Array(sorted[start..<min(start + batchSize, sorted.count)])
            let run = try model.run(batch, capturing: sites)
            for (row, tokens) in batch.enumerated() {
                func part(_ site: Site) throws -> Tensor {
                    try run[site].selected(0, row).narrowed(0, 0..<tokens.count)
                }
                for (index, layer) in layers.enumerated() {
                    energies[index].append(try part(.mlpHidden(layer)).square())
                }
                let residual = try part(.residual(depth))
                scales.append(try model.finalScale(residual).reciprocal())
                let top = try model.logits(ofResidual: residual).softmax().top(
                    min(Self.tops, model.architecture.vocabulary))
                likely.append((top.values, top.indices))
            }
            material.progress("reading reference texts", min(start + batchSize, sorted.count), sorted.count)
        }
        energy = try Tensor.stacked(energies.map { try Tensor.concatenated($0, 0) })
        sharpness = try Tensor.concatenated(scales, 0)
        probabilities = try Tensor.concatenated(likely.map(\.0), 0)
        tokens = try Tensor.concatenated(likely.map(\.1), 0).reshaped([-1])
        self.model = model
        isCentered = model.architecture.norm == .layer
    }

    /// The number of positions n.
    public var count: Int { sharpness.shape[0] }

    /// For every neuron of ``layers``, the mean divergence (nats a position) on the reference texts if it
    /// wrote a unit of `direction` `[d]` more for each unit of activation, `[layers, m]`.
    ///
    /// To second order, KL(before || after) of a change u of the logits is half the variance of u under
    /// the old probabilities; here u = k W (gain * direction) / r, by the direct path to the head.
    public func cost(of direction: Tensor) throws -> Tensor {
        let centered = isCentered ? try direction - direction.mean([0], keepingDims: true) : direction
        let moved = try model.headProducts(with: centered * model.finalGain)
        let changes = try moved.indexSelected(0, at: tokens).reshaped(probabilities.shape) * sharpness
        let mean = try (probabilities * changes).sum([1], keepingDims: true)
        let variance = try (probabilities * (changes - mean).square()).sum([1])
        let weights = try (variance / Double(2 * count)).reshaped([1, 1, count])
        return try weights.expanded([layers.count, 1, count]).matmul(energy).squeezed(1)
    }
}
