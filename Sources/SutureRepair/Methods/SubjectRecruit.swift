import Foundation
import SutureModels
import SutureTensor

/// One idle neuron of an early layer listens to the subject of a failure, for an answer of any length.
///
/// What a model knows of a subject is added to the stream at the subject's last token by MLPs of early layers, and is read
/// from there by whatever asks for it (Meng et al., arXiv 2202.05262). So the neuron's key (`SelectiveKey`) answers 1 at the
/// subject's last token, behind several openings, and as little as can be on reference texts, at the other tokens of the
/// prompt, and where other names stand in the subject's place. Other wordings that name the subject get the answer, too,
/// and other subjects do not. What it writes there is found by ``OddsSearch``.
///
/// A failure that names no subject is not repaired.
public struct SubjectRecruit: JointRepairMethod {
    public let name = "subject"
    /// How similar a subject must be, between 0 and 1: a name has many that are like it.
    public var identity = 0.6
    /// How sharply both sides of that are told apart.
    public var sharpness = 30.0
    /// The first layer in which subjects are looked up; nil for the one at 4/15 of the depth.
    public var layer: Int?
    /// Behind how many beginnings of reference texts what is said of a subject has to hold.
    public var openings = 1
    /// The share of a layer's neurons, the least active ones, from which one is sampled.
    public var spread = 0.08
    public var search = OddsSearch()

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] =
        [
            .init("identity", "how similar a subject must be, 0 to 1", 0...0.99, \.identity),
            .init("sharpness", "how sharply both sides of that are told apart", 0.01...10_000, \.sharpness),
            .init("layer", "the first layer in which subjects are looked up", 0...10_000, \.layer),
            .init(
                "openings", "beginnings of reference texts behind which the answer has to hold", 0...1000, \.openings),
            .init("spread", "the share of neurons, the least active ones, from which one is sampled", 0...1, \.spread)
        ] + OddsSearch.settings.map { $0.within(\SubjectRecruit.search) }

    /// What the layers read on reference texts, what stands before the prompt in turn, and the neurons that are left alone.
    public struct Preparation: Sendable {
        let original: LanguageModel
        let layers: SubjectLayers
        let openings: [[Int]]
        let reserved: Set<Neuron>
    }

    /// Layers are read when one is first needed.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        Preparation(
            original: material.model, layers: try SubjectLayers(material, from: layer),
            openings: material.openings(openings), reserved: material.reserved)
    }

    /// Asks for what all layers read in which subjects are looked up.
    public func readStatistics(_ material: RepairMaterial) throws {
        let layers = try SubjectLayers(material, from: layer)
        for layer in layers.all { _ = try layers.reads(layer) }
    }

    /// Gives each answer a neuron, on top of those before it.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal {
        guard asked.allSatisfy({ $0.failure.subject != nil }) else {
            return Proposal().abandoning("it names no subject that a neuron could listen to")
        }
        var proposal = Proposal()
        for (number, asked) in asked.enumerated() {
            // An earlier answer may be about the same subject.
            let run =
                try number == 0
                ? asked : TeacherForcedRun(asked.failure, on: asked.model.applying(proposal.change))
            guard try !run.gaps().wrong.isEmpty else { continue }
            let taken = Set(proposal.change.neurons.map(\.neuron))
            let (edit, steps) = try edit(run, sparing: kept, preparation, without: taken)
            proposal.change = try proposal.change.adding(WeightChange(neurons: [edit]))
            proposal.steps += steps
            proposal.places[edit.neuron] = [.init(failure: number, token: 0)]
        }
        guard try asked.count > 1 || asked[0].gaps(proposal.change).wrong.isEmpty else {
            return proposal.abandoning("the value that was found does not bring the answer out")
        }
        return proposal
    }

    private func edit(
        _ run: TeacherForcedRun, sparing kept: [TokenizedFailure], _ preparation: Preparation,
        without taken: Set<Neuron>
    ) throws -> (edit: NeuronEdit, steps: Int) {
        let (model, failure) = (run.model, run.failure)
        let reserved = preparation.reserved.union(taken)
        let (layer, changed) = try place(of: model, preparation, without: reserved)
        let reads = try preparation.layers.reads(layer)
        let prompt = try run.trace.capturing([.mlpHidden(layer)])[.mlpHidden(layer)].squeezed(0)
        let effect = try prompt.square().max([0]).maximum(reads.peak) * reads.energy
        let neuron = try IdleNeurons(effect, in: layer).draw(spread, without: reserved.union(changed), by: failure)

        let contexts = try EditContexts(
            run, behind: preparation.openings, isRetold: true, capturing: [.residual(layer + 1)], from: layer)
        let inputs = try run.trace.mlpInput(layer).squeezed(0)
        var key = try SelectiveKey(
            to: inputs.selected(0, failure.lookup), apartFrom: reads, threshold: identity, sharpness: sharpness)
        for kept in kept {
            let trace = try model.trace([kept.forced], from: layer)
            try key.spare(kept.lookup..<kept.lookup + 1, of: trace.mlpInput(layer).squeezed(0))
        }
        try key.avoid(restOf: inputs, besides: failure.lookup)
        if let names = try Self.names(run, layer) { try key.avoid(names) }
        try key.hold(contexts.mlpInputs(layer))
        let read = try model.storable(key.read(by: neuron, of: model), of: neuron)
        let found = try search.run(contexts, at: layer)
        return (try NeuronEdit(neuron, of: model, reading: read, writing: found.delta), found.steps)
    }

    /// The first layer of which less than a quarter of the neurons is taken, or else the last one; and its neurons that
    /// earlier repairs have changed.
    private func place(
        of model: LanguageModel, _ preparation: Preparation, without reserved: Set<Neuron>
    ) throws -> (layer: Int, changed: Set<Neuron>) {
        var found = (layer: 0, changed: Set<Neuron>())
        for layer in preparation.layers.all {
            found = (layer, try model.changedNeurons(in: layer, since: preparation.original))
            let count = found.changed.union(reserved).count { $0.layer == layer }
            if 4 * count < model.architecture.hiddenWidth { break }
        }
        return found
    }

    /// What the layer reads at the last token of other names that stand in the subject's place, `[names, d]`.
    private static func names(_ run: TeacherForcedRun, _ layer: Int) throws -> Tensor? {
        guard let subject = run.failure.subject else { return nil }
        let room = run.model.architecture.contextLength - subject.lowerBound
        let fitting = Dictionary(grouping: run.failure.names.filter { !$0.isEmpty && $0.count <= room }, by: \.count)
        guard !fitting.isEmpty else { return nil }
        let rows = try fitting.sorted { $0.key < $1.key }.map { length, names in
            try run.trace.mlpInputs(layer, behind: subject.lowerBound, names).selected(1, length - 1)
        }
        return try Tensor.concatenated(rows, 0)
    }
}

/// The layers in which subjects are looked up, and what they read on reference texts: read when it is first needed.
final class SubjectLayers: @unchecked Sendable {
    /// From the one that is taken first.
    let all: [Int]
    private let material: RepairMaterial
    private let basis: SemanticBasis
    private let lock = NSLock()
    private var known: [Int: ReadStatistics] = [:]

    init(_ material: RepairMaterial, from layer: Int?) throws {
        self.material = RepairMaterial(
            material.model, texts: material.texts, statistics: material.statistics, progress: material.progress)
        basis = try SemanticBasis(material.model)
        let depth = material.model.architecture.layers
        let first = try material.model.editLayer(layer ?? 4 * depth / 15)
        all = Array(first...max(first, depth / 3))
    }

    func reads(_ layer: Int) throws -> ReadStatistics {
        try lock.withLock {
            let reads = try known[layer] ?? ReadStatistics(material, basis, layer: layer)
            known[layer] = reads
            return reads
        }
    }
}
