import Foundation
import SutureModels
import SutureTensor
import SutureTokenizers

/// The paper's table of indirect object identification on any model: patches of a whole MLP, of a direction learned in
/// it and of its parts, and the same for the residual stream behind it.
///
/// Directions are learned on training names and templates and judged on held-out ones. Training is repeated with several
/// seeds, each with training pairs of its own.
public struct IllusionStudy: Sendable {
    /// The layer of the MLP; nil looks for the first layer behind which the last token knows the order of the names.
    public var layer: Int?
    public var trainPairs = 200
    public var heldOutPairs = 1000
    public var seeds: [UInt64] = [1, 2, 3]
    public var das = DAS()
    /// How many heads define what of the residual stream is read.
    public var readers = 3
    /// More layers whose MLP is searched for an effective direction, with one seed and a third of the epochs.
    public var otherLayers: [Int] = []
    /// A directory that learned directions are kept in, so that a study that was interrupted goes on.
    public var folder: URL?

    /// The default settings.
    public init() {}

    /// The pairs on which everything is judged; one seed for all of them.
    static let heldOutSeed: UInt64 = 0x10_0000

    /// Runs the study on a model.
    public func run(
        _ model: LanguageModel, _ tokenizer: Tokenizer, modelName: String,
        progress: @escaping ProgressHandler = { _, _, _ in }
    ) throws -> IllusionReport {
        let layers = model.architecture.layers
        guard !seeds.isEmpty, Set(seeds).count == seeds.count, trainPairs >= 8, heldOutPairs > 1 else {
            throw SubspaceError(.badRequest, "the study needs seeds, 8 training pairs and 2 held-out pairs at least")
        }
        if let wrong = ([layer].compactMap(\.self) + otherLayers).first(where: { !(0..<layers - 1).contains($0) }) {
            throw SubspaceError(
                .badRequest, "the study needs a layer with another one behind it", expected: "0...\(layers - 2)",
                found: "\(wrong)")
        }
        let train = try IOI(.train, tokenizer)
        let heldOut = try IOI(.heldOut, tokenizer).swapped(heldOutPairs, seed: Self.heldOutSeed)
            .map { try TokenizedPair($0, tokenizer) }
        let scout = try train.swapped(48, seed: seeds[0]).map { try TokenizedPair($0, tokenizer) }
        let scan = try Self.scan(model, scout, progress)
        let layer = layer ?? Self.choose(scan)
        var work = try IllusionLayer(model, layer: layer, scout: scout, study: self, progress)
        for seed in seeds {
            let pairs = try train.balanced(trainPairs, seed: seed).map { try TokenizedPair($0, tokenizer) }
            try work.learn(pairs, seed: seed, withControl: seed == seeds[0], progress)
        }
        for other in otherLayers where other != layer {
            let pairs = try train.balanced(trainPairs, seed: seeds[0]).map { try TokenizedPair($0, tokenizer) }
            try work.learnElsewhere(other, pairs, seed: seeds[0], progress)
        }
        let rows = try work.judge(heldOut, progress)
        return try work.report(rows, scan: scan, study: self, modelName: modelName)
    }

    /// The effect of a patch of the residual stream at the last token, entering each layer, on a few training pairs.
    static func scan(_ model: LanguageModel, _ pairs: [TokenizedPair], _ progress: ProgressHandler) throws -> [Double] {
        let locations = (0...model.architecture.layers).map { Location(.residual($0)) }
        let runs = try PairedRuns(model, pairs, at: locations)
        let clean = Bootstrap.mean(try runs.clean().difference)
        return try locations.enumerated().map { index, location in
            progress("scanning layers", index + 1, locations.count)
            return 1 - Bootstrap.mean(try runs.outputs(SubspacePatch(whole: location)).difference) / clean
        }
    }

    /// The first layer behind which the effect is at least half of the largest short of the last layers, where the
    /// residual stream holds the answer itself.
    static func choose(_ scan: [Double]) -> Int {
        let largest = scan.max() ?? 0
        let entering = scan.firstIndex { $0 >= largest / 2 } ?? 1
        return min(max(0, entering - 1), scan.count - 3)
    }
}
