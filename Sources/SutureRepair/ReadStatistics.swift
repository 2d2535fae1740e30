import SutureModels
import SutureTensor

/// What the MLP of one layer reads on reference texts, and how little its neurons do there.
public struct ReadStatistics: Sendable {
    public let layer: Int
    /// E[x x^T] of the normed stream x that the MLP reads, `[d, d]`, float64.
    let moment: Tensor
    /// E[x], `[d]`, float64.
    let mean: Tensor
    /// max k^2 of each neuron, `[m]`.
    let peak: Tensor
    /// The energy of what each neuron writes (``SemanticBasis/energy(of:)``), `[m]`.
    let energy: Tensor

    /// Reads them from a cache, or runs the model on the texts.
    public init(
        _ model: LanguageModel, _ basis: SemanticBasis, texts: [[Int]], layer: Int, cache: StatisticsCache? = nil,
        progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws {
        let (width, hidden) = (model.architecture.width, model.architecture.hiddenWidth)
        func make() throws -> [Tensor] { try Self.read(model, texts, layer: layer, progress) }
        let tensors =
            try cache?.tensors(
                "what layer \(layer) reads", of: texts, ["moment": [width, width], "mean": [width], "peak": [hidden]],
                make: make) ?? make()
        self.layer = layer
        moment = try tensors[0].to(model.device)
        mean = try tensors[1].to(model.device)
        peak = try tensors[2].to(.float32).to(model.device)
        energy = try basis.energy(of: model.writeVectors(layer: layer))
    }

    /// Moment, mean and peak.
    private static func read(
        _ model: LanguageModel, _ texts: [[Int]], layer: Int, _ progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> [Tensor] {
        let site = Site.mlpHidden(layer)
        var inputs: [Tensor] = []
        var peaks: [Tensor] = []
        let batchSize = 8
        let sorted = texts.filter { !$0.isEmpty }.sorted { $0.count < $1.count }
        for start in stride(from: 0, to: sorted.count, by: batchSize) {
            let batch = Array(sorted[start..<min(start + batchSize, sorted.count)])
            let trace = try model.trace(batch, capturing: [site], from: layer)
            for (row, tokens) in batch.enumerated() {
                func part(_ value: Tensor) throws -> Tensor { try value.selected(0, row).narrowed(0, 0..<tokens.count) }
                inputs.append(try part(trace.mlpInput(layer)))
                peaks.append(try part(trace[site]).square().max([0]))
            }
            progress(min(start + batchSize, sorted.count), sorted.count)
        }
        guard !inputs.isEmpty else { throw RepairError(.badRequest, "there are no reference texts") }
        let all = try Tensor.concatenated(inputs, 0).to(.float64)
        return [
            try all.transposed().matmul(all) / Double(all.shape[0]), try all.mean([0]),
            try Tensor.stacked(peaks).max([0]).to(.float64)
        ]
    }
}
