import ArgumentParser
import Foundation
import SutureKit

struct FaithfulCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "faithful",
        abstract: "Ask of a direction, or of a patch, whether it works through the model's own pathway.",
        discussion: """
            A direction comes from a file (--direction) or is learned at a location (--learn). Without --pairs and --train-pairs \
            it is judged on indirect object identification. With --patch the question goes to a patch of weights.

            suture faithful model.gguf --learn mlp.20.hidden@last --save v.safetensors --report v.html
            suture faithful model.gguf --patch fix.safetensors
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "A file of directions, written by --save, or a patch of suture steer for one layer.")
    var direction: String?

    @Option(help: "Learn a direction at this location: mlp.20.hidden@last, residual.21@last, attn.6.head.3@S2.")
    var learn: String?

    @Option(
        help: """
            How the direction is found: das learns it from the patch's effect; means, pca and gradient are not learned from \
            it; random and shuffled (das where there is nothing to learn) are controls.
            """)
    var method = Method.das

    @Option(help: "What das minimizes: \(DAS.Loss.allCases.map(\.rawValue).joined(separator: ", ")).")
    var loss = DAS.Loss.crossEntropy.rawValue

    @Option(help: "How many directions are learned.")
    var directions = 1

    @Option(help: "Epochs of learning, of the direction and of controls.")
    var epochs = 10

    @Option(help: "Write the learned direction to this file.")
    var save: String?

    @Option(help: "Ask about a patch of weights instead.")
    var patch: String?

    @Option(help: "With --patch: failures to examine it on (.jsonl or .tsv); else those that it says it fixed.")
    var failures: String?

    @Option(help: "With --patch: the same requests in other words, with the same answers (.jsonl or .tsv).")
    var reworded: String?

    @Option(
        help: """
            Pairs to judge by, JSON Lines with base, source, answer, other; or with positive, negative, where the answers \
            are what the model says behind each.
            """)
    var pairs: String?

    @Option(help: "Pairs to learn from.")
    var trainPairs: String?

    @Option(help: "How many pairs of indirect object identification to judge by.")
    var count = 300

    @Option(help: "Seed of pairs and learning.")
    var seed: UInt64 = 1

    @OptionGroup var interventions: InterventionOptions

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    enum Method: String, ExpressibleByArgument, CaseIterable { case das, means, pca, gradient, random, shuffled }

    func validate() throws {
        guard DAS.Loss(rawValue: loss) != nil else {
            throw ValidationError("--loss is \(DAS.Loss.allCases.map(\.rawValue).joined(separator: " or ")).")
        }
        guard method == .das || learn != nil else { throw ValidationError("--method goes with --learn.") }
        guard directions == 1 || ![.means, .gradient].contains(method) else {
            throw ValidationError("--method \(method.rawValue) gives one direction.")
        }
        guard [direction, learn, patch].compactMap(\.self).count == 1 else {
            throw ValidationError("Give one of --direction FILE, --learn SPOT and --patch FILE.")
        }
        if let learn, Location(learn) == nil {
            throw ValidationError("--learn is a location such as mlp.20.hidden@last, not \"\(learn)\".")
        }
        guard patch == nil || interventions.isEmpty else {
            throw ValidationError("--patch is examined without --ablate, --steer and --project.")
        }
        guard patch != nil || (failures == nil && reworded == nil) else {
            throw ValidationError("--failures and --reworded go with --patch.")
        }
        guard (pairs == nil) == (trainPairs == nil) else {
            throw ValidationError("--pairs and --train-pairs go together.")
        }
        guard (8...100_000).contains(count), (1...10_000).contains(epochs), (1...1000).contains(directions) else {
            throw ValidationError("--count is 8...100000, --epochs 1...10000, --directions 1...1000.")
        }
    }

    func run() throws {
        try FilePlan(
            reading: [model.model, direction, patch, failures, reworded, pairs, trainPairs] + interventions.files,
            writing: [destination(save, force: reports.force)] + reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let note = progress.handler

        let loaded = try interventions.applied(to: model.load(checkpoint))
        let name = interventions.named(model.url.lastPathComponent)
        if let patch { return try examine(patch: patch, loaded, checkpoint, tokenizer, note, progress) }

        var examination: Faithfulness
        if let pairs, let trainPairs {
            examination = try Faithfulness(
                train: Self.pairs(trainPairs, loaded, tokenizer), heldOut: Self.pairs(pairs, loaded, tokenizer))
            try examination.requireApart(subject: "\(pairs), \(trainPairs)")
        } else {
            examination = try Faithfulness(ofIndirectObjects: tokenizer, count: count, seed: seed)
        }
        var das = DAS()
        das.epochs = epochs
        das.directions = directions
        das.seed = seed
        das.loss = DAS.Loss(rawValue: loss) ?? .crossEntropy
        let subspace: Subspace
        if let direction {
            subspace = try Self.subspace(direction, loaded.architecture)
        } else if let location = learn.flatMap(Location.init) {
            subspace = try find(das, loaded, examination.train, at: location, note)
        } else {
            return
        }
        if let save { try subspace.write(to: URL(filePath: save), overwriting: reports.force) }
        examination.das = das
        examination.unrelated = Texts.guards.prefix(8).map { tokenizer.encode($0, specials: .opening).ids }
        examination.tokenName = { tokenizer.decode([$0]) }
        examination.progress = note
        let result = try examination.run(subspace, of: loaded, modelName: name)
        progress.finish()
        let page = try Report(result)
        try reports.write(page)
        printing.show(page, quietly: result.headline)
    }

    /// The directions of a file, or that of a patch which steers one layer.
    private static func subspace(_ path: String, _ architecture: Architecture) throws -> Subspace {
        let url = URL(filePath: path)
        guard try Patch.isPatch(url) else { return try Subspace(contentsOf: url) }
        let patch = try Patch(contentsOf: url)
        return try Steering(patch, of: architecture, source: path).subspace(method: patch.method.name)
    }

    /// The pairs of a file, with answers of the file or of the model.
    private static func pairs(_ path: String, _ model: LanguageModel, _ tokenizer: Tokenizer) throws -> [TokenizedPair]
    {
        let url = URL(filePath: path)
        guard try ContrastPair.isContrast(url) else {
            return try PromptPair.read(url).map { try TokenizedPair($0, tokenizer) }
        }
        return try ContrastPair.read(url).answered(by: model, tokenizer)
    }

    /// The direction that ``method`` finds.
    private func find(
        _ das: DAS, _ loaded: LanguageModel, _ train: [TokenizedPair], at location: Location,
        _ note: (String, Int, Int) -> Void
    ) throws -> Subspace {
        func runs(_ pairs: [TokenizedPair], capturing: [Site] = []) throws -> PairedRuns {
            try PairedRuns(loaded, pairs, at: [location], capturing: capturing)
        }
        switch method {
        case .das: return try das.train(runs(train), at: location) { epoch, total, _ in note("learning", epoch, total) }
        case .shuffled:
            return try das.train(runs(Directions.shuffled(train, seed: seed)), at: location) { epoch, total, _ in
                note("learning", epoch, total)
            }
        case .random: return try Directions.random(loaded, at: location, count: directions, seed: seed)
        case .pca: return try Directions.principal(runs(train), at: location, count: directions)
        case .means:
            let labels = Set(train.flatMap { [$0.baseLabel, $0.sourceLabel] }.compactMap(\.self)).sorted()
            guard labels.count == 2 else {
                throw SubspaceError(
                    .badRequest, "a difference of means needs prompts with two labels", found: "\(labels.count)")
            }
            return try Directions.differenceOfMeans(runs(train), at: location, labels[0], labels[1])
        case .gradient:
            let scout = try runs(Array(train.filter { !$0.isIdentity }.prefix(48)))
            let readers = try ReadingHeads(scout, at: location, progress: note)
            guard case .residual(let layer) = location.site else {
                throw SubspaceError(.badRequest, "a gradient of reading heads is taken in the residual stream")
            }
            return try Directions.gradient(
                runs(train, capturing: ReadingHeads.keys(from: layer, in: loaded)), of: readers.strongest(3),
                at: location,
                toward: "first", against: "second")
        }
    }
}
