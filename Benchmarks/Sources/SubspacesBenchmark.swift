import ArgumentParser
import Foundation
import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor
import SutureTokenizers

/// Sweeps and learned directions, beside TransformerLens and pyvene, and how exact replays are.
struct SubspacesBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subspaces",
        abstract: "A sweep beside TransformerLens, an epoch of DAS beside pyvene, exactness of replay.")

    @Argument(help: "A GGUF file or a snapshot directory.") var model: String
    @Option(help: "How often the sweep is measured; peers once, as they are slow.") var rounds = 3
    @Option(help: "Threads of one operator.") var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "The layer that the direction is learned behind.") var layer = 20
    @Option(help: "Epochs of learning, of both sides.") var epochs = 8
    @Option(help: "Held-out pairs that the learned directions are judged on.") var heldOut = 500
    @Option(help: "Random interventions that are held against full runs; and kernel-only patches, a quarter as many.")
    var interventions = 512

    func validate() throws {
        guard rounds > 0, threads > 0, epochs > 0, heldOut > 0, interventions >= 0, layer >= 0 else {
            throw ValidationError("the options are positive")
        }
    }

    func run() throws {
        Runtime.threads = threads
        // As the commands do.
        Runtime.keepFreedMemory()
        let checkpoint = try Checkpoint(URL(filePath: model))
        let tokenizer = try Tokenizer(checkpoint)
        let loaded = try LanguageModel.load(checkpoint)
        printConditions(threads: threads, rounds: rounds)
        try sweep(loaded, tokenizer)
        try learning(loaded, tokenizer)
        try exactness(loaded, tokenizer)
        try kernels(loaded, tokenizer)
    }

    private func line(_ name: String, _ value: Double, _ unit: String) {
        print(name.left(56) + String(format: "%.3f", value).right(10) + " " + unit)
    }

    // MARK: - Sweep

    private struct SweepRequest: Encodable {
        var model: String
        var threads: Int
        var base, source: [Int]
        var answer, other: Int
    }
    private struct SweepAnswer: Decodable {
        var seconds: Double
        var cells: [[Double]]
    }

    private func sweep(_ loaded: LanguageModel, _ tokenizer: Tokenizer) throws {
        let pair = try TokenizedPair(IOI(.heldOut, tokenizer).swapped(1, seed: 3)[0], tokenizer)
        var cells: [[Double]] = []
        let first = try seconds { _ = try Sweep(loaded, pair).positions(.residual) }
        let own = try (0..<rounds).map { _ in try seconds { cells = try Sweep(loaded, pair).positions(.residual) } }
        print("residual stream, \(cells.count) layers x \(pair.base.count) positions")
        line("Suture, the first time in a process", first, "s")
        line("Suture, recording included", median(own), "s")
        let request = SweepRequest(
            model: model, threads: threads, base: pair.base, source: pair.source, answer: pair.answer, other: pair.other
        )
        guard let peer = try peer("sweep", request, SweepAnswer.self) else { return }
        line("TransformerLens get_act_patch_resid_pre", peer.seconds, "s")
        line("TransformerLens / Suture", peer.seconds / median(own), "x")
        let difference = zip(cells, peer.cells).flatMap { zip($0, $1).map { abs($0 - $1) } }.max() ?? .nan
        line("largest difference of a cell", difference, "")
    }

    // MARK: - Learning

    private struct Batch: Encodable {
        var base, source: [[Int]]
        var target: [Int]
    }
    private struct LearnRequest: Encodable {
        var model: String
        var threads, layer, epochs: Int
        var batches: [Batch]
    }
    private struct LearnAnswer: Decodable {
        var seconds: Double
        var losses: [Double]
        var direction: [Float]
    }

    private func learning(_ loaded: LanguageModel, _ tokenizer: Tokenizer) throws {
        let all = try IOI(.train, tokenizer).balanced(400, seed: 1).map { try TokenizedPair($0, tokenizer) }
        // Batches of equal lengths, 200 pairs in all: the peer cannot mix them.
        let groups = Dictionary(grouping: all, by: \.base.count)
        let length = groups.keys.max { (groups[$0]?.count ?? 0, $0) < (groups[$1]?.count ?? 0, $1) } ?? 0
        let pairs = Array((groups[length] ?? []).prefix(200))
        let location = Location(.residual(layer + 1))
        var das = DAS()
        das.epochs = epochs
        var runs: PairedRuns?
        let caching = try seconds { runs = try PairedRuns(loaded, pairs, at: [location]) }
        guard let runs else { return }
        var losses: [Double] = []
        var marks = [ContinuousClock().now]
        let found = try das.train(runs, at: location) { _, _, loss in
            losses.append(loss)
            marks.append(ContinuousClock().now)
        }
        let own = median(zip(marks, marks.dropFirst()).map { ($1 - $0) / .seconds(1) })
        print("one direction behind layer \(layer), \(pairs.count) pairs of \(length) tokens, batches of 20")
        line("Suture, an epoch", own, "s")
        line("Suture, recording the runs once", caching, "s")
        let batches = stride(from: 0, to: pairs.count, by: 20).map { start in
            let part = pairs[start..<min(start + 20, pairs.count)]
            return Batch(base: part.map(\.base), source: part.map(\.source), target: part.map(\.target))
        }
        let request = LearnRequest(model: model, threads: threads, layer: layer, epochs: epochs, batches: batches)
        guard let peer = try peer("das", request, LearnAnswer.self) else { return }
        line("pyvene LowRankRotatedSpaceIntervention, an epoch", peer.seconds, "s")
        line("pyvene / Suture", peer.seconds / own, "x")
        line("loss of the last epoch, Suture", losses.last ?? .nan, "")
        line("loss of the last epoch, pyvene", peer.losses.last ?? .nan, "")
        let judged = try IOI(.heldOut, tokenizer).swapped(heldOut, seed: 7).map { try TokenizedPair($0, tokenizer) }
        let judge = try PairedRuns(loaded, judged, at: [location])
        let theirs = try Subspace(location, direction: Tensor(peer.direction), method: "pyvene")
        print("\(judged.count) held-out pairs: interchange accuracy and FLDD, with 95% intervals")
        for (name, subspace) in [("Suture", found), ("pyvene", theirs)] {
            let score = Score(try judge.outputs(subspace.patch), clean: try judge.clean(), pairs: judged)
            interval("\(name), interchange accuracy", score.interchange)
            interval("\(name), FLDD", score.fldd)
        }
        line("|cos| of the two directions", try found.cosines(to: theirs)[0], "")
    }

    private func interval(_ name: String, _ estimate: Estimate) {
        let ends = String(format: "%.1f ... %.1f", 100 * estimate.low, 100 * estimate.high)
        print(name.left(56) + String(format: "%.1f", 100 * estimate.value).right(10) + " % (\(ends))")
    }

    // MARK: - Exactness

    /// Random changes at random sites: 16 prompts a batch, each at a position of its own.
    private func exactness(_ loaded: LanguageModel, _ tokenizer: Tokenizer) throws {
        var random = SeededGenerator(seed: 9)
        let noise = try RandomSource(seed: 9)
        let pairs = try IOI(.heldOut, tokenizer).swapped(64, seed: 5).map { try TokenizedPair($0, tokenizer) }
        let groups = Dictionary(grouping: pairs, by: \.base.count)
        let prompts = Array((groups.max { $0.value.count < $1.value.count }?.value ?? []).prefix(16).map(\.base))
        guard let length = prompts.first?.count else { return }
        let layers = loaded.architecture.layers
        var largest = 0.0
        var compared = 0
        var moved: [Double] = []
        var done = 0
        let trace = try Tensor.withoutGradients { try loaded.trace(prompts) }
        while done < interventions {
            let layer = random.below(layers)
            let sites: [Site] = [
                .residual(layer), .queries(layer), .keys(layer), .values(layer), .heads(layer), .attentionOut(layer),
                .mlpHidden(layer),
                .mlpOut(layer), .head(layer: layer, index: random.below(loaded.architecture.heads))
            ]
            let site = random.pick(sites)
            let width = site.width(in: loaded.architecture)
            let value = try noise.normal([prompts.count, 1, width])
            let basis = try noise.normal([width, 2]).qr().q
            let changes: [Intervention.Change] = [
                .add(value), .replace(value), .scale(0), .scale(1.5), .clamp(-0.5...0.5), .projectOut(basis),
                .swap(basis, from: value)
            ]
            // From some position on, so that replays really start there.
            let first = random.below(length)
            let places = prompts.map { _ in first + random.below(length - first) }
            let change = Intervention(site, at: .each(places), random.pick(changes))
            try Tensor.withoutGradients {
                let full = try loaded.run(prompts, [change]).logits
                let replayed = try trace.replay(prompts: Array(prompts.indices), [change]).logits
                guard try full.isFinite().to(.float32).min().item() == 1 else { return }
                compared += prompts.count
                largest = max(largest, try (full - replayed).abs().max().item())
                moved.append(try (full - trace.logits).abs().max().item())
            }
            done += prompts.count
        }
        print("\(compared) random interventions, replay against full runs")
        print("largest change of a logit by one, median".left(56) + String(format: "%.1e", median(moved)).right(10))
        print("largest difference of a logit".left(56) + String(format: "%.1e", largest).right(10))
    }

    /// Patches from other prompts along directions in the kernels of output projections: nothing may change.
    private func kernels(_ loaded: LanguageModel, _ tokenizer: Tokenizer) throws {
        guard interventions > 0 else { return }
        var random = SeededGenerator(seed: 10)
        let noise = try RandomSource(seed: 10)
        let pairs = try IOI(.heldOut, tokenizer).swapped(32, seed: 6).map { try TokenizedPair($0, tokenizer) }
        var largest = 0.0
        var done = 0
        while done < interventions / 4 {
            let location = Location(.mlpHidden(random.below(loaded.architecture.layers)))
            guard let writing = try loaded.writing(location.site) else { return }
            let basis = try RowSpace(of: writing).null(noise.normal([1, writing.shape[1]])).transposed().to(.float32)
            let runs = try PairedRuns(loaded, pairs, at: [location])
            let subspace = try Subspace(location, direction: basis, method: "kernel")
            let outcome = try runs.outputs(subspace.patch)
            let clean = try runs.clean()
            for (a, b) in zip(outcome.answer + outcome.other, clean.answer + clean.other) {
                largest = max(largest, abs(a - b))
            }
            done += pairs.count
        }
        print("\(done) patches along random kernel directions of MLPs")
        print("largest change of an answer's logit".left(56) + String(format: "%.1e", largest).right(10))
    }

    // MARK: - Peers

    private func peer<Answer: Decodable>(_ kind: String, _ request: some Encodable, _ type: Answer.Type) throws
        -> Answer?
    {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "suture-peer-\(ProcessInfo.processInfo.processIdentifier).json")
        defer { try? FileManager.default.removeItem(at: url) }
        try JSONEncoder().encode(request).write(to: url)
        guard let child = Child.peer("subspaces_peer.py", [kind, url.path], python: "python-peers") else { return nil }
        return try child.run(Answer.self)
    }
}
