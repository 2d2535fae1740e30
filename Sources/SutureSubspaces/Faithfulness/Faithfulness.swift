import SutureModels
import SutureTensor

/// Asks of a direction whether the model uses it, or whether patching it opens a pathway that is dormant otherwise.
public struct Faithfulness {
    /// The pairs it was (or could have been) learned from, and others to judge it on.
    public var train: [TokenizedPair]
    public var heldOut: [TokenizedPair]
    /// Texts that have nothing to do with the task, in tokens.
    public var unrelated: [[Int]] = []
    /// Learns the controls.
    public var das = DAS()
    /// Two roles between which the reading heads choose, where the pairs have such.
    public var contrast: (toward: String, against: String)? = ("first", "second")
    /// What the report calls a token.
    public var tokenName: (Int) -> String = { "\($0)" }
    public var progress: ProgressHandler = { _, _, _ in }

    /// Pairs to learn from, and others to judge by.
    public init(train: [TokenizedPair], heldOut: [TokenizedPair]) {
        self.train = train
        self.heldOut = heldOut
    }

    /// Runs all checks on a subspace.
    public func run(_ subspace: Subspace, of model: LanguageModel, modelName: String) throws -> FaithfulnessReport {
        try subspace.check(model)
        let swapped = heldOut.filter { !$0.isIdentity }
        guard swapped.count >= 8, train.count >= 8 else {
            throw SubspaceError(
                .badRequest, "too few pairs to judge by", expected: "8 of each kind",
                found: "\(swapped.count), \(train.count)")
        }
        var examination = try FaithfulnessChecks(self, subspace, model, swapped)
        try examination.run()
        return try examination.report(modelName)
    }
}

/// One examination: what the checks share.
struct FaithfulnessChecks {
    let plan: Faithfulness
    let subspace: Subspace
    let model: LanguageModel
    let location: Location
    let heldOut: [TokenizedPair]
    let runs: PairedRuns
    let trainRuns: PairedRuns
    let clean: PairOutputs
    let outcome: PairOutputs
    let score: Score
    let space: RowSpace?
    let evidence: Evidence
    var checks: [FaithfulnessReport.Check] = []
    /// What should do nothing, and does most: by |FLDD|, and by how often the answer becomes the target.
    var control = (name: "nothing", fldd: 0.0, interchange: 0.0)

    /// The residual stream that the location's component writes to: where reading heads are looked for.
    static func stream(_ location: Location, _ model: LanguageModel) -> Location? {
        let layer: Int
        switch location.site {
        case .residual(let own): layer = own
        case .logits: return nil
        default: layer = location.site.layer + 1
        }
        guard location.tokens == .last, layer < model.architecture.layers else { return nil }
        return Location(.residual(layer), at: .last)
    }

    let stream: Location?
    let readers: [ReadingHeads.Mediator]

    init(_ plan: Faithfulness, _ subspace: Subspace, _ model: LanguageModel, _ heldOut: [TokenizedPair]) throws {
        self.plan = plan
        self.subspace = subspace
        self.model = model
        self.heldOut = heldOut
        let location = subspace.location
        self.location = location
        plan.progress("running the prompts", 0, 1)
        let hasRoles =
            plan.contrast.map { contrast in
                plan.train.allSatisfy { $0.baseRoles[contrast.toward] != nil && $0.baseRoles[contrast.against] != nil }
            } ?? false
        let stream = hasRoles ? Self.stream(location, model) : nil
        self.stream = stream
        let locations =
            [location] + (stream.map { $0 == location ? [] : [$0] } ?? [])
            + RandomMLP.locations(location, in: model.architecture)
        let keys = stream.map { ReadingHeads.keys(from: $0.site.layer, in: model) } ?? []
        runs = try PairedRuns(model, heldOut, at: locations, capturing: keys)
        trainRuns = try PairedRuns(model, plan.train, at: locations, capturing: keys)
        clean = try runs.clean()
        outcome = try runs.outputs(subspace.patch, divergence: true)
        score = Score(outcome, clean: clean, pairs: heldOut)
        if let stream {
            let scout = try PairedRuns(model, Array(plan.train.filter { !$0.isIdentity }.prefix(32)), at: [stream])
            readers = try ReadingHeads(scout, at: stream, progress: plan.progress).mediators
        } else {
            readers = []
        }
        // A component's own map where it has one; else what the reading heads see of the residual stream.
        if let writing = try model.writing(location.site) {
            space = try RowSpace(of: writing)
        } else if case .residual = location.site, !readers.isEmpty {
            space = try ReadingHeads.rowSpace(readers.prefix(3).map(\.head), in: model)
        } else {
            space = nil
        }
        plan.progress("patching parts", 0, 1)
        let component = try ModelComponent(runs, at: location)
        evidence = try Tensor.withoutGradients { [space, subspace] in
            try Evidence(component, subspace.basis, in: space, resamples: 1000)
        }
        plan.progress("patching parts", 1, 1)
    }

    /// FLDD of a patch on held-out pairs.
    func effect(_ patch: SubspacePatch) throws -> Estimate { fldd(try runs.outputs(patch)) }

    /// FLDD of an outcome on held-out pairs.
    func fldd(_ patched: PairOutputs) -> Estimate {
        Bootstrap.estimate([clean.difference, patched.difference]) { $0[0] == 0 ? 0 : 1 - $0[1] / $0[0] }
    }

    var cleanDifference: Double { Bootstrap.mean(clean.difference) }

    var floor: Double { interchange(clean) }

    /// How often the model says the target.
    func interchange(_ outputs: PairOutputs) -> Double {
        Bootstrap.mean(heldOut.indices.map { outputs.top[$0] == heldOut[$0].target ? 1 : 0 })
    }

    mutating func add(
        _ id: FaithfulnessReport.CheckName, _ values: [FaithfulnessReport.Value],
        _ reading: FaithfulnessReport.Check.Reading, shows: String, cannot: String
    ) {
        checks.append(
            .init(id: id, question: id.question, values: values, reading: reading, shows: shows, cannotShow: cannot))
    }

    mutating func run() throws {
        try controls()
        try decomposition()
        try distribution()
        try generalisation()
        try necessity()
        try mediation()
        try alternatives()
        let order = FaithfulnessReport.CheckName.allCases
        checks.sort { order.firstIndex(of: $0.id) ?? 0 < order.firstIndex(of: $1.id) ?? 0 }
    }

    func report(_ modelName: String) throws -> FaithfulnessReport {
        let dormancy = DormancyScore(evidence)
        var level = FaithfulnessReport.Level.none
        var obstacles: [String] = []
        func has(_ id: FaithfulnessReport.CheckName) -> Bool { checks.first { $0.id == id }?.reading == .concern }
        if let obstacle = controlObstacle {
            obstacles.append(obstacle)
        } else {
            level = .controls
        }
        if level == .controls {
            if has(.generalization) || has(.trainingPairs) {
                obstacles.append("it was not shown to hold for other pairs, in both directions")
            } else {
                level = .generalises
            }
        }
        if level == .generalises {
            if dormancy.value > DormancyScore.threshold {
                obstacles.append("most of the evidence points to a dormant pathway")
            }
            if has(.necessity) { obstacles.append("taking the direction away does not harm the task") }
            if has(.kernelPart) || has(.identity) {
                obstacles.append("a patch that must change nothing changed something")
            }
            if obstacles.isEmpty { level = .mediates }
        }
        return FaithfulnessReport(
            model: modelName, location: location.description, method: subspace.method, options: subspace.options,
            directions: subspace.count, trainPairs: plan.train.count, heldOutPairs: heldOut.count, checks: checks,
            evidence: evidence,
            sweep: try sweep(),
            dormancyScore: dormancy, threshold: DormancyScore.threshold, level: level, obstacles: obstacles)
    }

    /// Why it may not be said that the direction controls the output; nil where it does.
    ///
    /// Any push away from an answer lowers the logit difference, and so does one that was learned from shuffled sources where
    /// there are many answers; but no such push makes the model say the target. Either number is enough.
    private var controlObstacle: String? {
        let (effect, said) = (score.fldd, score.interchange)
        let controlled = control.interchange - floor
        if effect.low > 0.1, effect.value > 3 * control.fldd { return nil }
        if said.low - floor > 0.1, said.value - floor > 3 * max(0, controlled) { return nil }
        func percent(_ value: Double) -> String { String(format: "%.0f%%", 100 * value) }
        guard effect.low > 0.1 else {
            return "its effect is small: FLDD \(percent(effect.value)), at least \(percent(effect.low))"
        }
        return "\(control.name) has an FLDD of \(percent(control.fldd)) where this has \(percent(effect.value)), "
            + "and makes the model say the target in \(percent(control.interchange)) where this does in "
            + percent(said.value)
    }

    /// The first held-out pair whose prompts are equally long, patched everywhere.
    private func sweep() throws -> FaithfulnessReport.PositionSweep? {
        guard let pair = heldOut.first(where: { $0.base.count == $0.source.count && !$0.hasEqualPrompts }) else {
            return nil
        }
        plan.progress("sweeping layers and tokens", 0, 1)
        let cells = try Sweep(model, pair).positions(.residual)
        plan.progress("sweeping layers and tokens", 1, 1)
        return .init(
            cells: cells, tokens: pair.base.enumerated().map { "\($0.offset) \(plan.tokenName($0.element))" })
    }
}
