import SutureModels
import SutureTensor

/// Facts moved from one subject to another, layer by layer: by a patch along a direction, by the rank-1 edit that equals
/// it, by an edit made as in ROME, and by the projection that comes nearest to that.
///
/// Directions are learned for one pair each and judged on it, as in the paper (Makelov, Lange & Nanda 2023, section 6):
/// what they show is what can be forced, not where a fact is kept.
public struct FactStudy: Sendable {
    /// The layers; where there are none, every fifth.
    public var layers: [Int] = []
    public var steps = 60
    public var rate = 0.01
    public var restarts = 1
    /// Steps of finding the value of a ROME edit.
    public var valueSteps = 25
    public var seed: UInt64 = 0

    /// The default settings.
    public init() {}

    public var options: [String: Double] {
        [
            "steps": Double(steps), "rate": rate, "restarts": Double(restarts), "value_steps": Double(valueSteps),
            "seed": Double(seed)
        ]
    }

    /// How many pairs are learned at once, of about equal lengths.
    private static let batchSize = 16

    /// Runs the study on pairs whose prompts have the role `subject`.
    ///
    /// - Parameters:
    ///   - model: the model.
    ///   - pairs: facts that it knows; the source's object is `other`.
    ///   - texts: what the second moment of hidden activations is measured on.
    ///   - modelName: what the report calls it.
    ///   - progress: told what is being done, how much of it is done, and of how much.
    /// - Throws: ``SubspaceError`` for no pairs, layers that are not there or options that make no sense.
    public func run(
        _ model: LanguageModel, _ pairs: [TokenizedPair], texts: [[Int]], modelName: String,
        progress: ProgressHandler = { _, _, _ in }
    ) throws -> FactReport {
        let depth = model.architecture.layers
        let layers = layers.isEmpty ? Array(stride(from: 0, to: depth, by: 5)) : layers
        guard !pairs.isEmpty, !texts.isEmpty else {
            throw SubspaceError(.badRequest, "there are no facts that the model knows and that make a pair")
        }
        guard layers.allSatisfy((0..<depth).contains), steps > 0, restarts > 0, rate > 0, valueSteps > 0 else {
            throw SubspaceError(
                .badRequest, "the study needs layers of the model, and steps", expected: "layers in 0..<\(depth)",
                found: "\(layers)")
        }
        let moments = try model.keyMoments(texts, layers: layers, progress: progress)
        let sorted = pairs.sorted { $0.base.count < $1.base.count }
        let runs = try stride(from: 0, to: pairs.count, by: Self.batchSize).map { start in
            try FactRuns(model, Array(sorted[start..<min(start + Self.batchSize, pairs.count)]), layers: layers)
        }
        var report = FactReport(
            model: modelName, layers: depth, pairs: pairs.count, options: options,
            cleanDifference: Bootstrap.mean(runs.flatMap(\.clean.difference)), rows: [])
        progress("learning and editing", 0, layers.count)
        for (index, layer) in layers.enumerated() {
            guard let writing = try model.writing(.mlpHidden(layer)), let moment = moments[layer] else { continue }
            let work = FactLayer(
                study: self, memory: try LinearMemory(layer: layer, writing: writing, moment: moment),
                space: try RowSpace(of: writing))
            report.rows.append(try work.row(runs))
            progress("learning and editing", index + 1, layers.count)
        }
        return report
    }
}

/// The work of a ``FactStudy`` at one layer.
struct FactLayer {
    let study: FactStudy
    let memory: LinearMemory
    let space: RowSpace

    func row(_ runs: [FactRuns]) throws -> FactReport.Row {
        var kinds: [FactReport.Kind: [FactScores]] = [:]
        var parts: [Parts] = []
        for run in runs {
            let (scores, part) = try judge(run)
            for (kind, score) in scores { kinds[kind, default: []].append(score) }
            parts.append(part)
        }
        let clean = runs.map(\.clean)
        return FactReport.Row(
            layer: memory.layer, effects: try kinds.mapValues { try FactReport.Effect($0, clean: clean) },
            rowNorm: Bootstrap.mean(parts.flatMap(\.rowNorm)), nullNorm: Bootstrap.mean(parts.flatMap(\.nullNorm)),
            readsRow: Bootstrap.mean(parts.flatMap(\.readsRow)), readsNull: Bootstrap.mean(parts.flatMap(\.readsNull)))
    }

    /// The parts of each pair's direction v: their lengths, and |cos| of the pair's difference D with each.
    private struct Parts {
        var rowNorm, nullNorm, readsRow, readsNull: [Double]
    }

    private func judge(_ runs: FactRuns) throws -> ([FactReport.Kind: FactScores], Parts) {
        let layer = memory.layer
        let directions = try runs.directions(
            layer, steps: study.steps, rate: study.rate, restarts: study.restarts, seed: study.seed &+ UInt64(layer))
        let values = try runs.values(layer, steps: study.valueSteps)
        return try Tensor.withoutGradients {
            let (base, source) = try runs.hidden(layer)
            let rows = try space.row(directions)
            let nulls = try directions.to(.float64) - rows
            let edits = try runs.pairs.indices.map { pair in
                try memory.edit(
                    direction: directions.selected(0, pair), base: base.selected(0, pair),
                    source: source.selected(0, pair))
            }
            let rome = try runs.pairs.indices.map { pair in
                try memory.edit(adding: values.selected(0, pair), at: base.selected(0, pair))
            }
            let zero = try Tensor.stacked(rome.map { try memory.zeroPatch(of: $0).direction })
            let logits: [(FactReport.Kind, Tensor)] = [
                (.whole, try runs.replaced(layer, with: source)),
                (.direction, try runs.patched(layer, along: directions)),
                (.row, try runs.patched(layer, along: unit(rows))),
                (.edit, try runs.edited(layer, edits)), (.rome, try runs.edited(layer, rome)),
                (.zero, try runs.projectedOut(layer, zero)),
                (.zeroRow, try runs.projectedOut(layer, space.row(zero).to(.float32)))
            ]
            var scores: [FactReport.Kind: FactScores] = [:]
            for (kind, logits) in logits { scores[kind] = try FactScores(logits, runs.pairs) }
            let difference = try (source - base).to(.float64)
            func norms(_ part: Tensor) throws -> [Double] { try part.norm(1).elements(as: Double.self) }
            func cosines(_ part: Tensor) throws -> [Double] {
                let products = try (part * difference).sum([1]) / (part.norm(1) * difference.norm(1) + 1e-30)
                return try products.abs().elements(as: Double.self)
            }
            return (
                scores,
                Parts(
                    rowNorm: try norms(rows), nullNorm: try norms(nulls), readsRow: try cosines(rows),
                    readsNull: try cosines(nulls))
            )
        }
    }

    private func unit(_ rows: Tensor) throws -> Tensor {
        try (rows / (rows.norm(1, keepingDims: true) + 1e-30)).to(.float32)
    }
}
