import SutureModels
import SutureTensor

/// What each part of a model writes toward an answer at the last token (direct logit attribution, Elhage et al. 2021):
/// its output, scaled by the last norm as in this run, times how the scores read the stream.
///
/// The embedding, all attentions and MLPs, the constant and the interventions add up to ``total``; the heads of a layer,
/// and its neurons, to its attention and its MLP less their biases. Only what is written directly counts, not what later layers make of it.
public struct DirectAttribution: Codable, Sendable {
    /// A neuron and what it writes toward the answer.
    public struct NeuronShare: Codable, Sendable {
        public let neuron: Neuron
        public let effect: Double
    }

    /// The score of the answer, less that of the rival if there is one; before a bound on scores.
    public let total: Double
    /// What stands in the stream before the first layer.
    public let embedding: Double
    /// The biases of the last norm and the head.
    public let constant: Double
    /// What interventions of the model add to the stream or take out of it; nil where there are none.
    public let interventions: Double?
    /// By layer.
    public let attention, mlp: [Double]
    /// Layers x heads; nil where a norm, a factor or an intervention lies between a head and the stream.
    public let heads: [[Double]]?
    /// The strongest neurons of all layers, by size; nil likewise.
    public let neurons: [NeuronShare]?

    /// Runs a prompt once, and keeps so many of the strongest neurons.
    ///
    /// Throws `ModelError` for a prompt or tokens that do not fit the model.
    public init(_ model: LanguageModel, _ prompt: [Int], answer: Int, less other: Int? = nil, strongest: Int = 20)
        throws
    {
        let run = try Tensor.withoutGradients { try model.run([prompt], capturing: Self.sites(model)) }
        try self.init(model, run, answer: answer, less: other, strongest: strongest)
    }

    /// What a run has to capture.
    static func sites(_ model: LanguageModel) -> [Site] {
        let layers = 0..<model.architecture.layers
        return [.residual(0), .residual(layers.count)]
            + layers.flatMap { [Site.heads($0), .attentionOut($0), .mlpHidden($0), .mlpOut($0)] }
    }

    /// The same of a run of one prompt that captured ``sites(_:)``.
    init(_ model: LanguageModel, _ run: Activations, answer: Int, less other: Int?, strongest: Int) throws {
        let layers = 0..<model.architecture.layers
        let width = model.architecture.headWidth
        func last(_ site: Site) throws -> Tensor {
            let value = try run[site]
            return try value.selected(1, value.shape[1] - 1).squeezed(0).to(.float64)
        }
        try run.logits.requireFinite("the scores of the next token")
        let reading = try model.scoreReading(of: answer, less: other)
        let direction = try reading.direction * model.finalScale(of: last(.residual(layers.count)))
        func share(_ site: Site) throws -> Double { try (last(site) * direction).sum().item() }

        constant = reading.constant
        total = try share(.residual(layers.count)) + reading.constant
        embedding = try share(.residual(0))
        attention = try layers.map { try share(.attentionOut($0)) }
        mlp = try layers.map { try share(.mlpOut($0)) }
        let parts = attention.reduce(0, +) + mlp.reduce(0, +) + embedding + constant
        interventions = model.interventions.isEmpty ? nil : total - parts
        let changed = Set(model.interventions.map(\.site))
        /// What each channel of a site writes toward the answer, where nothing changes that on its way.
        func channels(_ site: Site, through out: (Int) -> Site) throws -> [Double]? {
            guard layers.allSatisfy({ !changed.contains(out($0)) }), let writing = try model.writing(site) else {
                return nil
            }
            return try (writing.to(.float64).transposed().matmul(direction.unsqueezed(1)).squeezed(1) * last(site))
                .elements()
        }
        let heads = try layers.compactMap { layer in
            try channels(.heads(layer), through: Site.attentionOut).map { values in
                stride(from: 0, to: values.count, by: width).map { values[$0..<$0 + width].reduce(0, +) }
            }
        }
        let neurons = try layers.flatMap { layer in
            try (channels(.mlpHidden(layer), through: Site.mlpOut) ?? []).enumerated().map {
                NeuronShare(neuron: Neuron(layer: layer, index: $0.offset), effect: $0.element)
            }
        }
        self.heads = heads.isEmpty ? nil : heads
        self.neurons =
            neurons.isEmpty
            ? nil : Array(neurons.sorted { $0.effect.magnitude > $1.effect.magnitude }.prefix(strongest))
    }
}
