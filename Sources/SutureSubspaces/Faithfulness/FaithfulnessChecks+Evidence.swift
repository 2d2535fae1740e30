import SutureModels
import SutureTensor

extension FaithfulnessChecks {
    /// The effect itself, and what should have none.
    mutating func controls() throws {
        let none = Estimate(0, low: 0, high: 0)
        func inert(_ name: String, _ patch: SubspacePatch) throws -> Estimate {
            let outputs = try runs.outputs(patch)
            let effect = fldd(outputs)
            if abs(effect.value) > control.fldd { (control.name, control.fldd) = (name, abs(effect.value)) }
            control.interchange = max(control.interchange, interchange(outputs))
            return effect
        }
        let randoms = try (1...5).map { seed in
            try inert(
                "a random direction",
                Directions.random(model, at: location, count: subspace.count, seed: UInt64(seed)).patch)
        }
        let random = randoms.max { abs($0.value) < abs($1.value) } ?? none
        var das = plan.das
        das.directions = subspace.count
        let pairs = Directions.shuffled(plan.train, seed: 1)
        // Where hardly a pair has another prompt of its own class, there is nothing to learn from, and nothing to compare.
        let isFit = pairs.count(where: { !$0.hasEqualPrompts }) >= max(8, pairs.count / 4)
        let shuffledEffect =
            try isFit
            ? {
                let shuffled = try PairedRuns(model, pairs, at: [location])
                let learned = try das.train(shuffled, at: location) { [plan] epoch, count, _ in
                    plan.progress("learning where there is nothing to learn", epoch, count)
                }
                return try inert("a direction learned from shuffled sources", learned.patch)
            }() : nil
        let randomMLP = try randomMLPEffect(das)
        add(
            .effectSize,
            [
                .init("FLDD: 0 changes nothing, 1 takes the answer's lead, 2 turns it round", score.fldd),
                .init(
                    "interchange accuracy", score.interchange, control: floor,
                    isWrong: score.fldd.value > 0.3 && score.interchange.value - floor < 0.1),
                .init("two-way accuracy", score.twoWay), .init("KL(clean || patched), nats", score.divergence),
                .init("logit difference, patched", score.difference, control: Bootstrap.mean(clean.difference))
            ],
            score.fldd.value > 0.3 && score.interchange.value - floor < 0.1 ? .concern : .information,
            shows:
                "That the output follows the patch. A large FLDD with interchange accuracy at its floor means that the margin "
                + "shrinks but the answer stays.",
            cannot: "Why the output follows.")
        add(
            .inertDirections,
            [
                .init(
                    "FLDD of the strongest of 5 random directions", random, control: score.fldd.value,
                    isWrong: abs(random.value) > score.fldd.value / 3)
            ]
                + (shuffledEffect.map {
                    [
                        .init(
                            "learned from sources of the base's own class, FLDD", $0, control: score.fldd.value,
                            isWrong: abs($0.value) > score.fldd.value / 3)
                    ]
                } ?? [])
                + (randomMLP.map {
                    [
                        .init(
                            "learned in an MLP with random weights, FLDD", $0, control: score.fldd.value,
                            isWrong: $0.value > score.fldd.value / 2)
                    ]
                } ?? []),
            control.fldd > score.fldd.value / 3 || (randomMLP?.value ?? 0) > score.fldd.value / 2
                ? .concern : .supports,
            shows:
                "That the effect needs this direction rather than any; and, where an MLP that has learned nothing gives as much, "
                + "that the effect says nothing of what this one has learned.",
            cannot: (randomMLP == nil
                ? "An MLP with random weights was not tried: the location is not in the hidden activations of one."
                : "A trained MLP may well hold what a random one could be made to hold.")
                + (isFit
                    ? ""
                    : " Nothing was learned from sources of the base's own class: too few prompts share an answer or a label.")
        )
        // Base and source the same: D = 0.
        let change = try Tensor.withoutGradients {
            try runs.batches.map { batch in
                let own = try batch.base(location)
                let basis = subspace.basis
                let change = Intervention(
                    location.site, at: try batch.positions(location.tokens), .swap(basis, from: own))
                let logits = try batch.trace.replay(prompts: Array(batch.pairs.indices), [change]).logits
                return try (logits - batch.trace.logits).abs().max().item()
            }.max() ?? 0
        }
        add(
            .identity,
            [.init("largest |change of a logit|", change, isWrong: change >= 1e-3)],
            change < 1e-3 ? .supports : .concern, shows: "That the machinery is right.",
            cannot: "Anything about the model.")
    }

    /// The effect of a direction that was learned in an MLP with random weights beside the location's own.
    private func randomMLPEffect(_ das: DAS) throws -> Estimate? {
        guard let training = try RandomMLP(trainRuns, at: location, seed: 1),
            let judged = try RandomMLP(runs, at: location, seed: 1)
        else { return nil }
        let basis = try training.learn(trainRuns, by: das) { [plan] epoch, count, _ in
            plan.progress("learning in a random MLP", epoch, count)
        }.basis
        return try fldd(runs.outputs { [try judged.change(basis, $0, Array($0.pairs.indices))] })
    }

    /// The whole component, the parts of the direction.
    mutating func decomposition() throws {
        let component = try ModelComponent(runs, at: location)
        let wholeScore = Score(try component.outputs(component.source), clean: clean, pairs: heldOut)
        add(
            .wholeComponent,
            [
                .init(
                    "whole component, FLDD", wholeScore.fldd, control: score.fldd.value,
                    isWrong: wholeScore.fldd.value < 0.5 * score.fldd.value),
                .init("whole component, interchange accuracy", wholeScore.interchange, control: score.interchange.value)
            ],
            wholeScore.fldd.value < 0.5 * score.fldd.value ? .concern : .supports,
            shows: "Where it does not, the patch creates an effect rather than locating one.",
            cannot: "Parts of a component can cancel: a small effect of the whole does not decide by itself.")
        let isExact = try model.writing(location.site) != nil
        guard let space else {
            for id: FaithfulnessReport.CheckName in [
                .rowPart,
                .kernelPart, .split,
                .readsKernel,
                .inputSeparation
            ] {
                add(id, [], .notMeasured, shows: "", cannot: "No map defines a kernel at this site.")
            }
            return
        }
        let split = try SplitDirection(subspace.basis, in: space)
        let rowPatch = try split.patch(.row, at: location)
        let rowOutcome = try rowPatch.map { try runs.outputs($0) }
        func hits(_ outcome: PairOutputs) -> [Bool] { heldOut.indices.map { outcome.top[$0] == heldOut[$0].target } }
        let test = Bootstrap.mcNemar(hits(outcome), rowOutcome.map(hits) ?? heldOut.map { _ in false })
        let none = Estimate(0, low: 0, high: 0)
        let rowEffect = (evidence.effect(.row) ?? none).value
        let rowScore = rowOutcome.map { Score($0, clean: clean, pairs: heldOut) }
        add(
            .rowPart,
            [
                .init(
                    "row part, FLDD", rowScore?.fldd ?? none, control: score.fldd.value,
                    isWrong: rowEffect < 0.5 * evidence.direction.value),
                .init("row part, not normalised, FLDD", evidence.effect(.rowRaw) ?? none),
                .init(
                    "row part, interchange accuracy", rowScore?.interchange ?? none, control: score.interchange.value),
                .init("McNemar p of the two accuracies", test.p)
            ],
            rowEffect < 0.5 * evidence.direction.value ? .concern : .supports,
            shows: isExact
                ? "How much of the effect is left without what cannot reach the output."
                : "How much is left of what the reading heads' queries see; other reading heads are not counted.",
            cannot: "A faithful direction can lose half as well; in rank one the test is blind.")
        let nullEffect = evidence.effect(.null) ?? none
        add(
            .kernelPart,
            [.init("kernel part, FLDD", nullEffect, isWrong: isExact && abs(nullEffect.value) >= 1e-3)],
            isExact ? (abs(nullEffect.value) < 1e-3 ? .supports : .concern) : .information,
            shows: isExact
                ? "That the decomposition is right."
                : "What reaches the output past the reading heads that were found.",
            cannot: isExact
                ? "Anything about the model." : "Here the kernel is a stand-in: other parts of the network see it.")
        add(
            .split,
            [
                .init("length of the row part", split.rowNorm),
                .init("length of the kernel part", split.nullNorm, control: space.randomNull),
                .init("rank", Double(space.rank)), .init("width", Double(space.width))
            ],
            .information, shows: "The control is a random direction's.", cannot: "Nothing by itself.")
        let readNull = evidence.effect(.readNull) ?? none
        let readRow = evidence.effect(.readRow) ?? none
        add(
            .readsKernel,
            [
                .init(
                    "reads the kernel part, writes the direction, FLDD", readNull, control: evidence.direction.value,
                    isWrong: readNull.value > 0.5 * evidence.direction.value),
                .init("reads the row part, writes the direction, FLDD", readRow, control: evidence.direction.value),
                .init("sum less the whole effect", evidence.additivity ?? none, control: 0)
            ],
            readNull.value > 0.5 * evidence.direction.value ? .concern : .supports,
            shows:
                "What is read in the kernel has no effect in any natural run; if most of the effect comes from there, the patch "
                + "carries it over to where it has.",
            cannot: "Features spread over many channels read partly in the kernel without harm.")
        add(
            .inputSeparation,
            [
                .init("gap / deviation along the row part", evidence.rowSeparation ?? none),
                .init(
                    "gap / deviation along the kernel part", evidence.nullSeparation ?? none,
                    control: evidence.rowSeparation?.value,
                    isWrong: (evidence.nullSeparation ?? none).value > 2 * (evidence.rowSeparation ?? none).value)
            ],
            (evidence.nullSeparation ?? none).value > 2 * (evidence.rowSeparation ?? none).value
                ? .concern : .information,
            shows: "A row part along which base and source hardly differ is dormant.",
            cannot: "Separation is correlation.")
    }

    /// Natural and patched values.
    mutating func distribution() throws {
        let dormancy = evidence.dormancy.estimates()
        add(
            .outputRange,
            [
                .init("patch / natural difference", dormancy.ratio, control: 1, isWrong: dormancy.ratio.value > 3),
                .init(
                    "share outside everything natural", dormancy.outside, control: 0,
                    isWrong: dormancy.outside.value > 0.05)
            ],
            dormancy.ratio.value > 3 || dormancy.outside.value > 0.05 ? .concern : .supports,
            shows: "Whether the patch asks the rest of the network for what it never sees.",
            cannot: "Values out of range need not be wrong.")
        add(
            .naturalness,
            [
                .init(
                    "distance to the nearest natural value / usual", evidence.neighborRatio, control: 1,
                    isWrong: evidence.neighborRatio.value > 2),
                .init(
                    "energy beyond channels' ranges", evidence.rangeExit, control: 0,
                    isWrong: evidence.rangeExit.value > 0.5),
                .init(
                    "energy on silent channels", evidence.quietShare, control: 0,
                    isWrong: evidence.quietShare.value > 0.2)
            ],
            evidence.neighborRatio.value > 2 || evidence.rangeExit.value > 0.5 || evidence.quietShare.value > 0.2
                ? .concern : .supports,
            shows: "Whether channels are set to what they never are.", cannot: "Distance is not harm.")
        add(
            .supersets,
            evidence.supersets.map {
                .init(
                    "\($0.channels) channels with \(Int($0.share * 100))% of the direction, FLDD", $0.effect,
                    control: evidence.direction.value,
                    isWrong: $0.share == evidence.supersets.last?.share
                        && $0.effect.value < 0.5 * evidence.direction.value)
            },
            (evidence.supersets.last?.effect.value ?? 0) < 0.5 * evidence.direction.value ? .concern : .supports,
            shows: "A feature in a component should be in the channels that hold it, too.",
            cannot: "Channels are a basis that the network need not care for, in the residual stream least of all.")
        let (chance, accuracy) = try leakage()
        add(
            .otherKnowledge,
            [
                .init(
                    "nearest-mean accuracy for the answer's word", accuracy, control: chance,
                    isWrong: accuracy.value > 3 * chance + 0.02)
            ],
            accuracy.value > 3 * chance + 0.02 ? .concern : .supports,
            shows: "Whether the words themselves can be read off.", cannot: "Only the answer's identity was looked for."
        )
    }

    /// Leave-one-out nearest-mean prediction of the answer from values along the direction.
    private func leakage() throws -> (chance: Double, accuracy: Estimate) {
        let values = try trainRuns.values(location).base.matmul(subspace.basis).selected(1, 0).elements(as: Double.self)
        let labels = trainRuns.pairs.map(\.answer)
        let groups = Dictionary(grouping: labels.indices, by: { labels[$0] }).filter { $0.value.count > 1 }
        let members = groups.values.flatMap(\.self)
        guard groups.count > 1 else { return (0, Estimate(0, low: 0, high: 0)) }
        let hits = members.map { index -> Double in
            let nearest = groups.keys.sorted().min { a, b in
                func distance(_ label: Int) -> Double {
                    let others = (groups[label] ?? []).filter { $0 != index }
                    return abs(Bootstrap.mean(others.map { values[$0] }) - values[index])
                }
                return distance(a) < distance(b)
            }
            return nearest == labels[index] ? 1 : 0
        }
        return (1 / Double(groups.count), Bootstrap.estimate([hits]) { $0[0] })
    }
}
