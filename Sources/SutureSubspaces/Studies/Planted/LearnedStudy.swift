import SutureModels
import SutureTensor

/// How well the evidence tells illusions from mediators where DAS learned the directions, in networks of three families.
///
/// Of the constructed family, that of ``PlantedStudy``, the directions are constructed. Thresholds of one family can be
/// tried on the others.
public struct LearnedStudy: Sendable, Codable {
    /// Where networks and directions come from.
    public enum Family: String, Sendable, Codable, CaseIterable {
        /// Hidden layers with constructed directions: ``PlantedModel``.
        case constructed
        /// Random transformers with a circuit put in by hand, and learned directions.
        case assembled
        /// Trained transformers, and learned directions.
        case trained
    }

    /// A direction, and what was measured of it on pairs that it was not learned from.
    public struct Direction: Sendable, Codable {
        public var family: Family
        /// How the network was made, in words.
        public var kind: String
        public var seed: UInt64
        /// Nil where nothing of the feature is in the layer.
        public var isIllusory: Bool?
        /// The share of the effect that is read from and written to the used channels, where these are known.
        public var usedShare: Double?
        /// Its effect (FLDD), and that of a direction learned from sources of the base's own class.
        public var effect: Double
        public var inert: Double?
        public var score: DormancyScore
        /// What each check finds by itself: the higher, the more it speaks for an illusion.
        public var checks: [String: Double]

        /// Which half of the networks it is of. Every second constructed one is illusory, so halves are of pairs of seeds.
        var isForThreshold: Bool { (seed / 2) % 2 == 0 }

        /// What a check says, by itself.
        public func value(_ check: Check) -> Double { checks[check.rawValue] ?? 0 }
    }

    /// A check of the faithfulness report, by itself.
    public enum Check: String, Sendable, CaseIterable {
        case created = "the whole does not carry it"
        case shrinks = "shrinks in whole channels"
        case readsKernel = "reads the kernel"
        case silent = "the row part is silent"
        case pushed = "pushes beyond natural"
        case row = "row test"
        case rawRow = "raw row test"
        case outside = "outputs out of range"
        case rangeExit = "channels out of range"
        case neighbors = "far from natural values"
        case needless = "not missed when it is gone"
    }

    /// Below this effect a direction does not control the output, as in the faithfulness report.
    public static let leastEffect = 0.1

    public var directions: [Direction]
    /// Networks of which the truth could not be told, by family.
    public var dropped: [String: Int]

    /// - Parameters:
    ///   - count: networks of each kind; half of the constructed ones are illusory, and a trained one is asked two questions.
    ///   - seed: of the first network; each has its own, which also draws the start of DAS.
    ///   - families: which are made.
    ///   - steps: how long a network is trained.
    ///   - pairs: as many to learn from, and as many to judge by.
    ///   - progress: hears of each network.
    public init(
        count: Int, seed: UInt64, families: [Family] = Family.allCases, steps: Int = 400, pairs: Int = 240,
        progress: ProgressHandler = { _, _, _ in }
    ) throws {
        directions = []
        dropped = [:]
        for family in families {
            switch family {
            case .constructed:
                for (place, kind) in PlantedModel.Family.Kind.allCases.enumerated() {
                    for index in 0..<count {
                        let number = seed &+ UInt64(place * count + index)
                        directions.append(try Self.constructed(kind, index % 2 == 0, seed: number))
                        progress("constructed networks", place * count + index + 1, 4 * count)
                    }
                }
            case .assembled:
                for (place, kind) in AssembledModel.Kind.allCases.enumerated() {
                    for index in 0..<count {
                        let number = seed &+ UInt64(place * count + index)
                        let network = try AssembledModel.make(kind, seed: number, pairs: pairs)
                        directions.append(try Self.learned(family, network, seed: number))
                        progress("assembled networks", place * count + index + 1, 4 * count)
                    }
                }
            case .trained:
                for index in 0..<count {
                    let number = seed &+ UInt64(index)
                    let places = try TrainedModel.make(seed: number, pairs: pairs, steps: steps)
                    for place in places { directions.append(try Self.learned(family, place, seed: number)) }
                    dropped[family.rawValue, default: 0] += 2 - places.count
                    progress("trained networks", index + 1, count)
                }
            }
        }
    }

    private static func constructed(_ kind: PlantedModel.Family.Kind, _ isIllusory: Bool, seed: UInt64) throws
        -> Direction
    {
        try Tensor.withoutGradients {
            let model = try PlantedModel(isIllusory: isIllusory, .init(kind, isCalibration: false), seed: seed)
            let evidence = try Evidence(model, model.direction.unsqueezed(1))
            return Direction(
                family: .constructed, kind: kind.rawValue, seed: seed, isIllusory: isIllusory,
                effect: evidence.direction.value, score: DormancyScore(evidence), checks: checks(evidence))
        }
    }

    private static func learned(_ family: Family, _ network: PlantedTransformer, seed: UInt64) throws -> Direction {
        let location = network.location
        var das = DAS()
        (das.start, das.seed, das.epochs, das.rate) = (.random, seed, 20, 0.03)
        func learn(_ pairs: [TokenizedPair]) throws -> Subspace {
            try das.train(PairedRuns(network.model, pairs, at: [location]), at: location)
        }
        let direction = try learn(network.train)
        let inert = try learn(Directions.shuffled(network.train, seed: seed))
        return try Tensor.withoutGradients {
            let runs = try PairedRuns(network.model, network.heldOut, at: [location])
            let component = try ModelComponent(runs, at: location)
            let evidence = try Evidence(component, direction.basis)
            let clean = try runs.clean()
            func effect(_ outputs: PairOutputs) -> Double {
                1 - Bootstrap.mean(outputs.difference) / Bootstrap.mean(clean.difference)
            }
            var checks = checks(evidence)
            checks[Check.needless.rawValue] = try -effect(
                runs.outputs(ablating: location, .mean, directions: direction.basis))
            var found = Direction(
                family: family, kind: network.kind, seed: seed, effect: evidence.direction.value,
                inert: try effect(runs.outputs(inert.patch)), score: DormancyScore(evidence), checks: checks)
            switch network.truth {
            case .blind: break
            case .site(let isIllusory): found.isIllusory = isIllusory
            case .channels(let used):
                let width = direction.width
                let isUsed = try Tensor((0..<width).map { used.contains($0) ? 1 : 0 as Float }, shape: [width, 1])
                let part = try direction.basis * isUsed
                let share = try effect(runs.outputs(SubspacePatch(location, read: part, write: part))) / found.effect
                (found.usedShare, found.isIllusory) = (share, share < 0.5)
            }
            return found
        }
    }

    private static func checks(_ evidence: Evidence) -> [String: Double] {
        let score = DormancyScore(evidence)
        let effect = evidence.direction.value
        func loss(_ part: SplitDirection.Part) -> Double {
            effect == 0 ? 0 : 1 - (evidence.effect(part)?.value ?? 0) / effect
        }
        let values: [Check: Double] = [
            .created: score.created, .shrinks: score.shrinks, .readsKernel: score.readsKernel ?? 0,
            .silent: score.silent ?? 0, .pushed: score.pushed, .row: loss(.row), .rawRow: loss(.rowRaw),
            .outside: evidence.dormancy.outside, .rangeExit: evidence.rangeExit.value,
            .neighbors: evidence.neighborRatio.value
        ]
        return Dictionary(uniqueKeysWithValues: values.map { ($0.key.rawValue, $0.value) })
    }
}
