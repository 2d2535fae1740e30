import SutureModels
import SutureTensor

/// Knowledge neurons (arXiv 2104.08696): the neurons to which a token's probability is attributed write more of the
/// target and less of the rival.
///
/// Attribution is integrated gradients along the scaling of a layer's whole hidden activation k at the last position,
///
///     attr_j = k_j 1/n sum_i dP(target | a_i k) / dk_j,   a_i = i / (n - 1),   i = 0 ... n - 1
///
/// one layer at a time. Neurons above `threshold` times the largest attribution, over all layers, are edited: with the
/// input embeddings e, w_j += strength (e_target - e_rival). Wrong tokens are edited from left to right. Attribution is
/// taken after the activation function, which for models without gates differs from the authors' code.
public struct KnowledgeNeurons: RepairMethod {
    public let name = "kn"
    /// How many points the integral is a sum of.
    public var points = 20
    /// The least attribution, relative to the largest one.
    public var threshold = 0.2
    public var strength = 2.0

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("points", "how many points the integral is a sum of", 1...10_000, \.points),
        .init("threshold", "the least attribution, relative to the largest one", 0...1, \.threshold),
        .init("strength", "how much of the target is written more", 0...1e6, \.strength)
    ]

    /// The neurons that are left alone.
    public func prepare(_ material: RepairMaterial) -> Set<Neuron> { material.reserved }

    /// Edits the neurons of one wrong token after another.
    public func propose(_ asked: TeacherForcedRun, with reserved: Set<Neuron>) throws -> Proposal {
        let (failure, model) = (asked.failure, asked.model)
        let layers = 0..<model.architecture.layers
        var trace = try asked.changing(layers).trace
        var proposal = Proposal()
        var edited: Set<Int> = []
        while let place = try trace.scores(failure).wrong(failure.answer).first {
            guard edited.insert(place).inserted else {
                return proposal.abandoning("editing knowledge neurons did not make token \(place + 1) the most likely")
            }
            let seen = try trace.prefix(failure.prompt.count + place)
            let target = failure.answer[place]
            let rival = Int(try seen.logits.squeezed(0).argmax().item())
            let scores = try Tensor.stacked(layers.map { try attribution(seen, target: target, layer: $0) })
            let delta = try (model.embedding(target) - model.embedding(rival)) * strength
            let neurons = try chosen(scores).filter { !reserved.contains($0) }
            let change = WeightChange(neurons: neurons.map { NeuronEdit($0, delta: delta) })
            proposal.candidates += neurons
            proposal.order += neurons
            proposal.steps += neurons.count
            for neuron in neurons { proposal.places[neuron] = [Proposal.Place(token: place)] }
            proposal.change = try proposal.change.adding(change)
            trace = try trace.applying(change)
        }
        return proposal
    }

    /// What each neuron of a layer has to do with the target's probability at the last position, `[m]`.
    func attribution(_ trace: Trace, target: Int, layer: Int) throws -> Tensor {
        let hidden = try trace[.mlpHidden(layer)].selected(1, trace.length - 1)
        let shares = try Tensor((0..<points).map { Float($0) / Float(max(1, points - 1)) }, shape: [points, 1])
        let leaf = try (shares.to(hidden.device) * hidden).unsqueezed(1).tracked()
        let change = Intervention(.mlpHidden(layer), at: .last, .replace(leaf))
        let run = try trace.replay(prompts: Array(repeating: 0, count: points), [change])
        let gradient = try run.logits.softmax().selected(1, target).sum().gradients(of: [leaf])[0]
        return try hidden.squeezed(0) * gradient.squeezed(1).mean([0])
    }

    private func chosen(_ attribution: Tensor) throws -> [Neuron] {
        let width = attribution.shape[1]
        let values = try attribution.reshaped([-1]).floats()
        let least = Float(threshold) * (values.max() ?? 0)
        return values.indices.filter { values[$0] > least }.map { Neuron(layer: $0 / width, index: $0 % width) }
    }
}
