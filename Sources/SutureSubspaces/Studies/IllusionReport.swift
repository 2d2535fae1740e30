import SutureTensor

/// What came out of an ``IllusionStudy``.
public struct IllusionReport: Sendable, Codable {
    /// A line of the paper's table, and those that were added to it.
    public enum Kind: String, Sendable, Codable {
        case fullMLP, vMLP, vMLPRow, vMLPRowRaw, vMLPNull, vMLPReadNull, vMLPReadRow, randomMLP, shuffledMLP
        case fullResidual, vResid, vResidRow, vResidNull, vGrad, vGradRow, vGradNull, vMean, randomResidual
        case shuffledResidual
    }

    /// One patch of the table.
    public struct Row: Sendable, Codable {
        public var kind: Kind
        /// Over all seeds together.
        public var score: Score
        /// Each seed alone.
        public var flddBySeed: [Double]
        public var interchangeBySeed: [Double]
    }

    /// The parts of a direction, by seed.
    public struct Norms: Sendable, Codable {
        public var row: [Double]
        public var null: [Double]
    }

    /// What directions do to their own training pairs.
    public struct Training: Sendable, Codable {
        public var mlp: [Double]
        public var resid: [Double]
    }

    /// Another layer's MLP, with one seed.
    public struct OtherLayer: Sendable, Codable {
        public var layer: Int
        public var full: Score
        public var direction: Score
        public var row: Score
        public var rowNorm: Double
    }

    public var model: String
    public var layer: Int
    public var layers: Int
    public var trainPairs: Int
    public var heldOutPairs: Int
    public var seeds: [UInt64]
    public var options: [String: Double]
    /// The clean logit difference on held-out pairs, the share answered rightly, and the share that already says the
    /// other name: the floor of interchange accuracy.
    public var cleanDifference: Double
    public var cleanAccuracy: Double
    public var floor: Double
    public var rows: [Row]
    public var hiddenWidth: Int
    public var rank: Int
    public var mlpNorms: Norms
    public var residNorms: Norms
    public var gradientNorms: Norms
    /// The effects (FLDD) of the directions on the pairs that they were learned from, by seed.
    public var trainingFldd: Training
    /// |cos| of directions, averaged over seeds.
    public var cosines: [String: Double]
    public var readers: [ReadingHeads.Mediator]
    /// The effect (FLDD) of the whole residual stream entering each layer, on 48 training pairs.
    public var scan: [Double]
    /// The MLP's output along v_grad, with and without the patch of the first seed's v_MLP.
    public var dormancy: Dormancy
    public var otherLayers: [OtherLayer]
    /// McNemar's test of interchange hits, direction against its row part, first seed.
    public var rowTest: PairedTest

    /// Two patches on the same pairs.
    public struct PairedTest: Sendable, Codable {
        public var onlyWhole: Int
        public var onlyRow: Int
        public var p: Double
    }

    /// Whether a direction of an MLP does what the whole MLP does not, and loses half of it without its kernel part.
    public static func isIllusion(full: Double, direction: Double, row: Double) -> Bool {
        direction > 0.2 && full < 0.5 * direction && row < 0.5 * direction
    }

    /// The line of a kind, if it was measured.
    public func row(_ kind: Kind) -> Row? { rows.first { $0.kind == kind } }

    /// FLDD of a kind; 0 where it was not measured.
    public func effect(_ kind: Kind) -> Double { row(kind)?.score.fldd.value ?? 0 }
}

extension IllusionLayer {
    func report(_ judgement: Judgement, scan: [Double], study: IllusionStudy, modelName: String) throws
        -> IllusionReport
    {
        let pairs = judgement.pairs
        let clean = judgement.clean
        let rows = zip(judgement.kinds, judgement.outcomes).map { kind, outcomes in
            let each = outcomes.map { Score($0, clean: clean, pairs: pairs) }
            return IllusionReport.Row(
                kind: kind, score: Score(outcomes, clean: clean, pairs: pairs), flddBySeed: each.map(\.fldd.value),
                interchangeBySeed: each.map(\.interchange.value))
        }
        func norms(_ direction: KeyPath<Learned, SplitDirection>) -> IllusionReport.Norms {
            .init(
                row: learned.map { $0[keyPath: direction].rowNorm },
                null: learned.map { $0[keyPath: direction].nullNorm })
        }
        func cosine(_ a: Tensor, _ b: Tensor) throws -> Double { try abs((a * b).sum().item()) }
        func averaged(_ value: (Learned) throws -> Double) throws -> Double { try Bootstrap.mean(learned.map(value)) }
        var cosines = [
            "v_resid, v_grad": try averaged { try cosine($0.resid.whole, $0.gradient.whole) },
            "v_resid, v_mean": try averaged { try cosine($0.resid.whole, $0.means.whole) },
            "v_grad, v_mean": try averaged { try cosine($0.gradient.whole, $0.means.whole) }
        ]
        if learned.count > 1 {
            let later = learned.dropFirst()
            cosines["v_MLP, between seeds"] = try Bootstrap.mean(
                later.map { try cosine($0.mlp.whole, learned[0].mlp.whole) })
            cosines["v_resid, between seeds"] = try Bootstrap.mean(
                later.map { try cosine($0.resid.whole, learned[0].resid.whole) })
        }
        let base = try Tensor.concatenated(judgement.base, 0)
        let source = try Tensor.concatenated(judgement.source, 0)
        let first = learned[0]
        func hits(_ kind: IllusionReport.Kind) -> [Bool] {
            guard let index = judgement.kinds.firstIndex(of: kind) else { return [] }
            return pairs.indices.map { judgement.outcomes[index][0].top[$0] == pairs[$0].target }
        }
        let test = Bootstrap.mcNemar(hits(.vMLP), hits(.vMLPRow))
        return IllusionReport(
            model: modelName, layer: layer, layers: model.architecture.layers, trainPairs: study.trainPairs,
            heldOutPairs: pairs.count, seeds: study.seeds, options: study.das.options,
            cleanDifference: Bootstrap.mean(clean.difference),
            cleanAccuracy: Bootstrap.mean(pairs.indices.map { clean.top[$0] == pairs[$0].answer ? 1 : 0 }),
            floor: Bootstrap.mean(pairs.indices.map { clean.top[$0] == pairs[$0].target ? 1 : 0 }), rows: rows,
            hiddenWidth: self.rows.width, rank: self.rows.rank, mlpNorms: norms(\.mlp), residNorms: norms(\.resid),
            gradientNorms: norms(\.gradient),
            trainingFldd: .init(mlp: learned.map(\.onTraining.mlp), resid: learned.map(\.onTraining.resid)),
            cosines: cosines, readers: Array(mediators.prefix(8)), scan: scan,
            dormancy: try Dormancy(
                base: base, source: source, read: first.mlp.whole, write: first.mlp.whole, writing: writing,
                along: first.gradient.whole),
            otherLayers: zip(elsewhere, judgement.elsewhere).map { found, outcomes in
                let scores = outcomes.map { Score($0, clean: clean, pairs: pairs) }
                return .init(
                    layer: found.layer, full: scores[0], direction: scores[1], row: scores[2],
                    rowNorm: found.split.rowNorm)
            },
            rowTest: .init(onlyWhole: test.onlyA, onlyRow: test.onlyB, p: test.p))
    }
}
