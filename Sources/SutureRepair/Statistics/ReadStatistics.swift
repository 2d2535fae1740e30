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

    /// Reads them where they are kept, or runs the model on the texts.
    public init(_ material: RepairMaterial, _ basis: SemanticBasis, layer: Int) throws {
        let model = material.model
        let (width, hidden) = (model.architecture.width, model.architecture.hiddenWidth)
        let tensors = try material.tensors(
            StatisticsRequest(
                what: "what layer \(layer) reads", texts: material.texts,
                forms: ["moment": [width, width], "mean": [width], "peak": [hidden]],
                sums: Self.sums(material, layer)))
        self.layer = layer
        moment = tensors[0]
        mean = tensors[1]
        peak = try tensors[2].to(.float32)
        energy = try basis.energy(of: model.writeVectors(layer: layer))
    }

    /// Moment, sum and peak, added up text by text, and the number of tokens.
    private static func sums(_ material: RepairMaterial, _ layer: Int) -> StatisticsRequest.Sums {
        let model = material.model
        let sorted = material.texts.filter { !$0.isEmpty }.sorted { $0.count < $1.count }
        let batchSize = 8
        let parts = KeySums.parts(
            stride(from: 0, to: sorted.count, by: batchSize).map {
                Array(sorted[$0..<min($0 + batchSize, sorted.count)])
            })
        return StatisticsRequest.Sums(parts: parts.count) {
            let (width, hidden) = (model.architecture.width, model.architecture.hiddenWidth)
            return [
                try Tensor.zeros([width, width], dtype: .float64, device: model.device),
                try Tensor.zeros([width], dtype: .float64, device: model.device),
                try Tensor.zeros([hidden], device: model.device), try Tensor.zeros([1], dtype: .float64)
            ]
        } add: { part, sums in
            let batches = parts[part]
            var done = parts[..<part].reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } }
            try Tensor.withoutGradients {
                try model.mlpReadings(layer, of: batches) { batch, input, hidden in
                    for (row, tokens) in batches[batch].enumerated() {
                        func part(_ value: Tensor) throws -> Tensor {
                            try value.selected(0, row).narrowed(0, 0..<tokens.count)
                        }
                        let inputs = try part(input).to(.float64)
                        sums[0] = try sums[0] + inputs.transposed().matmul(inputs)
                        sums[1] = try sums[1] + inputs.sum([0])
                        sums[2] = try sums[2].maximum(part(hidden).square().max([0]))
                        sums[3] = try sums[3] + Double(tokens.count)
                    }
                    done += batches[batch].count
                    material.progress("reading reference texts", done, sorted.count)
                }
            }
        } finish: { sums in
            let count = try sums[3].item()
            return [try sums[0] / count, try sums[1] / count, try sums[2].to(.float64)]
        }
    }
}
