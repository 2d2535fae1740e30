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
    public init(_ material: RepairMaterial, _ basis: SemanticBasis, layer: Int) throws {
        let model = material.model
        let (width, hidden) = (model.architecture.width, model.architecture.hiddenWidth)
        func make() throws -> [Tensor] { try Self.read(material, layer: layer) }
        let tensors =
            try material.cache?.tensors(
                "what layer \(layer) reads", of: material.texts,
                ["moment": [width, width], "mean": [width], "peak": [hidden]],
                make: make) ?? make()
        self.layer = layer
        moment = try tensors[0].to(model.device)
        mean = try tensors[1].to(model.device)
        peak = try tensors[2].to(.float32).to(model.device)
        energy = try basis.energy(of: model.writeVectors(layer: layer))
    }

    /// Moment, mean and peak, added up text by text.
    private static func read(_ material: RepairMaterial, layer: Int) throws -> [Tensor] {
        let (model, texts) = (material.model, material.texts)
        let (width, hidden) = (model.architecture.width, model.architecture.hiddenWidth)
        var moment = try Tensor.zeros([width, width], dtype: .float64, device: model.device)
        var sum = try Tensor.zeros([width], dtype: .float64, device: model.device)
        var peak = try Tensor.zeros([hidden], device: model.device)
        var (count, done) = (0, 0)
        let batchSize = 8
        let sorted = texts.filter { !$0.isEmpty }.sorted { $0.count < $1.count }
        let batches = stride(from: 0, to: sorted.count, by: batchSize).map {
            Array(sorted[$0..<min($0 + batchSize, sorted.count)])
        }
        try Tensor.withoutGradients {
            try model.mlpReadings(layer, of: batches) { batch, input, hidden in
                for (row, tokens) in batches[batch].enumerated() {
                    func part(_ value: Tensor) throws -> Tensor {
                        try value.selected(0, row).narrowed(0, 0..<tokens.count)
                    }
                    let inputs = try part(input).to(.float64)
                    moment = try moment + inputs.transposed().matmul(inputs)
                    sum = try sum + inputs.sum([0])
                    peak = try peak.maximum(part(hidden).square().max([0]))
                    count += tokens.count
                }
                done += batches[batch].count
                material.progress("reading reference texts", done, sorted.count)
            }
        }
        guard count > 0 else { throw RepairError(.badRequest, "there are no reference texts") }
        return [try moment / Double(count), try sum / Double(count), try peak.to(.float64)]
    }
}
