import SutureModels
import SutureTensor

extension Examination {
    /// F12, F15, F19: the effect itself, and what should have none.
    mutating func controls() throws {
        let randoms = try (1...5).map { seed in
            try effect(Directions.random(model, at: spot, count: subspace.count, seed: UInt64(seed)).patch)
        }
        let random = randoms.map(abs).max() ?? 0
        var das = plan.das
        das.directions = subspace.count
        let shuffled = try PairedRuns(model, Directions.shuffled(plan.train, seed: 1), at: [spot])
        let learned = try das.train(shuffled, at: spot) { [plan] epoch, count, _ in
            plan.progress("learning where there is nothing to learn", epoch, count)
        }
        let shuffledEffect = try effect(learned.patch)
        control = max(random, abs(shuffledEffect))
        add(
            "F12", "How large is the effect, by several measures?",
            [
                .init("FLDD", score.fldd), .init("interchange accuracy", score.interchange, control: floor),
                .init("two-way accuracy", score.twoWay), .init("KL(clean || patched), nats", score.divergence),
                .init("logit difference, patched", score.difference, control: Bootstrap.mean(clean.difference))
            ],
            score.fldd.value > 0.3 && score.interchange.value - floor < 0.1 ? .concern : .information,
            shows:
                "That the output follows the patch. A large FLDD with interchange accuracy at its floor means that the margin "
                + "shrinks but the answer stays.",
            cannot: "Why the output follows.")
        add(
            "F15", "Do directions that should do nothing do nothing?",
            [
                .init("largest |FLDD| of 5 random directions", random, control: score.fldd.value),
                .init("learned from shuffled sources, FLDD", shuffledEffect, control: score.fldd.value)
            ],
            control > score.fldd.value / 3 ? .concern : .supports,
            shows: "That the effect needs this direction rather than any.",
            cannot: "Learning in an MLP with random weights was not tried here.")
        // Base and source the same: D = 0.
        let change = try Tensor.withoutGradients {
            try runs.batches.map { batch in
                let own = try batch.base(spot)
                let basis = subspace.basis
                let change = Intervention(
                    spot.site, at: try batch.positions(spot.place), .swap(basis, from: own))
                let logits = try batch.trace.replay(prompts: Array(batch.pairs.indices), [change]).logits
                return try (logits - batch.trace.logits).abs().max().item()
            }.max() ?? 0
        }
        add(
            "F19", "Does a patch from a prompt to itself change nothing?",
            [.init("largest |change of a logit|", change)],
            change < 1e-3 ? .supports : .concern, shows: "That the machinery is right.",
            cannot: "Anything about the model.")
    }

    /// F1-F6: the whole component, the parts of the direction.
    mutating func decomposition() throws {
        let component = try ModelComponent(runs, at: spot)
        let wholeScore = Score(try component.outcome(component.source), clean: clean, pairs: heldOut)
        add(
            "F1", "Does the whole component carry the effect?",
            [
                .init("whole component, FLDD", wholeScore.fldd, control: score.fldd.value),
                .init("whole component, interchange accuracy", wholeScore.interchange, control: score.interchange.value)
            ],
            wholeScore.fldd.value < 0.5 * score.fldd.value ? .concern : .supports,
            shows: "Where it does not, the patch creates an effect rather than locating one.",
            cannot: "Parts of a component can cancel: a small effect of the whole does not decide by itself.")
        let isExact = try model.writing(spot.site) != nil
        guard let space else {
            for (id, question) in [
                ("F2", "Does the part that reaches the output keep the effect?"),
                ("F3", "Does the kernel part do nothing?"), ("F4", "How does the direction split?"),
                ("F5", "Does it read in the kernel what it writes elsewhere?"),
                ("F6", "Which part tells the inputs apart?")
            ] {
                add(id, question, [], .notMeasured, shows: "", cannot: "No map defines a kernel at this site.")
            }
            return
        }
        let split = try SplitDirection(subspace.basis, in: space)
        let rowPatch = try split.patch(.row, at: spot)
        let rowOutcome = try rowPatch.map { try runs.outcome($0) }
        func hits(_ outcome: Outcome) -> [Bool] { heldOut.indices.map { outcome.top[$0] == heldOut[$0].target } }
        let test = Bootstrap.mcNemar(hits(outcome), rowOutcome.map(hits) ?? heldOut.map { _ in false })
        let rowEffect = evidence.effect(.row) ?? 0
        let rowScore = rowOutcome.map { Score($0, clean: clean, pairs: heldOut) }
        add(
            "F2", "Does the part that reaches the output keep the effect?",
            [
                .init("row part, FLDD", rowScore?.fldd ?? Estimate(0, low: 0, high: 0), control: score.fldd.value),
                .init("row part, not normalised, FLDD", evidence.effect(.rowRaw) ?? 0),
                .init(
                    "row part, interchange accuracy", rowScore?.interchange.value ?? 0, control: score.interchange.value
                ),
                .init("McNemar p of the two accuracies", test.p)
            ],
            rowEffect < 0.5 * evidence.direction ? .concern : .supports,
            shows: isExact
                ? "How much of the effect is left without what cannot reach the output."
                : "How much is left of what the readers' queries see; other readers are not counted.",
            cannot: "A faithful direction can lose half as well; in rank one the test is blind.")
        let nullEffect = evidence.effect(.null) ?? 0
        add(
            "F3", "Does the kernel part do nothing?", [.init("kernel part, FLDD", nullEffect)],
            isExact ? (abs(nullEffect) < 1e-3 ? .supports : .concern) : .information,
            shows: isExact
                ? "That the decomposition is right." : "What reaches the output past the readers that were found.",
            cannot: isExact
                ? "Anything about the model." : "Here the kernel is a stand-in: other parts of the network see it.")
        add(
            "F4", "How does the direction split?",
            [
                .init("length of the row part", split.rowNorm),
                .init("length of the kernel part", split.nullNorm, control: space.randomNull),
                .init("rank", Double(space.rank)), .init("width", Double(space.width))
            ],
            .information, shows: "The control is a random direction's.", cannot: "Nothing by itself.")
        let readNull = evidence.effect(.readNull) ?? 0
        let readRow = evidence.effect(.readRow) ?? 0
        add(
            "F5", "Does it read in the kernel what it writes elsewhere?",
            [
                .init("reads the kernel part, writes the direction, FLDD", readNull, control: evidence.direction),
                .init("reads the row part, writes the direction, FLDD", readRow, control: evidence.direction),
                .init("sum less the whole effect", readNull + readRow - evidence.direction)
            ],
            readNull > 0.5 * evidence.direction ? .concern : .supports,
            shows:
                "What is read in the kernel has no effect in any natural run; if most of the effect comes from there, the patch "
                + "carries it over to where it has.",
            cannot: "Features spread over many channels read partly in the kernel without harm.")
        add(
            "F6", "Which part tells the inputs apart?",
            [
                .init("gap / deviation along the row part", evidence.rowSeparation ?? 0),
                .init("gap / deviation along the kernel part", evidence.nullSeparation ?? 0)
            ],
            (evidence.nullSeparation ?? 0) > 2 * (evidence.rowSeparation ?? 0) ? .concern : .information,
            shows: "A row part along which base and source hardly differ is dormant.",
            cannot: "Separation is correlation.")
    }

    /// F7, F8, F16, F17: natural and patched values.
    mutating func distribution() throws {
        let dormancy = evidence.dormancy
        add(
            "F7", "Does the output leave its natural range along what is written?",
            [
                .init("patch / natural difference", dormancy.ratio, control: 1),
                .init("share outside everything natural", dormancy.outside)
            ],
            dormancy.ratio > 3 || dormancy.outside > 0.05 ? .concern : .supports,
            shows: "Whether the patch asks the rest of the network for what it never sees.",
            cannot: "Values out of range need not be wrong.")
        add(
            "F8", "Are the patched values themselves unnatural?",
            [
                .init("distance to the nearest natural value / usual", evidence.neighborRatio, control: 1),
                .init("energy beyond channels' ranges", evidence.rangeExit),
                .init("energy on silent channels", evidence.quietShare)
            ],
            evidence.neighborRatio > 2 || evidence.rangeExit > 0.5 || evidence.quietShare > 0.2 ? .concern : .supports,
            shows: "Whether channels are set to what they never are.", cannot: "Distance is not harm.")
        add(
            "F17", "Does patching more keep the effect?",
            evidence.supersets.map {
                .init(
                    "\($0.channels) channels with \(Int($0.share * 100))% of the direction, FLDD", $0.effect,
                    control: evidence.direction)
            },
            (evidence.supersets.last?.effect ?? 0) < 0.5 * evidence.direction ? .concern : .supports,
            shows: "A feature in a component should be in the channels that hold it, too.",
            cannot: "Channels are a basis that the network need not care for, in the residual stream least of all.")
        let (chance, accuracy) = try leakage()
        add(
            "F16", "Does the direction know things it should not?",
            [.init("nearest-mean accuracy for the answer's word", accuracy, control: chance)],
            accuracy > 3 * chance + 0.02 ? .concern : .supports,
            shows: "Whether the words themselves can be read off.", cannot: "Only the answer's identity was looked for."
        )
    }

    /// Leave-one-out nearest-mean prediction of the answer from values along the direction.
    private func leakage() throws -> (chance: Double, accuracy: Double) {
        let values = try trainRuns.values(spot).base.matmul(subspace.basis).selected(1, 0).elements(as: Double.self)
        let labels = trainRuns.pairs.map(\.answer)
        let groups = Dictionary(grouping: labels.indices, by: { labels[$0] }).filter { $0.value.count > 1 }
        let members = groups.values.flatMap(\.self)
        guard groups.count > 1 else { return (0, 0) }
        let hits = members.count { index in
            let nearest = groups.keys.sorted().min { a, b in
                func distance(_ label: Int) -> Double {
                    let others = (groups[label] ?? []).filter { $0 != index }
                    return abs(Bootstrap.mean(others.map { values[$0] }) - values[index])
                }
                return distance(a) < distance(b)
            }
            return nearest == labels[index]
        }
        return (1 / Double(groups.count), Double(hits) / Double(members.count))
    }

    /// F10, F11: other pairs, both directions.
    mutating func generalisation() throws {
        let trainPairs = plan.train.indices.filter { !plan.train[$0].isIdentity }
        let trainClean = try trainRuns.clean()
        let trainPatched = try trainRuns.outcome(subspace.patch)
        func fldd(_ clean: Outcome, _ patched: Outcome, _ rows: [Int]) -> Double {
            1 - Bootstrap.mean(rows.map { patched.difference[$0] }) / Bootstrap.mean(rows.map { clean.difference[$0] })
        }
        let train = fldd(trainClean, trainPatched, trainPairs)
        let labels = Set(heldOut.compactMap(\.baseLabel)).sorted()
        let each = labels.map { label in
            (label, fldd(clean, outcome, heldOut.indices.filter { heldOut[$0].baseLabel == label }))
        }
        let least = each.map(\.1).min() ?? score.fldd.value
        add(
            "F10", "Does it hold for other pairs, and in both directions?",
            [.init("held-out pairs, FLDD", score.fldd, control: train)]
                + each.map { .init("base \($0.0), FLDD", $0.1) },
            score.fldd.value < 0.7 * train || least < 0.3 * score.fldd.value ? .concern : .supports,
            shows: "The control is the effect on the pairs it was learned from.",
            cannot: "Other tasks and other kinds of text.")
        let count = Double(plan.train.count) / Double(subspace.count)
        add(
            "F11", "From how many pairs was it learned?", [.init("pairs for each direction", count)],
            count < 10 ? .concern : .information,
            shows: "One pair can be fitted by nearly any direction.",
            cannot: "Many pairs of one template are not many tasks.")
    }

    /// F13: taking the direction away.
    mutating func necessity() throws {
        let mean = try Directions.labelled(trainRuns, at: spot).rows.mean([0]).reshaped([1, 1, -1])
        func damage(_ basis: Tensor) throws -> Double {
            let patched = try runs.outcome { batch in
                [Intervention(spot.site, at: try batch.positions(spot.place), .swap(basis, from: mean))]
            }
            return 1 - Bootstrap.mean(patched.difference) / Bootstrap.mean(clean.difference)
        }
        let own = try damage(subspace.basis)
        let random = try damage(Directions.random(model, at: spot, count: subspace.count, seed: 11).basis)
        var values: [FaithfulnessReport.Value] = [
            .init("set to its mean: share of the logit difference lost", own, control: random)
        ]
        if !plan.unrelated.isEmpty {
            let kl = try Tensor.withoutGradients { try unrelatedDivergence() }
            values.append(.init("set to its mean: KL on unrelated text, nats", kl))
        }
        add(
            "F13", "Is it needed?", values, own < 0.1 ? .concern : .supports,
            shows: "A direction that the model uses is missed when it is gone.",
            cannot: "Backups can hide a loss; a loss can have other reasons.")
    }

    private func unrelatedDivergence() throws -> Double {
        let mean = try Directions.labelled(trainRuns, at: spot).rows.mean([0]).reshaped([1, 1, -1])
        let change = Intervention(spot.site, .swap(subspace.basis, from: mean))
        var sum = 0.0
        var count = 0.0
        for text in plan.unrelated where text.count > 1 {
            let before = try model.run([text], logits: .all).logits.logSoftmax()
            let after = try model.run([text], [change], logits: .all).logits.logSoftmax()
            sum += try (before.exp() * (before - after)).sum().item()
            count += Double(text.count)
        }
        return count > 0 ? sum / count : 0
    }

    /// F14: the heads that should carry the effect.
    mutating func mediation() throws {
        guard let contrast = plan.contrast, stream != nil, !readers.isEmpty else {
            add(
                "F14", "Does the effect pass through the readers?", [], .notMeasured, shows: "",
                cannot: "The pairs name no two roles between which readers choose, or the spot is not the last token.")
            return
        }
        let chosen = readers.prefix(6).map(\.head)
        let layers = Array(Set(chosen.map(\.layer))).sorted()
        let architecture = model.architecture
        var turned = 0.0
        var total = 0.0
        let clamped = try Tensor.withoutGradients {
            for batch in runs.batches {
                let rows = Array(batch.pairs.indices)
                let sites = layers.map(Site.queries)
                let before = try batch.trace.replay(prompts: rows, [], capturing: sites, logits: .none)
                let after = try batch.trace.replay(
                    prompts: rows, [subspace.patch.intervention(on: batch)], capturing: sites, logits: .none)
                for head in chosen {
                    func scores(_ run: Activations) throws -> [Double] {
                        try Readers.scores(
                            batch, run[.queries(head.layer)], head, toward: contrast.toward, against: contrast.against,
                            architecture
                        ).elements()
                    }
                    for (a, b) in zip(try scores(before), try scores(after)) {
                        turned += abs(b - a)
                        total += abs(a)
                    }
                }
            }
            return try runs.outcome { batch in
                let rows = Array(batch.pairs.indices)
                let sites = layers.map(Site.queries)
                let before = try batch.trace.replay(prompts: rows, [], capturing: sites, logits: .none)
                let width = architecture.headWidth
                let holds = try chosen.map { head in
                    let units = Array(head.index * width..<(head.index + 1) * width)
                    let last = try before[.queries(head.layer)]
                    let value = try last.narrowed(1, last.shape[1] - 1..<last.shape[1]).gathered(2, at: units)
                    return Intervention(.queries(head.layer), at: .last, units: units, .replace(value))
                }
                return [try subspace.patch.intervention(on: batch)] + holds
            }
        }
        let left = 1 - Bootstrap.mean(clamped.difference) / Bootstrap.mean(clean.difference)
        let share = 1 - left / score.fldd.value
        add(
            "F14", "Does the effect pass through the readers?",
            [
                .init("readers' scores moved, relative to their size", total > 0 ? turned / total : 0),
                .init("share of the effect lost when 6 readers' queries are held", share)
            ],
            share > 0.3 ? .supports : .information,
            shows:
                "Heads \(chosen.map(\.description).joined(separator: ", ")) carry most of a whole patch of the stream.",
            cannot: "An illusion can act through the natural readers too: it writes what they read.")
    }

    /// F9, F18: other directions and other seeds.
    mutating func alternatives() throws {
        let baseline = 1 / Double(subspace.width).squareRoot()
        var values: [FaithfulnessReport.Value] = []
        let labels = Set((heldOut.map(\.baseLabel) + heldOut.map(\.sourceLabel)).compactMap(\.self)).sorted()
        if labels.count == 2 {
            let means = try Directions.differenceOfMeans(trainRuns, at: spot, labels[0], labels[1])
            values.append(
                .init("|cos| with the difference of means", try subspace.cosines(to: means)[0], control: baseline))
        }
        let principal = try Directions.principal(trainRuns, at: spot)
        values.append(
            .init("|cos| with the first principal direction", try subspace.cosines(to: principal)[0], control: baseline)
        )
        if let contrast = plan.contrast, let stream, stream == spot {
            let gradient = try Directions.gradient(
                trainRuns, of: readers.prefix(3).map(\.head), at: spot, toward: contrast.toward,
                against: contrast.against)
            values.append(
                .init("|cos| with the readers' gradient", try subspace.cosines(to: gradient)[0], control: baseline))
        }
        let best = values.map(\.value).max() ?? 0
        add(
            "F9", "Do independent directions agree with it?", values, best > 0.5 ? .supports : .information,
            shows: "Agreement with a direction that was not learned from the patch's effect.",
            cannot: "The control is what random directions reach. Disagreement proves little: many directions may do.")
        var das = plan.das
        das.seed = plan.das.seed &+ 101
        das.directions = subspace.count
        let other = try das.train(trainRuns, at: spot) { [plan] epoch, count, _ in
            plan.progress("learning with another seed", epoch, count)
        }
        let cosine = try subspace.cosines(to: other).last ?? 0
        // What of the other is not this.
        let basis = subspace.basis
        let rest = try other.basis - basis.matmul(basis.transposed().matmul(other.basis))
        let restEffect = try rest.norm(0).min().item() < 1e-3 ? 0 : effect(SubspacePatch(spot, DAS.orthonormal(rest)))
        add(
            "F18", "Is it the only one?",
            [
                .init("|cos| with another seed's", cosine),
                .init("another seed's effect, FLDD", try effect(other.patch), control: score.fldd.value),
                .init("what of that is orthogonal to this, FLDD", restEffect, control: score.fldd.value)
            ],
            abs(restEffect) > 0.5 * score.fldd.value ? .concern : .information,
            shows: "Whether quite another direction does the same.", cannot: "Only one other was learned.")
    }
}
