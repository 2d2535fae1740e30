import ArgumentParser
import Foundation
import SutureKit

struct FaithfulCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "faithful",
        abstract: "Ask of a direction, or of a patch, whether it works through the model's own pathway.",
        discussion: """
            A direction comes from a file (--direction) or is learned at a spot (--learn). Without --pairs and --train-pairs \
            it is judged on indirect object identification. With --patch the question goes to a patch of weights.

            suture faithful model.gguf --learn mlp.20.hidden@last --save v.safetensors --report v.html
            suture faithful model.gguf --patch fix.safetensors
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "A file of directions, written by --save.")
    var direction: String?

    @Option(help: "Learn a direction at this spot: mlp.20.hidden@last, residual.21@last, attn.6.head.3@S2.")
    var learn: String?

    @Option(help: "How many directions are learned.")
    var directions = 1

    @Option(help: "Epochs of learning, of the direction and of controls.")
    var epochs = 15

    @Option(help: "Write the learned direction to this file.")
    var save: String?

    @Option(help: "Ask about a patch of weights instead.")
    var patch: String?

    @Option(help: "Pairs to judge by, JSON Lines with base, source, answer, other.")
    var pairs: String?

    @Option(help: "Pairs to learn from.")
    var trainPairs: String?

    @Option(help: "How many pairs of indirect object identification to judge by.")
    var count = 300

    @Option(help: "Seed of pairs and learning.")
    var seed: UInt64 = 1

    @Option(help: "Write the report to this file: .html, .md or .json; may be repeated.")
    var report: [String] = []

    @Flag(help: "Write over files that are there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard [direction, learn, patch].compactMap(\.self).count == 1 else {
            throw ValidationError("Give one of --direction FILE, --learn SPOT and --patch FILE.")
        }
        if let learn, Spot(learn) == nil {
            throw ValidationError("--learn is a spot such as mlp.20.hidden@last, not \"\(learn)\".")
        }
        guard (pairs == nil) == (trainPairs == nil) else {
            throw ValidationError("--pairs and --train-pairs go together.")
        }
        guard (8...100_000).contains(count), (1...10_000).contains(epochs), (1...1000).contains(directions) else {
            throw ValidationError("--count is 8...100000, --epochs 1...10000, --directions 1...1000.")
        }
        try ReportFile.check(report)
    }

    func run() throws {
        for path in report + [save].compactMap(\.self) { try checkPlace(of: path, force: force) }
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let note = { (activity: String, done: Int, total: Int) in
            progress.report(.init(activity, completed: done, total: total))
        }

        let loaded = try model.load(checkpoint)
        let name = model.url.lastPathComponent
        if let patch { return try examine(patch: patch, loaded, checkpoint, tokenizer, note, progress) }

        let train: [TokenizedPair]
        let heldOut: [TokenizedPair]
        if let pairs, let trainPairs {
            train = try PromptPair.read(URL(filePath: trainPairs)).map { try TokenizedPair($0, tokenizer) }
            heldOut = try PromptPair.read(URL(filePath: pairs)).map { try TokenizedPair($0, tokenizer) }
        } else {
            train = try IOI(.train, tokenizer).balanced(200, seed: seed).map { try TokenizedPair($0, tokenizer) }
            heldOut = try IOI(.heldOut, tokenizer).swapped(count, seed: seed &+ 0x10_0000).map {
                try TokenizedPair($0, tokenizer)
            }
        }
        var das = DAS()
        das.epochs = epochs
        das.directions = directions
        das.seed = seed
        let subspace: Subspace
        if let direction {
            subspace = try Subspace(contentsOf: URL(filePath: direction))
        } else if let spot = learn.flatMap(Spot.init) {
            let runs = try PairedRuns(loaded, train, at: [spot])
            subspace = try das.train(runs, at: spot) { epoch, total, _ in note("learning", epoch, total) }
        } else {
            return
        }
        if let save { try subspace.write(to: URL(filePath: save), overwriting: force) }
        var examination = Faithfulness(train: train, heldOut: heldOut)
        examination.das = das
        examination.unrelated = Texts.guards.prefix(8).map { tokenizer.encode($0).ids }
        examination.progress = note
        let result = try examination.run(subspace, of: loaded, modelName: name)
        progress.finish()
        let page = try Report(result)
        for path in report { try ReportFile.write(page, to: path, force: force) }
        printing.show(page, quietly: result.level.rawValue)
    }
}
