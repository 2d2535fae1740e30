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
/// token is written if beginnings of reference texts, or questions that are easily mistaken for it, stand in the
/// question's place (`TokenizedFailure.question`, `nearMisses`): the key of a rank-one edit (ROME, arXiv 2202.05262) with
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
/// Behind variants of the prompt (`variants`) the key answers 1 in the mean, C also holds what tells the variants apart,
/// what is read where the answers of the prompt's own examples are written, and what tells apart one answer behind different examples, of many built-in ones (`ContextScatter`: the scatter within
/// classes of Fisher's discriminant). A neuron is taken for each token that is wrong behind any variant, or right by little
/// (`lead`). What they write is then solved for together (`MarginSolver`).
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
    /// How far, in logits, a token has to lead behind every variant to need no neuron: what is nearly wrong behind these is
    /// wrong behind others.
    public var lead = 1.0
    /// How similar an input must then be; both sides of it are told apart twice as sharply.
    public var likeness = 0.65
    /// Whether failures that are solved for together are examples of a rule: one neuron serves all places where one token is
    /// wanted for another.
    public var rule = false
    /// The share of the layer's neurons, the least active ones, from which one is sampled.
    public var spread = 0.08

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
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
        .init("lead", "how far a token has to lead behind every variant to need no neuron, in logits", 0...100, \.lead),
        .init("likeness", "how similar an input must then be, 0 to 1", 0...0.99, \.likeness),
        .init("rule", "one neuron for all failures of a batch where one token is wanted for another", \.rule),
        .init(
            "spread", "the share of neurons, the least active ones, from which one is sampled, by what is repaired",
            0...1,
            \.spread)
    ]

    /// A tenth of the depth below the top: late enough for what is asked to have been read, and for few layers to
    /// disturb what is written.
    static func layer(of depth: Int) -> Int { max(0, depth - max(1, depth / 10)) }

    /// What the recruited layer reads on reference texts, what stands in for questions, and the neurons that are left alone.
    public struct Preparation: Sendable {
        let original: LanguageModel
        let basis: SemanticBasis
        let reads: ReadStatistics
        /// What the layer reads of examples alone (``ContextScatter``); nil where that is not known, or not needed.
        let scatter: Tensor?
        let openings: [[Int]]
        let reserved: Set<Neuron>
    }

    /// Reads what the recruited layer reads on the reference texts.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        let basis = try SemanticBasis(material.model)
        let layer = Self.layer(of: material.model.architecture.layers)
        return Preparation(
            original: material.model, basis: basis, reads: try ReadStatistics(material, basis, layer: layer),
            scatter: try variants > 0 ? ContextScatter.read(material, layer: layer) : nil,
            openings: Self.inside(material.openings(openings)), reserved: material.reserved)
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
        let recruitment = try Recruitment(by: self, asked, sparing: kept, preparation)
        if let proposal = try behindVariants(recruitment, preparation.basis) { return proposal }
        var solver = StepSolver(recruitment.runs, preparation.basis, margin: margin, rounds: rounds)
        // Mostly the direct path is enough. Where it is not, the layers above are looked through, and then for less of a margin.
        // Answers that do not come out right in company are repaired alone.
        let ways = [(1, false), (1, true), (0.5, true)].prefix(asked.count > 1 ? 1 : 3)
        for (share, throughLayers) in ways {
            (solver.margin, solver.reserve, solver.throughLayers) = (share * margin, share * reserve, throughLayers)
            let converges = try solver.converges { place, _, taken in
                let recruited = try recruitment.recruit([place], besides: taken)
                return StepSolver.Repair(
                    place: place, edit: try recruited.edit(writing: nil),
                    activations: try recruitment.runs.map {
                        try recruited.activations(in: $0).elements(as: Double.self)
                    })
            }
            if converges { return solver.proposal }
        }
        if asked.count > 1 { return solver.proposal }
        return Proposal(steps: solver.steps).abandoning(
            "steps by the direct path and through the layers above, each corrected \(rounds) times, did not bring the answer out"
        )
    }
}
