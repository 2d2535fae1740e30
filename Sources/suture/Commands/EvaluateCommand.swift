import ArgumentParser
import Foundation
import SutureKit

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compare methods of repair on the failures of a model in a data set.",
        discussion: """
            Each question of the data sets (see suture detect) is asked; each wrong answer is repaired by each method from the \
            original model, and all that the repair changes is measured. What is found goes to --log at once: a run that \
            was stopped goes on there when it is started again.

            suture evaluate model --data all.nl --data tldr.tsv --methods recruit,mint --limit 300 --log run.jsonl

            Several processes share the work when torchrun starts them, or RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT \
            are set for each:

            torchrun --nproc-per-node 2 --no-python -- suture evaluate model ...
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(
        help: """
            A data set: .json, .jsonl, .tsv, a folder of tldr pages, or lines of intents beside lines of code; may be given \
            several times.
            """)
    var data: [String]

    @OptionGroup var tasks: TaskOptions

    @OptionGroup var chatting: ChatOptions

    @Option(
        help: """
            The methods, with commas between: \(MethodName.allCases.map(\.rawValue).joined(separator: ", ")); each may have \
            settings, as in mint:factor=0.1:steps=20, and stand several times with others.
            """)
    var methods = CommaList<MethodChoice>([.recruit, .gap, .mint].map { MethodChoice($0) })

    @Flag(help: "Repair the first wrong token of each answer (MINT's unit) rather than the answer.")
    var firstToken = false

    @Option(
        help: """
            What to look at beside single repairs, with commas between. held-out: the last fifth of the questions, after \
            each repair; successive: all failures repaired one on top of the other; matrix: rules in several contexts.
            """)
    var study: CommaList<RepairEvaluation.Study>?

    @Flag(help: "Leave single repairs out, and only look at what --study names.")
    var studyOnly = false

    @Option(help: "A file of texts, one on a line, that methods take statistics of in place of a few built-in ones.")
    var corpus: String?

    @OptionGroup var statistics: StatisticsOptions

    @Option(
        help: "A file of texts, one on a line, on which side effects are measured in place of a few built-in ones.")
    var unrelated: String?

    @Option(help: "How many other questions are watched for each failure, and how many near misses.")
    var related = 4

    @Option(help: "Where to keep what was found (JSON Lines); a log of the same evaluation is gone on with.")
    var log: String

    @Option(help: "Where to write the page, with plots (HTML).")
    var report: String?

    @Option(help: "Where to write the figures as comma-separated values.")
    var csv: String?

    @Option(help: "Where to write the comparison as a table for LaTeX.")
    var latex: String?

    @OptionGroup var interventions: InterventionOptions

    @OptionGroup var splitting: SplitOptions

    @Flag(help: "Write over files that are there; a log never is.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (0...64).contains(related) else { throw ValidationError("--related is 0...64, not \(related).") }
        guard !studyOnly || study?.elements.contains(where: { $0 != .heldOut }) == true else {
            throw ValidationError("--study-only needs --study successive or matrix.")
        }
        try statistics.check(methods.elements.map { try $0.method })
        guard statistics.statistics == nil || interventions.isEmpty else {
            throw ValidationError("--statistics are of the model without --ablate, --steer and --project.")
        }
        guard !data.isEmpty, Set(data).count == data.count else {
            throw ValidationError("--data names each data set once, and at least one.")
        }
    }

    /// What the data sets are called in the tables: as their files, or their paths where that would be ambiguous.
    private var names: [String] {
        let short = data.map { URL(filePath: $0).lastPathComponent }
        return Set(short).count == short.count ? short : data
    }

    func run() throws {
        guard try !splitting.isHelper(model, interventions, printing: printing) else { return }
        // Processes that share layers do not share the questions.
        let place =
            try splitting.split != nil ? nil : ProcessGroup.Place(environment: ProcessInfo.processInfo.environment)
        let isFirst = place.map { $0.rank == 0 } ?? true
        let logs = (0..<(place?.size ?? 1)).map { RepairEvaluation.log(URL(filePath: log), rank: $0).relativePath }
        try FilePlan(
            reading: [model.model, corpus, unrelated, statistics.statistics] + tasks.files(data) + interventions.files,
            writing: logs.map { try destination($0, .log) }
                + (isFirst ? [report, csv, latex] : []).map { try destination($0, force: force) }
        ).check()
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint)
        let asked = try tasks.questions(of: data, chat, related: related)
        for language in Set(asked.compactMap(\.language)) where SyntaxCheck(language) == nil {
            note("\(language.rawValue) is not there: whether answers are well-formed is not checked")
        }
        // Before the model is loaded, which takes each process another time.
        let group = try place.map { try ProcessGroup($0, patience: splitting.patience) }
        var evaluation = try RepairEvaluation(
            try splitting.load(model, checkpoint, interventions, printing: printing), tokenizer,
            tasks: zip(names, asked).map { .init($0, $1.questions, language: $1.language) },
            methods: try methods.elements.map { try $0.method }, name: interventions.named(model.url.lastPathComponent),
            digest: try interventions.digest(checkpoint.digest()),
            firstToken: firstToken, studies: Set(study?.elements ?? []),
            texts: try corpus.map { try Texts.read(URL(filePath: $0)) } ?? Texts.reference,
            unrelated: try unrelated.map { try Texts.read(URL(filePath: $0)) } ?? Texts.guards)
        evaluation.onlyStudies = studyOnly
        // Statistics are of a model by its files alone.
        if interventions.isEmpty { evaluation.statistics = try statistics.source(of: checkpoint) }
        let progress = ProgressReporter(isQuiet: !isFirst || printing.format == .quiet)
        defer { progress.finish() }
        evaluation.progress = progress.handler
        Interruption.keep("what is in \(log) is kept, and the same command goes on with it")
        guard let found = try found(by: evaluation, group) else { return }
        progress.finish()

        let summary = EvaluationSummary(found)
        let page = try Report(summary)
        for (path, text) in [(report, page.html()), (csv, summary.figures.csv), (latex, summary.comparison.latex)] {
            guard let path else { continue }
            try AtomicFile.write(Array(text.utf8), to: URL(filePath: path), overwriting: force)
            if printing.format == .human { note("wrote \(path)") }
        }
        let lines = summary.tasks.flatMap { task in
            task.rows.dropFirst().map { row in
                let name = summary.tasks.count > 1 ? "\(task.name) " : ""
                let fixed = Int((row.fixed.value * Double(row.failures)).rounded())
                return "\(name)\(row.method ?? "") \(fixed) of \(row.failures)"
            }
        }
        printing.show(page, quietly: lines.joined(separator: "\n"))
    }

    /// What the evaluation comes to, in this process or in all of them; nil where another one tells it.
    private func found(by evaluation: RepairEvaluation, _ group: ProcessGroup?) throws -> EvaluationLog? {
        let url = URL(filePath: log)
        if let group { return try evaluation.run(at: url, in: group) }
        let log = try EvaluationLog(url, evaluation.settings)
        try evaluation.run(log)
        return log
    }
}

extension RepairEvaluation.Study: ExpressibleByArgument {}
