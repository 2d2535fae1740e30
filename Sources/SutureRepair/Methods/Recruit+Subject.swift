import Foundation
import SutureModels
import SutureTensor

/// Answers about a subject that is named.
///
/// What a model knows of a subject is added to the stream at the subject's last token by MLPs of early layers, and is read
/// from there by whatever asks for it (Meng et al., arXiv 2202.05262). So a neuron of such a layer listens to the subject:
/// its key answers 1 at the subject's last token, behind several openings, and as little as can be on reference texts, at
/// the other tokens of the prompt, and where other names stand in the subject's place. Other wordings that name the subject
/// get the answer, too, and other subjects do not. What it writes there is found by `ValueSearch`, as ROME finds it.
extension Recruit {
    /// A neuron for each answer; nil where that does not bring the only answer out.
    func aboutSubjects(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal? {
        var (change, steps, places) = (WeightChange(), 0, [Neuron: Proposal.Place]())
        for (number, asked) in asked.enumerated() {
            // An earlier answer may be about the same subject.
            let model = try number == 0 ? asked.model : asked.model.applying(change)
            let run = try number == 0 ? asked : TeacherForcedRun(asked.failure, on: model)
            guard try !run.gaps().wrong.isEmpty else { continue }
            let found = try aboutSubject(run, sparing: kept, preparation, without: Set(change.neurons.map(\.neuron)))
            change = try change.adding(WeightChange(neurons: [found.edit]))
            steps += found.steps
            places[found.edit.neuron] = .init(failure: number, token: 0)
        }
        guard try asked.count > 1 || asked[0].gaps(change).wrong.isEmpty else { return nil }
        return Proposal(change: change, steps: steps, places: places)
    }

    private func aboutSubject(
        _ run: TeacherForcedRun, sparing kept: [TokenizedFailure], _ preparation: Preparation,
        without taken: Set<Neuron>
    ) throws -> (edit: NeuronEdit, steps: Int) {
        let (model, failure) = (run.model, run.failure)
        let layers = preparation.subjects
        let reserved = preparation.reserved.union(taken)
        let (layer, changed) = try place(in: layers.all, of: model, preparation, without: reserved)
        let reads = try layers.reads(layer)
        let prompt = try run.trace.capturing([.mlpHidden(layer)])[.mlpHidden(layer)].squeezed(0)
        let effect = try prompt.square().max([0]).maximum(reads.peak) * reads.energy
        let neuron = try idle(effect, in: layer, without: reserved.union(changed), drawnBy: failure)

        let contexts = try EditContexts(run, behind: layers.openings, capturing: [.mlpOut(layer)], from: layer)
        let spared = try kept.map { kept in
            let trace = try model.trace([kept.forced], from: layer)
            return (inputs: try trace.mlpInput(layer).squeezed(0), places: kept.lookup..<kept.lookup + 1)
        }
        // A subject is told from others more sharply than wordings are: a name has many that are like it.
        var sharp = self
        (sharp.sharpness, sharp.likeness) = (3 * sharpness, identity)
        let wanted = try sharp.key(
            for: neuron, position: failure.lookup, run.trace.mlpInput(layer).squeezed(0),
            behind: contexts.mlpInputs(layer), apartFrom: Self.names(run, layer).map { [(rows: $0, weight: 1)] } ?? [],
            sparing: spared, reads, model)
        let read = try model.storable(wanted, of: neuron)
        let old = try model.readVectors(neuron)
        let found = try search.run(contexts, at: .mlpOut(layer))
        let edit = NeuronEdit(
            neuron, delta: try found.delta - model.writeVector(neuron),
            read: try read + NeuronEdit.Read(gate: old.gate.map { try -$0 }, up: -old.up))
        return (edit, found.losses.count)
    }

    /// The first layer of which less than a quarter of the neurons is taken, or else the last one; and its neurons that
    /// earlier repairs have changed.
    private func place(
        in layers: [Int], of model: LanguageModel, _ preparation: Preparation, without reserved: Set<Neuron>
    ) throws -> (layer: Int, changed: Set<Neuron>) {
        var found = (layer: layers[0], changed: Set<Neuron>())
        for layer in layers {
            found = (layer, try changed(in: layer, from: preparation.original, to: model))
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
    let openings: [[Int]]
    /// From the one that is taken first.
    let all: [Int]
    private let model: LanguageModel
    private let texts: [[Int]]
    private let cache: StatisticsCache?
    private let basis: SemanticBasis
    private let lock = NSLock()
    private var known: [Int: ReadStatistics] = [:]

    init(_ material: RepairMaterial, _ basis: SemanticBasis, from layer: Int?, openings count: Int) throws {
        (model, texts, cache) = (material.model, material.texts, material.cache)
        self.basis = basis
        openings = material.openings(count)
        let depth = model.architecture.layers
        let first = try model.editLayer(layer ?? depth / 6)
        all = Array(first...max(first, depth / 3))
    }

    func reads(_ layer: Int) throws -> ReadStatistics {
        try lock.withLock {
            if let ready = known[layer] { return ready }
            let made = try ReadStatistics(RepairMaterial(model, texts: texts, cache: cache), basis, layer: layer)
            known[layer] = made
            return made
        }
    }
}
