import SutureModels
import SutureTensor

/// Failures that neurons of one layer are recruited for, and what the layer reads in them.
struct Recruitment {
    private let method: Recruit
    private let model: LanguageModel
    private let reads: ReadStatistics
    /// The failures, with what changes of the layer need.
    let runs: [TeacherForcedRun]
    /// Each of them behind variants of its prompt.
    let variants: [[TeacherForcedRun]]
    /// What the layer reads in the prompts, `[positions, d]`, and where the answers to their examples are written.
    private let inputs: [Tensor]
    private let taught: [Tensor?]
    /// What it reads where the answers are written, if other texts and near misses stand in the questions' place,
    /// `[texts, answer, d]`.
    private let elsewhere: [Tensor?]
    private let spared: [(inputs: Tensor, places: Range<Int>)]
    /// What the layer reads of contexts alone, `[d, d]`.
    private let scatter: Tensor?
    private let idle: IdleNeurons
    private let reserved: Set<Neuron>

    init(
        by method: Recruit, _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure],
        _ preparation: Recruit.Preparation
    ) throws {
        let (model, reads) = (asked[0].model, preparation.reads)
        (self.method, self.model, self.reads, scatter) = (method, model, reads, preparation.scatter)
        let layer = reads.layer
        func inputs(_ run: TeacherForcedRun) throws -> Tensor { try run.trace.mlpInput(layer).squeezed(0) }
        func fits(_ failure: TokenizedFailure) -> Bool { failure.forced.count <= model.architecture.contextLength }
        func run(_ failure: TokenizedFailure) throws -> TeacherForcedRun {
            TeacherForcedRun(failure, try model.trace([failure.forced], from: layer))
        }
        // Counterexamples share what every layer keeps of the prompt; steps need only the layers from this one on.
        elsewhere = try asked.map { try Self.elsewhere($0.failure, $0.trace, preparation.openings, layer: layer) }
        runs = try asked.map { try $0.changing([layer]) }
        // The examples of a rule are variety enough where there are many.
        let count = method.rule ? max(0, method.variants - asked.count + 1) / asked.count : method.variants
        variants = try asked.map { asked in
            let failure = asked.failure
            return try (failure.wordings + failure.variants.prefix(count)).map {
                TokenizedFailure(prompt: $0, answer: failure.answer)
            }.filter(fits).map(run)
        }
        taught = try zip(asked, variants).map { asked, variants in
            let examples = variants.isEmpty ? [] : asked.failure.examples.filter(fits)
            let rows = try examples.map { try inputs(run($0)).narrowed(0, $0.places) }
            return rows.isEmpty ? nil : try .concatenated(rows, 0)
        }
        spared = try kept.map { (inputs: try inputs(TeacherForcedRun($0, on: model)), places: $0.places) }
        self.inputs = try runs.map(inputs)
        // How much each neuron moves the logits where it is most active.
        let peaks = try runs.map { try $0.trace[.mlpHidden(layer)].squeezed(0).square().max([0]) }
        idle = try IdleNeurons(peaks.reduce(reads.peak) { try $0.maximum($1) } * reads.energy, in: layer)
        reserved = try preparation.reserved.union(model.changedNeurons(in: layer, since: preparation.original))
    }

    var layer: Int { reads.layer }

    /// A neuron that is to be given a new input and output.
    struct Recruited {
        let neuron: Neuron
        fileprivate let model: LanguageModel
        fileprivate let key: NeuronEdit.Read

        /// How active it is where the answer of a run is written, `[answer]`.
        func activations(in run: TeacherForcedRun) throws -> Tensor {
            try model.activation(
                of: neuron, reading: key,
                run.trace.mlpInput(neuron.layer).squeezed(0).narrowed(0, run.failure.places))
        }

        /// The change with which it writes a vector `[d]`, or nothing.
        func edit(writing vector: Tensor?) throws -> NeuronEdit {
            try NeuronEdit(neuron, of: model, reading: key, writing: vector)
        }
    }

    /// A neuron that listens to what some tokens of answers have in common: a token behind its prompt, and with `isVaried`
    /// behind variants of it. Whether an answer is given at all is decided (`decides`) by the first token that was wrong:
    /// there near questions count for more. Behind it the answer itself tells most of them apart, and a key that had to
    /// tell apart what is nearly the same would listen to much else.
    func recruit(
        _ places: [Proposal.Place], besides taken: Set<Neuron>, isVaried: Bool = false, decides: Bool = false
    ) throws -> Recruited {
        let first = places[0]
        let neuron = try idle.draw(method.spread, without: reserved.union(taken), by: runs[first.failure].failure)
        func position(_ run: TeacherForcedRun, _ place: Proposal.Place) -> Int {
            run.failure.places.lowerBound + place.token
        }
        var key = try SelectiveKey(
            to: inputs[first.failure].selected(0, position(runs[first.failure], first)), apartFrom: reads,
            threshold: isVaried ? method.likeness : method.threshold,
            // What variants have in common is told apart more sharply than one prompt.
            sharpness: isVaried ? 2 * method.sharpness : method.sharpness)
        if isVaried, let scatter { try key.ignore(scatter, weight: 16) }
        for (inputs, places) in spared { try key.spare(places, of: inputs) }
        for place in places {
            try key.avoid(restOf: inputs[place.failure], besides: position(runs[place.failure], place))
        }
        for place in places {
            if let rows = try elsewhere[place.failure]?.selected(1, place.token) {
                try key.avoid(rows, weight: isVaried ? decides ? 2 : 0.5 : 1)
            }
            if isVaried, let rows = taught[place.failure] { try key.avoid(rows, weight: 0.5) }
        }
        let alike = try places.flatMap { place in
            let others = try (isVaried ? variants[place.failure] : []).map {
                try $0.trace.mlpInput(reads.layer).squeezed(0).selected(0, position($0, place))
            }
            return try (place == first ? [] : [inputs[place.failure].selected(0, position(runs[place.failure], place))])
                + others
        }
        if !alike.isEmpty { try key.hold(.stacked(alike)) }
        // What is written is then sized by what the neuron really reads.
        return Recruited(
            neuron: neuron, model: model, key: try model.storable(key.read(by: neuron, of: model), of: neuron))
    }

    /// What the layer reads where the answer's tokens are written, if openings and near misses stand in the question's
    /// place, `[texts, answer, d]`; nil where the prompt asks nothing that could be replaced.
    private static func elsewhere(
        _ failure: TokenizedFailure, _ trace: Trace, _ openings: [[Int]], layer: Int
    ) throws -> Tensor? {
        let question = failure.question
        guard !question.isEmpty, failure.opening <= question.lowerBound, question.upperBound < failure.prompt.count
        else {
            return nil
        }
        let rest = failure.forced[question.upperBound...]
        let before = failure.prompt[..<question.lowerBound]
        let near = failure.nearMisses.filter { $0.starts(with: before) }.map {
            Array($0.dropFirst(before.count)) + failure.answer.dropLast()
        }
        let room = trace.model.architecture.contextLength - question.lowerBound
        let others = (openings.map { $0 + rest } + near).filter { $0.count <= room }
        guard !others.isEmpty else { return nil }
        let inputs = try trace.mlpInputs(layer, behind: question.lowerBound, others)
        let rows = try others.enumerated().map { row, text in
            try inputs.selected(0, row).narrowed(0, text.count - failure.answer.count..<text.count)
        }
        return try .stacked(rows)
    }
}
