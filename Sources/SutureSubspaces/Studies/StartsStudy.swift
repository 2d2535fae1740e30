import Foundation
import SutureModels
import SutureTensor
import SutureTokenizers

/// Directions learned from random starts in every layer, beside the one learned from a computed start: how often an
/// illusion is found without a helping hand, how large it is, and whether the directions agree.
///
/// The task is that of ``IllusionStudy``. All directions are learned from the same training pairs; the random seed decides the
/// start and the order of the steps. Beside the trained MLPs stand ones with random weights (Makelov, Lange & Nanda 2023,
/// appendix B.5).
public struct StartsStudy: Sendable {
    /// The layers; nil for all but the last.
    public var layers: [Int]?
    /// How many random starts there are.
    public var starts = 10
    /// How many MLPs with random weights directions are learned in, for each layer.
    public var controls = 3
    public var trainPairs = 200
    public var heldOutPairs = 500
    public var das = DAS()
    /// A directory that learned directions are kept in, so that a study that was interrupted goes on.
    public var folder: URL?

    /// The default settings.
    public init() {}

    /// Layers whose runs are kept at the same time.
    private static let group = 6

    /// Runs the study on a model.
    ///
    /// Throws ``SubspaceError`` for layers that the model does not have, or too few pairs.
    public func run(
        _ model: LanguageModel, _ tokenizer: Tokenizer, modelName: String,
        progress: @escaping ProgressHandler = { _, _, _ in }
    ) throws -> StartsReport {
        guard trainPairs >= 8, heldOutPairs > 1 else {
            throw SubspaceError(.badRequest, "the study needs 8 training pairs and 2 held-out pairs at least")
        }
        let train = try IOI(.train, tokenizer).balanced(trainPairs, seed: 1).map { try TokenizedPair($0, tokenizer) }
        let heldOut = try IOI(.heldOut, tokenizer).swapped(heldOutPairs, seed: IllusionStudy.heldOutSeed)
            .map { try TokenizedPair($0, tokenizer) }
        return try run(model, learning: train, judging: heldOut, modelName: modelName, progress: progress)
    }

    /// The same on any pairs.
    func run(
        _ model: LanguageModel, learning train: [TokenizedPair], judging heldOut: [TokenizedPair], modelName: String,
        progress: @escaping ProgressHandler = { _, _, _ in }
    ) throws -> StartsReport {
        let depth = model.architecture.layers
        let layers = layers ?? Array(0..<max(0, depth - 1))
        guard starts > 0, controls >= 0 else {
            throw SubspaceError(.badRequest, "the study needs a random start", found: "\(starts)")
        }
        guard !layers.isEmpty, Set(layers).count == layers.count, layers.allSatisfy({ (0..<depth - 1).contains($0) })
        else {
            throw SubspaceError(
                .badRequest, "the study needs layers with another one behind them, each once",
                expected: "0...\(depth - 2)",
                found: layers.isEmpty ? "none" : layers.map(String.init).joined(separator: ", "))
        }
        var sites: [StartsReport.Site] = []
        for start in stride(from: 0, to: layers.count, by: Self.group) {
            let group = layers[start..<min(start + Self.group, layers.count)]
            let locations = group.flatMap { [Location(.mlpHidden($0)), Location(.residual($0 + 1))] }
            let kept = locations + locations.flatMap { RandomMLP.locations($0, in: model.architecture) }
            let trainRuns = try PairedRuns(model, train, at: kept, progress: progress)
            let learned = try locations.map { try learn(trainRuns, at: $0, progress) }
            let runs = try PairedRuns(model, heldOut, at: kept, progress: progress)
            let clean = try runs.clean()
            for learned in learned {
                progress("judging on held-out pairs", sites.count, 2 * layers.count)
                sites.append(try judge(learned, runs, clean))
            }
        }
        return StartsReport(
            model: modelName, depth: depth, trainPairs: train.count, heldOutPairs: heldOut.count,
            options: das.options,
            sites: sites)
    }

    /// The directions of one site.
    private struct Learned {
        let location: Location
        let computed: Subspace
        let random: [Subspace]
        /// Of MLPs with random weights, by their seeds from 1.
        let controls: [Subspace]
    }

    private func learn(
        _ runs: PairedRuns, at location: Location, _ progress: @escaping ProgressHandler
    ) throws -> Learned {
        func direction(
            _ what: String, _ start: DAS.Start, seed: Int,
            by learn: (DAS, (Int, Int, Double) -> Void) throws -> Subspace
        ) throws -> Subspace {
            var das = das
            (das.start, das.seed) = (start, UInt64(seed))
            let name = "\(location).\(what)-\(seed).\(das.directions)-of-\(runs.pairs.count)-pairs"
            return try KeptDirections(folder: folder).direction(name, at: location, options: das.options) {
                try learn(das) { epoch, count, _ in progress("learning \(location), \(what) \(seed)", epoch, count) }
            }
        }
        return Learned(
            location: location,
            computed: try direction("computed", .firstOrder, seed: 1) {
                try $0.train(runs, at: location, progress: $1)
            },
            random: try (1...starts).map { seed in
                try direction("start", .random, seed: seed) { try $0.train(runs, at: location, progress: $1) }
            },
            controls: try (0..<controls).compactMap { index in
                guard let random = try RandomMLP(runs, at: location, seed: UInt64(index + 1)) else { return nil }
                return try direction("random-mlp", .firstOrder, seed: index + 1) { das, progress in
                    try random.learn(runs, by: das, progress)
                }
            })
    }

    private func judge(_ learned: Learned, _ runs: PairedRuns, _ clean: PairOutputs) throws -> StartsReport.Site {
        let location = learned.location
        let space = try runs.model.writing(location.site).map { try RowSpace(of: $0) }
        func score(_ patch: SubspacePatch) throws -> Score {
            Score(try runs.outputs(patch), clean: clean, pairs: runs.pairs)
        }
        func judged(_ subspace: Subspace) throws -> StartsReport.Direction {
            guard let space else { return .init(score: try score(subspace.patch)) }
            let split = try SplitDirection(subspace.basis, in: space)
            return .init(
                score: try score(subspace.patch), row: try split.patch(.row, at: location).map(score),
                rowNorm: split.rowNorm)
        }
        let bases = learned.random.map(\.basis)
        let pairs = bases.indices.flatMap { a in (0..<a).map { ($0, a) } }
        return StartsReport.Site(
            layer: location.site.layer, isInStream: space == nil, whole: try score(SubspacePatch(whole: location)),
            computed: try judged(learned.computed), random: try learned.random.map(judged),
            controls: try learned.controls.enumerated().compactMap { index, control in
                guard let random = try RandomMLP(runs, at: location, seed: UInt64(index + 1)) else { return nil }
                let outputs = try runs.outputs { [try random.change(control.basis, $0, Array($0.pairs.indices))] }
                return Score(outputs, clean: clean, pairs: runs.pairs)
            },
            agreement: try pairs.map { try Self.agreement(bases[$0.0], bases[$0.1]) },
            withComputed: try bases.map { try Self.agreement($0, learned.computed.basis) })
    }

    /// How alike two subspaces with orthonormal columns `[width, k]` are: the root mean square of the cosines of their
    /// principal angles, |A^T B| / sqrt(k); of two directions |cos|.
    static func agreement(_ a: Tensor, _ b: Tensor) throws -> Double {
        try (a.transposed().matmul(b).square().sum().item() / Double(a.shape[1])).squareRoot()
    }
}

/// What came out of a ``StartsStudy``.
public struct StartsReport: Sendable, Codable {
    /// A direction, or several, judged on held-out pairs.
    public struct Direction: Sendable, Codable {
        public var score: Score
        /// Its part in the row space of what is written from there; nil in the stream, or where that part is nothing.
        public var row: Score?
        public var rowNorm: Double?
    }

    /// An MLP's hidden activation, or the stream that enters a layer.
    public struct Site: Sendable, Codable {
        public var layer: Int
        public var isInStream: Bool
        public var whole: Score
        /// From the start that is computed to first order.
        public var computed: Direction
        public var random: [Direction]
        /// Directions learned in MLPs with random weights.
        public var controls: [Score]
        /// Of each two random starts, |cos|.
        public var agreement: [Double]
        /// Of each random start with the computed one.
        public var withComputed: [Double]

        /// How many directions from random starts do what the whole MLP does not, and lose half without their kernel part.
        public var illusions: Int { random.count { isIllusion($0) } }

        /// The same of one direction.
        public func isIllusion(_ direction: Direction) -> Bool {
            !isInStream
                && IllusionReport.isIllusion(
                    full: whole.fldd.value, direction: direction.score.fldd.value, row: direction.row?.fldd.value ?? 0)
        }
    }

    public var model: String
    /// How many layers the model has.
    public var depth: Int
    public var trainPairs: Int
    public var heldOutPairs: Int
    /// Those of ``DAS``; seed and start differ from direction to direction.
    public var options: [String: Double]
    public var sites: [Site]
}
