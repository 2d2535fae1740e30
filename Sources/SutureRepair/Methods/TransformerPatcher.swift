import SutureModels
import SutureTensor

/// Transformer-Patcher (Huang et al., arXiv 2301.09785), one mistake, one neuron: each wrong token has a neuron of the last
/// MLP that is trained to be active where the token is written and silent on remembered inputs.
///
/// With x what the MLP reads where the token is written, a neuron's pre-activation z = k x + b, its write vector a v
/// (element by element; a begins at `gain`), and z' its pre-activation on what was remembered, Adam minimizes
///
///     NLL(answer) + activity mean_5(exp(-z)) + silence (mean_1000(exp(z' - z + 3)) + mean_1000(exp(z' + 3)))
///
/// where mean_n is the mean of the n largest. k begins at x / |x|^2, so that z = 1, and v at random. After `warmup` steps
/// the answer is looked at every 25, and training ends once it is right.
///
/// What differs from the published form: the neuron replaces the one of its layer that does least on reference texts, in
/// place of a further one; the bias is read along a vector that answers 1 on reference texts, which is also what the other
/// input of a gated MLP reads; the memory is what the layer reads on reference texts, `memory` tokens at most; and the rate is
/// not lowered on the way.
public struct TransformerPatcher: JointRepairMethod {
    public let name = "patcher"
    /// The layer that is changed; nil for the last.
    public var layer: Int?
    public var rate = 0.01
    public var decay = 0.01
    public var steps = 2000
    /// After how many steps the answer is first looked at.
    public var warmup = 100
    /// The weights of both further losses.
    public var activity = 1.0
    public var silence = 5.0
    /// How many tokens of the reference texts are remembered at most.
    public var memory = 40_000
    /// Where a begins.
    public var gain = 10.0
    public var seed = 0

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("layer", "the layer that is changed", 0...10_000, \.layer),
        .init("rate", "the learning rate", 0...100, \.rate),
        .init("decay", "the L2 decay of all that is trained", 0...1000, \.decay),
        .init("steps", "how many steps are taken at most", 1...100_000, \.steps),
        .init("warmup", "after how many steps the answer is first looked at", 1...100_000, \.warmup),
        .init("activity", "the weight of being active where the token is written", 0...1e6, \.activity),
        .init("silence", "the weight of being silent on remembered inputs", 0...1e6, \.silence),
        .init("memory", "how many tokens of the reference texts are remembered at most", 1...10_000_000, \.memory),
        .init("gain", "where the factor of what is written begins", 0...1e6, \.gain),
        .init("seed", "the random seed of what is written", 0...1_000_000_000, \.seed)
    ]

    /// What the layer reads on reference texts, and which of its neurons do least there.
    public struct Preparation: Sendable {
        let original: LanguageModel
        let reads: ReadStatistics
        /// `[n, d]`.
        let remembered: Tensor
        let reserved: Set<Neuron>
    }

    /// Remembers what the layer reads on the reference texts.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        let model = material.model
        let layer = try model.editLayer(layer ?? model.architecture.layers - 1)
        let reads = try ReadStatistics(material, SemanticBasis(model), layer: layer)
        var (rows, count): ([Tensor], Int) = ([], 0)
        let texts = material.texts.filter { !$0.isEmpty }.prefix { text in
            defer { count += text.count }
            return count < memory
        }
        try Tensor.withoutGradients {
            try model.mlpReadings(layer, of: texts.map { [$0] }) { index, input, _ in
                rows.append(try input.squeezed(0).copied())
                material.progress("remembering reference texts", index + 1, texts.count)
            }
        }
        let remembered = try Tensor.concatenated(rows, 0)
        return Preparation(
            original: model, reads: reads,
            remembered: try remembered.narrowed(0, 0..<min(memory, remembered.shape[0])), reserved: material.reserved)
    }

    /// Trains a neuron for each wrong token.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal {
        let (model, layer) = (asked[0].model, preparation.reads.layer)
        let runs = try asked.map { try $0.changing([layer]) }
        let inputs = try runs.map { try $0.trace.mlpInput(layer).squeezed(0).narrowed(0, $0.failure.places) }
        let wrong = try runs.enumerated().flatMap { failure, run in
            try run.gaps().wrong.map { Proposal.Place(failure: failure, token: $0) }
        }
        guard !wrong.isEmpty else { return Proposal() }
        // What earlier repairs are asked is remembered, too.
        let edited = try kept.map {
            try model.trace([$0.forced], from: layer).mlpInput(layer).squeezed(0).narrowed(0, $0.places)
        }
        let idle = try IdleNeurons(preparation.reads.peak * preparation.reads.energy, in: layer)
        var taken = try preparation.reserved.union(model.changedNeurons(in: layer, since: preparation.original))
        let neurons = try wrong.map { place in
            let neuron = try idle.draw(0, without: taken, by: runs[place.failure].failure)
            taken.insert(neuron)
            return neuron
        }
        let patch = try PatcherNeurons(
            neurons, of: model, at: .stacked(wrong.map { try inputs[$0.failure].selected(0, $0.token) }),
            remembering: .concatenated([preparation.remembered] + edited, 0), apartFrom: preparation.reads)
        let optimizer = try Optimizer(patch.start(gain: gain, seed: UInt64(seed)), .adam(rate: rate, decay: decay))
        var count = 0
        while count < steps {
            count += 1
            try optimizer.step { parameters in
                let loss = try patch.loss(parameters, activity: activity, silence: silence)
                return try runs.crossEntropy { index in
                    let written = try patch.written(parameters, where: inputs[index])
                    let places = Array(runs[index].failure.places)
                    let push = Intervention(.mlpOut(layer), at: .at(places), .add(try written.unsqueezed(0)))
                    return Alternative([push])
                } + loss
            }
            guard count >= warmup, (count - warmup) % 25 == 0 else { continue }
            let change = try patch.change(optimizer.parameters)
            if try runs.allSatisfy({ try $0.gaps(change).wrong.isEmpty }) { break }
        }
        var proposal = Proposal(change: try patch.change(optimizer.parameters), steps: count)
        for (neuron, place) in zip(neurons, wrong) { proposal.places[neuron] = [place] }
        return try proposal.checked(
            runs.map(\.failure), on: model, otherwise: "\(count) steps of training did not bring the answer out")
    }
}

/// The neurons that are trained, as functions of the parameters k `[n, d]`, b `[n, 1]`, v and a `[n, d]`.
struct PatcherNeurons {
    private let neurons: [Neuron]
    private let model: LanguageModel
    /// What each is to be active for, `[n, d]`, and what all are to be silent for.
    private let (places, remembered): (Tensor, Tensor)
    /// A vector that answers 1 on reference texts, `[1, d]`: what a bias is read along.
    private let unit: Tensor
    /// What the model itself adds to their products, `[n]`.
    private let (gateBias, upBias): (Tensor, Tensor)

    /// How many of the largest terms of each loss count.
    private static let (active, silent) = (5, 1000)

    init(
        _ neurons: [Neuron], of model: LanguageModel, at places: Tensor, remembering remembered: Tensor,
        apartFrom reads: ReadStatistics
    ) throws {
        (self.neurons, self.model, self.places, self.remembered) = (neurons, model, places, remembered)
        let metric = try reads.moment.ridged(by: 1e-3).cholesky()
        unit = try reads.mean.unsqueezed(1).solved(cholesky: metric).transposed().to(.float32)
        let biases = try neurons.map { try model.readBiases($0) }
        func row(_ values: [Double]) throws -> Tensor { try Tensor(values, device: model.device).to(.float32) }
        (gateBias, upBias) = (try row(biases.map(\.gate)), try row(biases.map(\.up)))
    }

    /// What the model adds to a pre-activation.
    private var bias: Tensor { model.architecture.isGated ? gateBias : upBias }

    func start(gain: Double, seed: UInt64) throws -> [Tensor] {
        // The model's own bias is taken back, as well as can be; the key does the rest.
        let bias = try bias.unsqueezed(1)
        let rest = try bias - bias * places.matmul(unit.transposed())
        let keys = try places * ((-rest + 1) / places.square().sum([1], keepingDims: true))
        let written = try RandomSource(seed: seed).normal(places.shape).to(model.device)
        return [keys, try -bias, written, try .zeros(places.shape, device: model.device) + gain]
    }

    /// The rows by which the neurons read, and which pre-activations come of it for some inputs `[..., d]`.
    private func reading(_ parameters: [Tensor]) throws -> Tensor { try parameters[0] + parameters[1] * unit }
    private func preactivations(_ parameters: [Tensor], _ inputs: Tensor) throws -> Tensor {
        try inputs.linear(reading(parameters)) + bias
    }

    /// The other input of a gated neuron: one that answers 1.
    private func factorRows() throws -> Tensor { try (-upBias + 1).unsqueezed(1) * unit }

    /// What the neurons write where `inputs` `[positions, d]` are read, `[positions, d]`.
    func written(_ parameters: [Tensor], where inputs: Tensor) throws -> Tensor {
        var active = try model.activate(preactivations(parameters, inputs))
        if model.architecture.isGated { active = try active * (inputs.linear(factorRows()) + upBias) }
        return try active.matmul(parameters[2] * parameters[3])
    }

    /// The losses that keep the neurons active at their places and silent on what is remembered.
    func loss(_ parameters: [Tensor], activity: Double, silence: Double) throws -> Tensor {
        func largest(_ count: Int, _ values: Tensor) throws -> Tensor {
            try values.reshaped([-1]).top(min(count, values.count)).values.exp().mean()
        }
        // Each neuron at its own place.
        let own = try (places * reading(parameters)).sum([1]) + bias
        let others = try preactivations(parameters, remembered)
        return try largest(Self.active, -own) * activity
            + (largest(Self.silent, others - own + 3) + largest(Self.silent, others + 3)) * silence
    }

    /// The change of weights.
    func change(_ parameters: [Tensor]) throws -> WeightChange {
        try Tensor.withoutGradients {
            let (reading, factors) = (try reading(parameters), try factorRows())
            let written = try parameters[2] * parameters[3]
            return WeightChange(
                neurons: try neurons.enumerated().map { index, neuron in
                    func row(_ matrix: Tensor) throws -> Tensor { try matrix.selected(0, index).copied() }
                    let isGated = model.architecture.isGated
                    let read = NeuronEdit.Read(
                        gate: isGated ? try row(reading) : nil, up: try row(isGated ? factors : reading))
                    return try NeuronEdit(
                        neuron, of: model, reading: model.storable(read, of: neuron), writing: row(written))
                })
        }
    }
}
