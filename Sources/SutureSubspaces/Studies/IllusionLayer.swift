import Foundation
import SutureModels
import SutureTensor

/// The work of an ``IllusionStudy`` at one layer: what was learned with each seed, and its judgement.
struct IllusionLayer {
    let model: LanguageModel
    let study: IllusionStudy
    let layer: Int
    let hidden: Location
    let residual: Location
    let writing: Tensor
    let rows: RowSpace
    let mediators: [ReadingHeads.Mediator]
    let readers: [Head]
    let reading: RowSpace
    private(set) var learned: [Learned] = []
    private(set) var elsewhere: [(layer: Int, split: SplitDirection)] = []

    /// What one seed gave.
    struct Learned {
        let seed: UInt64
        let mlp: SplitDirection
        let resid: SplitDirection
        let gradient: SplitDirection
        let means: SplitDirection
        let random: Subspace
        let randomResidual: Subspace
        /// The effects (FLDD) of both on the pairs that they were learned from.
        let onTraining: (mlp: Double, resid: Double)
        var shuffled: Subspace?
        var shuffledResidual: Subspace?
    }

    init(
        _ model: LanguageModel, layer: Int, scout: [TokenizedPair], study: IllusionStudy,
        _ progress: ProgressHandler
    ) throws {
        self.model = model
        self.study = study
        self.layer = layer
        hidden = Location(.mlpHidden(layer))
        residual = Location(.residual(layer + 1))
        guard let writing = try model.writing(hidden.site) else {
            throw SubspaceError(.badRequest, "no matrix writes from this site", subject: "\(hidden.site)")
        }
        self.writing = writing
        rows = try RowSpace(of: writing)
        let runs = try PairedRuns(model, scout, at: [residual])
        mediators = try ReadingHeads(runs, at: residual, progress: progress).mediators
        readers = mediators.prefix(study.readers).map(\.head)
        reading = try ReadingHeads.rowSpace(readers, in: model)
    }

    mutating func learn(
        _ pairs: [TokenizedPair], seed: UInt64, withControl: Bool, _ progress: ProgressHandler
    ) throws {
        let runs = try PairedRuns(
            model, pairs, at: [hidden, residual], capturing: ReadingHeads.keys(from: layer + 1, in: model))
        let mlp = try train(runs, hidden, "", seed, study.das.epochs, progress)
        let resid = try train(runs, residual, "", seed, study.das.epochs, progress)
        let gradient = try Directions.gradient(runs, of: readers, at: residual, toward: "first", against: "second")
        let means = try Directions.differenceOfMeans(runs, at: residual, "ABB", "BAB")
        let clean = try runs.clean().difference
        let swapped = pairs.indices.filter { !pairs[$0].isIdentity }
        func onTraining(_ subspace: Subspace) throws -> Double {
            let patched = try runs.outputs(subspace.patch).difference
            return 1 - Bootstrap.mean(swapped.map { patched[$0] }) / Bootstrap.mean(swapped.map { clean[$0] })
        }
        var result = Learned(
            seed: seed, mlp: try SplitDirection(mlp.basis, in: rows),
            resid: try SplitDirection(resid.basis, in: reading),
            gradient: try SplitDirection(gradient.basis, in: reading),
            means: try SplitDirection(means.basis, in: reading),
            random: try Directions.random(model, at: hidden, seed: seed),
            randomResidual: try Directions.random(model, at: residual, seed: seed),
            onTraining: (try onTraining(mlp), try onTraining(resid)))
        if withControl {
            let shuffled = Directions.shuffled(pairs, seed: seed)
            let control = try PairedRuns(model, shuffled, at: [hidden, residual])
            result.shuffled = try train(control, hidden, "shuffled", seed, study.das.epochs, progress)
            result.shuffledResidual = try train(control, residual, "shuffled", seed, study.das.epochs, progress)
        }
        learned.append(result)
    }

    mutating func learnElsewhere(
        _ layer: Int, _ pairs: [TokenizedPair], seed: UInt64, _ progress: ProgressHandler
    ) throws {
        let location = Location(.mlpHidden(layer))
        guard let writing = try model.writing(location.site) else { return }
        let runs = try PairedRuns(model, pairs, at: [location])
        let found = try train(runs, location, "", seed, max(1, study.das.epochs / 3), progress)
        elsewhere.append((layer, try SplitDirection(found.basis, in: RowSpace(of: writing))))
    }

    /// Learns a direction, or takes it from the folder of an interrupted study.
    ///
    /// Throws ``SubspaceError`` for one there that was learned otherwise.
    private func train(
        _ runs: PairedRuns, _ location: Location, _ kind: String, _ seed: UInt64, _ epochs: Int,
        _ progress: ProgressHandler
    ) throws -> Subspace {
        var das = study.das
        das.seed = seed
        das.epochs = epochs
        let parts = [location.description, kind, "\(runs.pairs.count)-pairs", "seed-\(seed)"].filter { !$0.isEmpty }
        let name = parts.joined(separator: ".")
        return try KeptDirections(folder: study.folder).direction(name, at: location, options: das.options) {
            try das.train(runs, at: location) { epoch, count, _ in progress("learning \(name)", epoch, count) }
        }
    }

    /// The patches to judge: a name, and one patch for each seed.
    private func patches() throws -> [(row: IllusionReport.Kind, patches: [SubspacePatch])] {
        func parts(_ direction: KeyPath<Learned, SplitDirection>, _ part: SplitDirection.Part, _ location: Location)
            throws
            -> [SubspacePatch]
        {
            try learned.compactMap { try $0[keyPath: direction].patch(part, at: location) }
        }
        let all: [(IllusionReport.Kind, [SubspacePatch])] = [
            (.fullMLP, [SubspacePatch(whole: hidden)]),
            (.vMLP, try parts(\.mlp, .whole, hidden)), (.vMLPRow, try parts(\.mlp, .row, hidden)),
            (.vMLPRowRaw, try parts(\.mlp, .rowRaw, hidden)), (.vMLPNull, try parts(\.mlp, .null, hidden)),
            (.vMLPReadNull, try parts(\.mlp, .readNull, hidden)), (.vMLPReadRow, try parts(\.mlp, .readRow, hidden)),
            (.randomMLP, learned.map(\.random.patch)), (.shuffledMLP, learned.compactMap(\.shuffled?.patch)),
            (.fullResidual, [SubspacePatch(whole: residual)]),
            (.vResid, try parts(\.resid, .whole, residual)), (.vResidRow, try parts(\.resid, .row, residual)),
            (.vResidNull, try parts(\.resid, .null, residual)),
            (.vGrad, try parts(\.gradient, .whole, residual)), (.vGradRow, try parts(\.gradient, .row, residual)),
            (.vGradNull, try parts(\.gradient, .null, residual)), (.vMean, try parts(\.means, .whole, residual)),
            (.randomResidual, learned.map(\.randomResidual.patch)),
            (.shuffledResidual, learned.compactMap(\.shuffledResidual?.patch))
        ]
        return all.filter { !$0.1.isEmpty }.map { (row: $0.0, patches: $0.1) }
    }

    /// The outcome of each patch on held-out pairs, which are run a few hundred at a time.
    func judge(_ pairs: [TokenizedPair], _ progress: ProgressHandler) throws -> Judgement {
        let patches = try patches()
        let other = elsewhere.map { Location(.mlpHidden($0.layer)) }
        var judgement = Judgement(pairs: pairs, kinds: patches.map(\.row), seeds: patches.map(\.patches.count))
        judgement.elsewhere = elsewhere.map { _ in .init(repeating: PairOutputs(), count: 3) }
        for start in stride(from: 0, to: pairs.count, by: 250) {
            let part = Array(pairs[start..<min(start + 250, pairs.count)])
            let runs = try PairedRuns(model, part, at: [hidden, residual] + other)
            judgement.clean.append(try runs.clean())
            for (index, (_, seeds)) in patches.enumerated() {
                for (place, patch) in seeds.enumerated() {
                    judgement.outcomes[index][place].append(try runs.outputs(patch))
                }
            }
            for (index, (layer, split)) in elsewhere.enumerated() {
                let location = Location(.mlpHidden(layer))
                let three = [
                    SubspacePatch(whole: location), try split.patch(.whole, at: location),
                    try split.patch(.row, at: location)
                ]
                for (place, patch) in three.enumerated() {
                    guard let patch else { continue }
                    judgement.elsewhere[index][place].append(try runs.outputs(patch))
                }
            }
            let values = try runs.values(hidden)
            judgement.base.append(values.base)
            judgement.source.append(values.source)
            progress("judging on held-out pairs", start + part.count, pairs.count)
        }
        return judgement
    }

    struct Judgement {
        let pairs: [TokenizedPair]
        let kinds: [IllusionReport.Kind]
        var clean = PairOutputs()
        /// For each kind, an outcome for each seed.
        var outcomes: [[PairOutputs]]
        /// For each other layer: the whole MLP, the direction, its row part.
        var elsewhere: [[PairOutputs]] = []
        var base: [Tensor] = []
        var source: [Tensor] = []

        init(pairs: [TokenizedPair], kinds: [IllusionReport.Kind], seeds: [Int]) {
            self.pairs = pairs
            self.kinds = kinds
            outcomes = seeds.map { Array(repeating: PairOutputs(), count: $0) }
        }
    }
}
