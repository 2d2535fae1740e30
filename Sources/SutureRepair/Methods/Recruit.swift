import SutureModels
import SutureTensor

/// The project's own method: one idle neuron for each wrong token is given a new input and a new output.
///
/// What a neuron reads decides where a repair acts, what it writes decides what it does there. A repair
/// that only changes what is written acts wherever the neuron happens to be active; this one also
/// chooses where. Let x be what the MLP reads where the token is written. The key
///
///     w = C^-1 x / (x . C^-1 x),   C = E_ref[x x^T] + E_prompt[x x^T] + E_else[x x^T] + ridge
///
/// answers 1 there and as little as can be on reference texts, in the rest of the prompt, and where the
/// token is written if beginnings of reference texts stand in the question's place
/// (`TokenizedFailure.question`): the key of a rank-one edit (ROME, arXiv 2202.05262) with
/// counterexamples, which tell what is asked from how it is asked. With u a vector that answers 1 on
/// reference texts and in the prompt, the neuron's gate reads a (w - threshold u) and its other input
/// reads reach u - w, scaled, so that its activation
///
///     act(a (z - threshold)) (reach - z),   z = w . x
///
/// is nearly nothing below the threshold and nearly flat around 1: inputs as similar as another wording
/// of the same request get the whole repair. What it writes is sized by the gap (`StepSolver`). The
/// neuron is one of those of its layer that do least on reference texts and in the prompt; which, is drawn by
/// what is repaired, so that repairs made apart take different ones and add up.
///
/// With `subjects`, where the failure names its subject, the neuron listens to that instead, in an early layer
/// (`SubjectLayers`).
///
/// Behind variants of the prompt (`variants`) the key answers 1 in the mean, C also holds what tells the variants apart
/// and what is read where the answers of the prompt's own examples are written, and a neuron is taken for each token that
/// is wrong behind any of them. What they write is then solved for together (`MarginSolver`).
public struct Recruit: JointRepairMethod {
    public let name = "recruit"
    public var needsMargin: Bool { true }
    /// How far, in logits, the target should lie above every other token, besides what ``reserve`` adds.
    public var margin = 2.0
    /// How much further for each logit that it lay below them: another wording may get only a part of a large step.
    public var reserve = 1.0 / 3
    /// How similar an input must be, between 0 (a text about something else) and 1 (the prompt itself).
    public var threshold = 0.4
    /// a: how sharply the neuron tells both sides of the threshold apart.
    public var sharpness = 20.0
    /// How often a step may be corrected.
    public var rounds = 6
    /// How many beginnings of reference texts stand in for the question.
    public var openings = 8
    /// Behind how many variants of the prompt the answer is to come out, too (`TokenizedFailure.variants`).
    public var variants = 8
    /// How far, in logits, the answer's tokens should then lie above every other one.
    public var hold = 6.0
    /// How similar an input must then be: what variants have in common is told apart more sharply than one prompt.
    public var likeness = 0.7
    /// The share of the layer's neurons, the least active ones, from which one is sampled.
    public var spread = 0.08

    /// Whether a neuron listens to the subject where the failure names one. Not yet the default: it holds for more other
    /// wordings and spoils fewer questions about other subjects, and costs more on unrelated text.
    public var subjects = false
    /// How similar a subject must be.
    public var identity = 0.85
    /// The layer in which subjects are looked up; nil for a sixth of the depth.
    public var subjectLayer: Int?
    /// Behind how many beginnings of reference texts what is said of a subject has to hold.
    public var contexts = 2
    /// How what is written where a subject has been read is found.
    public var search = ValueSearch()

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] =
        [
            .init("margin", "how far above every other token the target should lie, in logits", 0...100, \.margin),
            .init("reserve", "how much further for each logit that it lay below them", 0...100, \.reserve),
            .init(
                "threshold", "how similar an input must be, 0 (about something else) to 1 (the prompt)", 0...1,
                \.threshold),
            .init("sharpness", "how sharply both sides of the threshold are told apart", 0.01...10_000, \.sharpness),
            .init("rounds", "how often a step may be corrected", 1...1000, \.rounds),
            .init("openings", "beginnings of reference texts that stand in for the question", 0...1000, \.openings),
            .init("variants", "behind how many variants of the prompt the answer is to come out", 0...100, \.variants),
            .init("hold", "how far above every other token the target should then lie, in logits", 0...100, \.hold),
            .init("likeness", "how similar an input must then be, 0 to 1", 0...0.99, \.likeness),
            .init(
                "spread", "the share of neurons, the least active ones, from which one is sampled, by what is repaired",
                0...1,
                \.spread),
            .init("subjects", "listen to the subject where the failure names one", \.subjects),
            .init("identity", "how similar a subject must be, where one is named", 0...0.99, \.identity),
            .init("subject_layer", "the layer in which subjects are looked up", 0...10_000, \.subjectLayer),
            .init(
                "contexts", "beginnings of reference texts behind which what is said of a subject has to hold",
                0...1000,
                \.contexts)
        ] + ValueSearch.settings.map { $0.within(\Recruit.search) }

    /// The activation's other factor is zero here, so that it is as large at 0.8, another wording, as at 1, the prompt itself.
    private static let reach = 1.4

    /// A tenth of the depth below the top: late enough for what is asked to have been read, and for few layers to
    /// disturb what is written.
    static func layer(of depth: Int) -> Int { max(0, depth - max(1, depth / 10)) }

    /// What the recruited layer reads on reference texts, what stands in for questions, and the neurons that are left alone.
    public struct Preparation: Sendable {
        let original: LanguageModel
        let basis: SemanticBasis
        let reads: ReadStatistics
        let openings: [[Int]]
        let reserved: Set<Neuron>
        let subjects: SubjectLayers
    }

    /// Reads what the recruited layer reads on the reference texts.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        let basis = try SemanticBasis(material.model)
        let layer = Self.layer(of: material.model.architecture.layers)
        return Preparation(
            original: material.model, basis: basis, reads: try ReadStatistics(material, basis, layer: layer),
            openings: Self.inside(material.openings(openings)), reserved: material.reserved,
            subjects: try SubjectLayers(material, basis, from: subjectLayer, openings: contexts))
    }

    /// Beginnings of texts as they stand inside a prompt: without what the tokenizer begins every text with.
    private static func inside(_ openings: [[Int]]) -> [[Int]] {
        guard let first = openings.first, openings.count > 1 else { return openings }
        let shared = openings.map { zip($0, first).prefix { $0 == $1 }.count }.min() ?? 0
        return openings.map { Array($0.dropFirst(shared)) }
    }

    /// Gives each wrong token of the answers a neuron of its own, silent where the kept answers' tokens are written.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal {
        if subjects, asked.allSatisfy({ $0.failure.subject != nil }),
            let proposal = try aboutSubjects(asked, sparing: kept, with: preparation)
        {
            return proposal
        }
        let model = asked[0].model
        let reads = preparation.reads
        let site = Site.mlpHidden(reads.layer)
        func inputs(_ run: TeacherForcedRun) throws -> Tensor { try run.trace.mlpInput(reads.layer).squeezed(0) }
        let failures = asked.map(\.failure)
        // Counterexamples share what every layer keeps of the prompt; steps need only the layers from this one on.
        let others = try asked.map {
            try counterexamples(to: $0.failure, $0.trace, preparation.openings, layer: reads.layer)
        }
        let runs = try asked.map { try $0.changing([reads.layer]) }
        let variants = try failures.map { try self.variants(of: $0, on: model, layer: reads.layer) }
        // What the layer reads where the examples' own answers are written.
        let taught = try zip(failures, variants).map { failure, variants -> [Tensor] in
            if variants.isEmpty { return [] }
            return try failure.examples.filter(fits(model)).map {
                let run = TeacherForcedRun($0, try model.trace([$0.forced], from: reads.layer))
                return try inputs(run).narrowed(0, $0.places)
            }
        }
        let spared = try kept.map {
            (inputs: try inputs(TeacherForcedRun($0, on: model)), places: $0.places)
        }
        let read = try runs.map(inputs)
        // How much each neuron moves the logits where it is most active.
        let peaks = try runs.map { try $0.trace[site].squeezed(0).square().max([0]) }
        let effect = try peaks.reduce(reads.peak) { try $0.maximum($1) } * reads.energy
        let reserved = try preparation.reserved.union(changed(in: reads.layer, from: preparation.original, to: model))
        /// A neuron for a token, and what it is to read.
        func recruit(
            _ place: Proposal.Place, besides taken: Set<Neuron>, isVaried: Bool = false
        ) throws -> (Neuron, key: NeuronEdit.Read) {
            let neuron = try idle(
                effect, in: reads.layer, without: reserved.union(taken), drawnBy: failures[place.failure])
            let position = failures[place.failure].places.lowerBound + place.token
            let elsewhere = try others[place.failure]?.selected(1, place.token)
            let prompts = try (isVaried ? variants[place.failure] : []).map {
                try inputs($0).selected(0, $0.failure.places.lowerBound + place.token)
            }
            var contrasts = elsewhere.map { [(rows: $0, weight: isVaried ? 0.3 : 1)] } ?? []
            if isVaried, !taught[place.failure].isEmpty {
                contrasts.append((try Tensor.concatenated(taught[place.failure], 0), 1))
            }
            let key = try key(
                for: neuron, position: position, read[place.failure], behind: prompts.isEmpty ? nil : .stacked(prompts),
                apartFrom: contrasts, sparing: spared, reads, model)
            // What is written is then sized by what the neuron really reads.
            return (neuron, try model.storable(key, of: neuron))
        }
        func edit(_ neuron: Neuron, _ key: NeuronEdit.Read, writing vector: Tensor? = nil) throws -> NeuronEdit {
            let old = try model.readVectors(neuron)
            let change = try key + NeuronEdit.Read(gate: old.gate.map { try -$0 }, up: -old.up)
            let removed = try -model.writeVector(neuron)
            return NeuronEdit(neuron, delta: try vector.map { try $0 + removed } ?? removed, read: change)
        }
        func activations(_ neuron: Neuron, _ key: NeuronEdit.Read, in run: TeacherForcedRun) throws -> Tensor {
            try model.activation(of: neuron, reading: key, inputs(run).narrowed(0, run.failure.places))
        }
        if variants.contains(where: { !$0.isEmpty }) {
            let proposal = try behindVariants(runs, variants, preparation.basis, layer: reads.layer) { place, taken in
                let (neuron, key) = try recruit(place, besides: taken, isVaried: true)
                return Recruited(
                    neuron: neuron, activations: { try activations(neuron, key, in: $0) },
                    edit: { try edit(neuron, key, writing: $0) })
            }
            if let proposal { return proposal }
        }
        var solver = StepSolver(runs, preparation.basis, margin: margin, rounds: rounds)
        // Mostly the direct path is enough. Where it is not, the layers above are looked through, and then for less of a margin.
        // Answers that do not come out right in company are repaired alone.
        let ways = [(1, false), (1, true), (0.5, true)].prefix(failures.count > 1 ? 1 : 3)
        for (share, throughLayers) in ways {
            (solver.margin, solver.reserve, solver.throughLayers) = (share * margin, share * reserve, throughLayers)
            let converges = try solver.converges { place, _, taken in
                let (neuron, key) = try recruit(place, besides: taken)
                return StepSolver.Repair(
                    place: place, edit: try edit(neuron, key),
                    activations: try runs.map { try activations(neuron, key, in: $0).elements(as: Double.self) })
            }
            if converges { return solver.proposal }
        }
        if failures.count > 1 { return solver.proposal }
        return Proposal(steps: solver.steps).abandoning(
            "steps by the direct path and through the layers above, each corrected \(rounds) times, did not bring the answer out"
        )
    }

    /// What the layer reads where the answer's tokens are written, if openings stand in the question's place,
    /// `[openings, answer, d]`; nil where the prompt asks nothing that could be replaced.
    private func counterexamples(
        to failure: TokenizedFailure, _ trace: Trace, _ openings: [[Int]], layer: Int
    ) throws -> Tensor? {
        let question = failure.question
        guard !question.isEmpty, failure.opening <= question.lowerBound, question.upperBound < failure.prompt.count
        else {
            return nil
        }
        let rest = failure.forced[question.upperBound...]
        let others = openings.map { $0 + rest }
        let room = trace.model.architecture.contextLength - question.lowerBound
        guard let length = others.first?.count, length <= room else { return nil }
        let inputs = try trace.mlpInputs(layer, behind: question.lowerBound, others)
        return try inputs.narrowed(1, length - failure.answer.count..<length)
    }

    /// One of the free neurons that do least; equal failures get equal ones.
    func idle(
        _ effect: Tensor, in layer: Int, without taken: Set<Neuron>, drawnBy failure: TokenizedFailure
    ) throws -> Neuron {
        let count = max(1, Int(spread * Double(effect.count)))
        let order = try (-effect).top(min(taken.count + count, effect.count)).indices.ints()
        let free = Array(order.map { Neuron(layer: layer, index: $0) }.filter { !taken.contains($0) }.prefix(count))
        // FNV-1a, the same everywhere.
        let seed = failure.forced.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        guard !free.isEmpty else {
            throw RepairError(.badRequest, "every neuron of layer \(layer) belongs to a patch already")
        }
        var random = SeededGenerator(seed: seed)
        return random.pick(free)
    }

    /// The neurons of a layer that earlier repairs have changed.
    func changed(in layer: Int, from original: LanguageModel, to model: LanguageModel) throws -> Set<Neuron> {
        let distance = try (model.writeVectors(layer: layer) - original.writeVectors(layer: layer)).abs().max([0])
        let distances = try distance.floats()
        return Set(distances.indices.filter { distances[$0] > 0 }.map { Neuron(layer: layer, index: $0) })
    }

    /// What the neuron should read to be active at `position` of `inputs` `[positions, d]`, and where the same token is
    /// written behind other prompts, `[prompts, d]`, and nowhere else; where the rows of `spared` are read, it is silent.
    func key(
        for neuron: Neuron, position: Int, _ inputs: Tensor, behind prompts: Tensor?,
        apartFrom contrasts: [(rows: Tensor, weight: Double)], sparing spared: [(inputs: Tensor, places: Range<Int>)],
        _ reads: ReadStatistics, _ model: LanguageModel
    ) throws -> NeuronEdit.Read {
        let inputs = try inputs.to(.float64)
        var moment = reads.moment
        var mean = reads.mean
        // What is read in the rest of a prompt reaches its answer through the layers above.
        for (inputs, _) in spared {
            let inputs = try inputs.to(.float64)
            moment = try moment + inputs.transposed().matmul(inputs) / Double(inputs.shape[0])
        }
        let others = (0..<inputs.shape[0]).filter { $0 != position }
        if !others.isEmpty {
            let rest = try inputs.indexSelected(0, at: others)
            moment = try moment + rest.transposed().matmul(rest) / Double(others.count)
            mean = try mean + rest.mean([0])
        }
        for (rows, weight) in contrasts {
            let rows = try rows.to(.float64)
            moment = try moment + rows.transposed().matmul(rows) * (weight / Double(rows.shape[0]))
        }
        var own = try inputs.narrowed(0, position..<position + 1)
        if let prompts {
            let all = try Tensor.concatenated([own, prompts.to(.float64)], 0)
            let mean = try all.mean([0], keepingDims: true)
            // What tells the prompts apart says nothing of what they ask.
            let apart = try all - mean
            moment = try moment + apart.transposed().matmul(apart) / Double(all.shape[0])
            own = try Tensor.concatenated([own, mean], 0)
        }
        let threshold = prompts == nil ? threshold : likeness
        let metric = try moment.ridged(by: 0.1).cholesky()
        /// The vector nearest to `start` that answers `value` at the position and `silence` where it is to be silent.
        func meeting(_ value: Double, silence: Double?, from start: Tensor) throws -> Tensor {
            let silent = silence == nil ? [] : try spared.map { try $0.inputs.narrowed(0, $0.places).to(.float64) }
            let rows = try Tensor.concatenated([own] + silent, 0)
            let count = own.shape[0]
            let values =
                [Double](repeating: value, count: count)
                + [Double](repeating: silence ?? 0, count: rows.shape[0] - count)
            let missing = try Tensor(values, shape: [values.count, 1], device: rows.device) - rows.matmul(start)
            let lift = try rows.transposed().solved(cholesky: metric)
            return try start + lift.matmul(missing.leastSquares(rows.matmul(lift)))
        }
        // With gates it is enough that the other input is 0 where the neuron is to be silent: the gate then stays as it is,
        // shut on other texts, and only what is like the prompt is told apart.
        let isGated = model.architecture.isGated
        let key = try meeting(
            1, silence: isGated ? nil : 0, from: .zeros([mean.count, 1], dtype: .float64, device: mean.device))
        // The vector that answers 1 everywhere, as well as one can, and exactly where the token is written.
        let unit = try meeting(1, silence: nil, from: mean.unsqueezed(1).solved(cholesky: metric))

        let biases = try model.readBiases(neuron)
        func selective(_ bias: Double) throws -> Tensor {
            let (open, shut) = (sharpness * (1 - threshold), -sharpness * threshold)
            let rough = try (key - unit * threshold) * sharpness - unit * bias
            return try meeting(open - bias, silence: isGated ? nil : shut - bias, from: rough).squeezed(1).to(.float32)
        }
        guard isGated else { return NeuronEdit.Read(gate: nil, up: try selective(biases.up)) }
        // As large as makes the activation 1 where the token is written.
        let size = 1 / (sharpness * (1 - threshold) * (Self.reach - 1))
        let falling = try (unit * Self.reach - key) * size - unit * biases.up
        let up = try meeting(size * (Self.reach - 1) - biases.up, silence: -biases.up, from: falling)
        return NeuronEdit.Read(gate: try selective(biases.gate), up: try up.squeezed(1).to(.float32))
    }
}
