import SutureModels
import SutureTensor

extension FaithfulnessChecks {
    /// Other pairs, both directions.
    mutating func generalisation() throws {
        let trainPairs = plan.train.indices.filter { !plan.train[$0].isIdentity }
        let trainClean = try trainRuns.clean()
        let trainPatched = try trainRuns.outputs(subspace.patch)
        func fldd(_ clean: PairOutputs, _ patched: PairOutputs, _ rows: [Int]) -> Estimate {
            let (before, after) = (clean.difference, patched.difference)
            return Bootstrap.estimate([rows.map { before[$0] }, rows.map { after[$0] }]) {
                $0[0] == 0 ? 0 : 1 - $0[1] / $0[0]
            }
        }
        let train = fldd(trainClean, trainPatched, trainPairs)
        let labels = Set(heldOut.compactMap(\.baseLabel)).sorted()
        let each = labels.map { label in
            (label, fldd(clean, outcome, heldOut.indices.filter { heldOut[$0].baseLabel == label }))
        }
        let least = each.map(\.1.value).min() ?? score.fldd.value
        add(
            .generalization,
            [
                .init(
                    "held-out pairs, FLDD", score.fldd, control: train.value,
                    isWrong: score.fldd.value < 0.7 * train.value),
                .init("the pairs it was learned from, FLDD", train)
            ]
                + each.map { .init("base \($0.0), FLDD", $0.1, isWrong: $0.1.value < 0.3 * score.fldd.value) },
            score.fldd.value < 0.7 * train.value || least < 0.3 * score.fldd.value ? .concern : .supports,
            shows: "The control is the effect on the pairs it was learned from.",
            cannot: "Other tasks and other kinds of text.")
        let count = Double(plan.train.count) / Double(subspace.count)
        add(
            .trainingPairs, [.init("pairs for each direction", count, isWrong: count < 10)],
            count < 10 ? .concern : .information,
            shows: "One pair can be fitted by nearly any direction.",
            cannot: "Many pairs of one template are not many tasks.")
    }

    /// Taking the direction away.
    mutating func necessity() throws {
        func damage(_ basis: Tensor) throws -> Estimate {
            fldd(try runs.outputs(ablating: location, .mean, directions: basis))
        }
        let own = try damage(subspace.basis)
        let random = try damage(Directions.random(model, at: location, count: subspace.count, seed: 11).basis)
        let resampled = fldd(
            try runs.outputs(ablating: location, .resample(seed: 1), directions: subspace.basis))
        var values: [FaithfulnessReport.Value] = [
            .init(
                "set to its mean: share of the logit difference lost", own, control: random.value,
                isWrong: own.value < 0.1),
            .init("set to another prompt's: share of the logit difference lost", resampled, control: random.value)
        ]
        if !plan.unrelated.isEmpty {
            let kl = try Tensor.withoutGradients { try unrelatedDivergence() }
            values.append(.init("set to its mean: KL on unrelated text, nats", kl))
        }
        add(
            .necessity, values, own.value < 0.1 ? .concern : .supports,
            shows: "A direction that the model uses is missed when it is gone.",
            cannot: "Backups can hide a loss; a loss can have other reasons.")
    }

    private func unrelatedDivergence() throws -> Estimate {
        let mean = try Directions.labelled(trainRuns, at: location).rows.mean([0]).reshaped([1, 1, -1])
        let change = Intervention(location.site, .swap(subspace.basis, from: mean))
        var sums: [Double] = []
        var counts: [Double] = []
        for text in plan.unrelated where text.count > 1 {
            let before = try model.run([text], logits: .all).logits.logSoftmax()
            let after = try model.run([text], [change], logits: .all).logits.logSoftmax()
            sums.append(try (before.exp() * (before - after)).sum().item())
            counts.append(Double(text.count))
        }
        return Bootstrap.estimate([sums, counts]) { $0[1] > 0 ? $0[0] / $0[1] : 0 }
    }

    /// The heads that should carry the effect.
    mutating func mediation() throws {
        guard let contrast = plan.contrast, stream != nil, !readers.isEmpty else {
            add(
                .mediation, [], .notMeasured, shows: "",
                cannot:
                    "The pairs name no two roles between which the reading heads choose, or the location is not the last token."
            )
            return
        }
        let chosen = readers.prefix(6).map(\.head)
        let scores = try Tensor.withoutGradients { try readerScores(chosen, contrast) }
        let share = try shareLost(holding: chosen)
        add(
            .mediation,
            [
                .init(
                    "reading heads' scores moved, relative to their size",
                    Bootstrap.estimate([zip(scores.clean, scores.patched).map { abs($1 - $0) }, scores.clean.map(abs)])
                    {
                        $0[1] > 0 ? $0[0] / $0[1] : 0
                    }),
                .init(
                    "share of the effect lost when 6 reading heads' queries are held", share,
                    control: try shareLost(holding: readers.suffix(6).map(\.head)).value)
            ],
            share.value > 0.3 ? .supports : .information,
            shows:
                "Heads \(chosen.map(\.description).joined(separator: ", ")) carry most of a whole patch of the stream; the control "
                + "holds the 6 that carry least.",
            cannot: "An illusion can act through the natural reading heads too: it writes what they read.")
    }

    /// How much more some heads attend to one role than to the other, without and with the patch, for each head and pair.
    private func readerScores(_ heads: [Head], _ contrast: (toward: String, against: String)) throws
        -> (clean: [Double], patched: [Double])
    {
        let sites = Set(heads.map(\.layer)).sorted().map(Site.queries)
        var result: (clean: [Double], patched: [Double]) = ([], [])
        for batch in runs.batches {
            let rows = Array(batch.pairs.indices)
            func scores(_ changes: [Intervention]) throws -> [Double] {
                let run = try batch.trace.replay(prompts: rows, changes, capturing: sites, logits: .none)
                return try heads.flatMap { head in
                    try ReadingHeads.scores(
                        batch, run[.queries(head.layer)], head, toward: contrast.toward, against: contrast.against,
                        model.architecture
                    ).elements(as: Double.self)
                }
            }
            result.clean += try scores([])
            result.patched += try scores([subspace.patch.intervention(on: batch)])
        }
        return result
    }

    /// The share of the effect that is gone when the queries of some heads are held as they are without the patch.
    private func shareLost(holding heads: [Head]) throws -> Estimate {
        let sites = Set(heads.map(\.layer)).sorted().map(Site.queries)
        let width = model.architecture.headWidth
        let held = try runs.outputs { batch in
            let before = try batch.trace.replay(
                prompts: Array(batch.pairs.indices), [], capturing: sites, logits: .none)
            let holds = try heads.map { head in
                let units = Array(head.index * width..<(head.index + 1) * width)
                let queries = try before[.queries(head.layer)]
                let last = queries.shape[1] - 1
                let value = try queries.narrowed(1, last..<last + 1).indexSelected(2, at: units)
                return Intervention(.queries(head.layer), at: .last, units: units, .replace(value))
            }
            return [try subspace.patch.intervention(on: batch)] + holds
        }
        // 1 - (clean - held) / (clean - patched), in logit differences.
        return Bootstrap.estimate([clean.difference, outcome.difference, held.difference]) {
            $0[0] == $0[1] ? 0 : ($0[2] - $0[1]) / ($0[0] - $0[1])
        }
    }

    /// Other directions and other seeds.
    mutating func alternatives() throws {
        let baseline = 1 / Double(subspace.width).squareRoot()
        var values: [FaithfulnessReport.Value] = []
        let labels = Set((heldOut.map(\.baseLabel) + heldOut.map(\.sourceLabel)).compactMap(\.self)).sorted()
        if labels.count == 2 {
            let means = try Directions.differenceOfMeans(trainRuns, at: location, labels[0], labels[1])
            values.append(
                .init("|cos| with the difference of means", try subspace.cosines(to: means)[0], control: baseline))
        }
        let principal = try Directions.principal(trainRuns, at: location)
        values.append(
            .init("|cos| with the first principal direction", try subspace.cosines(to: principal)[0], control: baseline)
        )
        if let contrast = plan.contrast, let stream, stream == location {
            let gradient = try Directions.gradient(
                trainRuns, of: readers.prefix(3).map(\.head), at: location, toward: contrast.toward,
                against: contrast.against)
            values.append(
                .init(
                    "|cos| with the reading heads' gradient", try subspace.cosines(to: gradient)[0], control: baseline))
        }
        let best = values.map(\.value).max() ?? 0
        add(
            .independentDirections, values, best > 0.5 ? .supports : .information,
            shows: "Agreement with a direction that was not learned from the patch's effect.",
            cannot: "The control is what random directions reach. Disagreement proves little: many directions may do.")
        var das = plan.das
        das.seed = plan.das.seed &+ 101
        das.start = .random
        das.directions = subspace.count
        let other = try das.train(trainRuns, at: location) { [plan] epoch, count, _ in
            plan.progress("learning with another seed", epoch, count)
        }
        let cosine = try subspace.cosines(to: other).last ?? 0
        // What of the other is not this.
        let basis = subspace.basis
        let rest = try other.basis - basis.matmul(basis.transposed().matmul(other.basis))
        let restEffect =
            try rest.norm(0).min().item() < 1e-3
            ? Estimate(0, low: 0, high: 0) : effect(SubspacePatch(location, DAS.orthonormal(rest)))
        add(
            .uniqueness,
            [
                .init("|cos| with another seed's", cosine, control: baseline),
                .init("another seed's effect, FLDD", try effect(other.patch), control: score.fldd.value),
                .init(
                    "what of that is orthogonal to this, FLDD", restEffect, control: score.fldd.value,
                    isWrong: abs(restEffect.value) > 0.5 * score.fldd.value)
            ],
            abs(restEffect.value) > 0.5 * score.fldd.value ? .concern : .information,
            shows: "Whether quite another direction does the same.", cannot: "Only one other was learned.")
    }
}
