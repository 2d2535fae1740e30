import SutureTensor

/// How well the evidence tells planted illusions from planted mediators.
public struct PlantedStudy: Sendable, Codable {
    /// What was found of one network.
    public struct Model: Sendable, Codable {
        public var family: PlantedModel.Family.Kind
        public var isIllusory: Bool
        public var width: Int
        public var hiddenWidth: Int
        public var noise: Double
        /// The effects (FLDD) of the direction and of the whole layer.
        public var effect: Double
        public var whole: Double
        public var score: DormancyScore
        /// 1 - the effect of the row part / that of the direction: the row test alone.
        public var rowLoss: Double
        /// The same with the row part as it is, shorter than one.
        public var rawRowLoss: Double
    }

    /// How well a group of networks is told apart.
    public struct Separation: Sendable {
        public var models: Int
        /// The area under the ROC curve of the dormancy score, and of the row test alone.
        public var evidence: Double
        public var rowTest: Double
        public var rawRowTest: Double
        /// The share that the threshold puts on the right side.
        public var right: Double
    }

    public var isCalibration: Bool
    public var models: [Model]

    /// Half of `count` networks of each family are illusory.
    public init(
        _ kinds: [PlantedModel.Family.Kind] = PlantedModel.Family.Kind.allCases, isCalibration: Bool = false,
        count: Int,
        seed: UInt64, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        self.isCalibration = isCalibration
        models = []
        for (place, kind) in kinds.enumerated() {
            let family = PlantedModel.Family(kind, isCalibration: isCalibration)
            for index in 0..<count {
                let number = seed &+ UInt64(place * count + index)
                models.append(try Tensor.withoutGradients { try Self.judge(family, index % 2 == 0, seed: number) })
                progress("planting networks", models.count, kinds.count * count)
            }
        }
    }

    private static func judge(_ family: PlantedModel.Family, _ isIllusory: Bool, seed: UInt64) throws -> Model {
        let model = try PlantedModel(isIllusory: isIllusory, family, seed: seed)
        let evidence = try Evidence(model, model.direction.unsqueezed(1))
        let effect = evidence.direction.value
        func loss(_ part: SplitDirection.Part) -> Double {
            effect == 0 ? 0 : 1 - (evidence.effect(part)?.value ?? 0) / effect
        }
        return Model(
            family: family.kind, isIllusory: isIllusory, width: model.widths.d, hiddenWidth: model.widths.m,
            noise: model.noise, effect: effect, whole: evidence.whole.value, score: DormancyScore(evidence),
            rowLoss: loss(.row), rawRowLoss: loss(.rowRaw))
    }

    /// The networks of a group, by the evidence and by the row test alone.
    public func separation(_ group: (Model) -> Bool = { _ in true }) -> Separation {
        let chosen = models.filter(group)
        let illusory = chosen.filter(\.isIllusory)
        let faithful = chosen.filter { !$0.isIllusory }
        let right = chosen.count { ($0.score.value > DormancyScore.threshold) == $0.isIllusory }
        return Separation(
            models: chosen.count, evidence: AUC.value(illusory.map(\.score.value), faithful.map(\.score.value)),
            rowTest: AUC.value(illusory.map(\.rowLoss), faithful.map(\.rowLoss)),
            rawRowTest: AUC.value(illusory.map(\.rawRowLoss), faithful.map(\.rawRowLoss)),
            right: chosen.isEmpty ? 0 : Double(right) / Double(chosen.count))
    }

    /// The threshold that puts most of these networks on the right side, in the middle of the best interval.
    public var bestThreshold: Double {
        let values = models.map(\.score.value).sorted()
        let cuts = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
        func right(_ cut: Double) -> Int { models.count { ($0.score.value > cut) == $0.isIllusory } }
        let best = cuts.map(right).max() ?? 0
        let good = cuts.filter { right($0) == best }
        return good.isEmpty ? 0.5 : good[good.count / 2]
    }
}
