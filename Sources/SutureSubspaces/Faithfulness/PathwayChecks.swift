import SutureModels
import SutureTensor

/// The work of a ``PatchPathway``.
struct PathwayChecks {
    let original: LanguageModel
    let patched: LanguageModel
    let material: PatchPathway.Material
    let edits: [PartEdit]
    let unexamined: [String]
    /// For each case, the strongest token but the answer, in the original model.
    private let rivals: [Int]

    init(_ original: LanguageModel, _ patched: LanguageModel, _ material: PatchPathway.Material) throws {
        self.original = original
        self.patched = patched
        self.material = material
        let changed = try original.differences(from: patched)
        let architecture = original.architecture
        unexamined = changed.filter { architecture.part(of: $0) == nil }
        let groups = Dictionary(grouping: changed) { architecture.part(of: $0)?.part }
        edits = try groups.compactMap { part, tensors in
            try part.map { try PartEdit($0, tensors, original, patched) }
        }.sorted { ($0.part.layer, $0.part.kind) < ($1.part.layer, $1.part.kind) }
        guard !edits.isEmpty else {
            throw SubspaceError(
                .badRequest, "the patch changes no attention and no MLP", found: unexamined.joined(separator: ", "),
                hint: "only such changes can be examined")
        }
        let top = try original.run(material.cases.map(\.prompt)).logits.top(2).indices.ints()
        rivals = material.cases.indices.map { row in
            top[2 * row] == material.cases[row].answer ? top[2 * row + 1] : top[2 * row]
        }
    }

    func run(_ modelName: String, _ progress: ProgressHandler) throws -> PatchPathway {
        let (activity, steps) = ("examining the pathway", edits.count + 2)
        progress(activity, 0, steps)
        let before = try margins(original)
        let after = try margins(patched)
        var routes: [PatchPathway.Route: Double] = [:]
        for route in PatchPathway.Route.allCases { routes[route] = Bootstrap.mean(try margins(along: route)) }
        progress(activity, 1, steps)
        let sites = edits.flatMap { [$0.part.hidden, $0.part.out] }
        let elsewhere = try original.run(material.reference, capturing: sites, logits: .all)
        let natural = try Natural(elsewhere, material.reference.map(\.count))
        var parts: [PatchedPart] = []
        for (index, edit) in edits.enumerated() {
            parts.append(try part(edit, natural))
            progress(activity, index + 2, steps)
        }
        let (use, sideEffect) = try elsewhereEffects(natural)
        progress(activity, steps, steps)
        return PatchPathway(
            model: modelName, prompts: material.cases.count, before: Bootstrap.estimate([before]) { $0[0] },
            after: Bootstrap.estimate([after]) { $0[0] }, routes: routes, use: use, sideEffect: sideEffect,
            generalisation: try generalisation(), parts: parts, unexamined: unexamined)
    }

    // MARK: - Margins

    private var prompts: [[Int]] { material.cases.map(\.prompt) }

    private func margins(_ model: LanguageModel, _ changes: [Intervention] = []) throws -> [Double] {
        let logits = try model.run(prompts, changes).logits
        func pick(_ tokens: [Int]) throws -> [Double] {
            try logits.gathered(1, at: Tensor(tokens, shape: [tokens.count, 1])).squeezed(1).elements(as: Double.self)
        }
        return zip(try pick(material.cases.map(\.answer)), try pick(rivals)).map { $0 - $1 }
    }

    /// The original model with one route of all parts, from the lowest up, as each reads what is below it.
    private func margins(along route: PatchPathway.Route) throws -> [Double] {
        var changes: [Intervention] = []
        for edit in edits {
            let added = try edit.added(prompts, changes, original)
            changes.append(Intervention(edit.part.out, .add(try added.along(route, edit))))
        }
        return try margins(original, changes)
    }

    /// Whether the answers hold behind other text, and in other words.
    private func generalisation() throws -> [PatchPathway.Generalisation] {
        func hits(_ model: LanguageModel, _ cases: [PatchPathway.Case]) throws -> [Double] {
            let batches = stride(from: 0, to: cases.count, by: 32).map { cases[$0..<min($0 + 32, cases.count)] }
            let said = try batches.flatMap { try model.run($0.map(\.prompt)).logits.argmax(1).ints() }
            return zip(said, cases).map { $0 == $1.answer ? 1 : 0 }
        }
        let behind = material.contexts.flatMap { context in
            material.cases.map { (prompt: context + $0.prompt, answer: $0.answer) }
        }
        return try [("behind other text", behind), ("in other words", material.reworded)].filter { !$0.1.isEmpty }
            .map { name, cases in
                let (before, after) = (try hits(original, cases), try hits(patched, cases))
                return .init(
                    name: name, prompts: cases.count, before: Bootstrap.estimate([before]) { $0[0] },
                    after: Bootstrap.estimate([after]) { $0[0] })
            }
    }

    // MARK: - Parts

    private func part(_ edit: PartEdit, _ natural: Natural) throws -> PatchedPart {
        let here = try edit.added(prompts, [], original)
        // Where it writes most: a fact's edit acts at the subject, a repair's at the last token.
        let (positions, own, added) = try here.strongest(lengths: prompts.map(\.count))
        let usual = try natural.rows(edit.part.out)
        let axis = try added.to(.float64).svd().vt.selected(0, 0).unsqueezed(1).to(.float32)
        func project(_ values: Tensor) throws -> [Double] { try values.matmul(axis).squeezed(1).elements() }
        let along = try project(usual)
        let moved = try project(own + added)
        // From the quartiles, which outliers do not move.
        let sorted = along.sorted()
        let deviation = (sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4]) / 1.349
        let range = (along.min() ?? 0)...(along.max() ?? 0)
        func size(_ rows: Tensor) throws -> Double { try rows.square().sum([1]).mean().item().squareRoot() }
        let there = try edit.added(material.reference, [], original, given: natural.run)
        let others = try natural.rows(there.total)
        var rangeExit: Double?
        if edit.rereads {
            let (before, after) = try here.hidden(at: positions)
            let energies = try Naturalness.energies(natural.rows(edit.part.hidden), before, after)
            rangeExit = energies.out.reduce(0, +) / max(energies.total.reduce(0, +), 1e-300)
        }
        return PatchedPart(
            name: edit.part.description, tensors: edit.tensors, rank: edit.rank, rowShare: edit.rowShare,
            randomRowShare: Double(edit.space.rank) / Double(edit.space.width),
            specificity: try size(added) / max(size(others), 1e-30),
            push: deviation > 0 ? Bootstrap.mean(try project(added).map(abs)) / deviation : .infinity,
            outside: Bootstrap.mean(moved.map { range.contains($0) ? 0 : 1 }),
            neighborRatio: Bootstrap.mean(try Naturalness.neighbors(usual, own + added)), rangeExit: rangeExit,
            alone: Bootstrap.mean(try margins(edit.alone)),
            without: Bootstrap.mean(try margins(patched.taking(edit.tensors, from: original))), natural: along,
            patched: moved)
    }

    /// KL on other text: in the original without what the edits read, and under the patch.
    private func elsewhereEffects(_ natural: Natural) throws -> (use: Double, sideEffect: Double) {
        let before = try natural.rows(natural.run.logits).logSoftmax()
        func divergence(_ logits: Tensor) throws -> Double {
            let after = try natural.rows(logits).logSoftmax()
            return try (before.exp() * (before - after)).sum([1]).mean().item()
        }
        var holds: [Intervention] = []
        for edit in edits {
            let rows = try natural.rows(edit.part.hidden)
            let mean = try rows.mean([0])
            if let reading = edit.reading { holds.append(Intervention(edit.part.hidden, .swap(reading, from: mean))) }
            guard edit.rereads else { continue }
            let changed = try edit.changedUnits(prompts + material.reference.prefix(4), original)
            if !changed.isEmpty {
                holds.append(
                    Intervention(
                        edit.part.hidden, units: changed, .replace(try mean.indexSelected(0, at: changed))))
            }
        }
        return (
            try divergence(original.run(material.reference, holds, logits: .all).logits),
            try divergence(patched.run(material.reference, logits: .all).logits)
        )
    }
}

/// A run of other text, of which only real tokens count and the first of each text does not: its activations are outliers
/// in many models, and say nothing of the others.
struct Natural {
    let run: Activations
    private let places: [Int]
    private let length: Int

    init(_ run: Activations, _ lengths: [Int]) throws {
        self.run = run
        let length = lengths.max() ?? 0
        self.length = length
        places = lengths.enumerated().flatMap { row, count in (1..<count).map { row * length + $0 } }
    }

    /// The values of a site, `[tokens, width]`.
    func rows(_ site: Site) throws -> Tensor { try rows(run[site]) }

    /// `[texts, positions, width]` to `[tokens, width]`.
    func rows(_ values: Tensor) throws -> Tensor {
        try values.reshaped([-1, values.shape[values.rank - 1]]).indexSelected(0, at: places)
    }
}
