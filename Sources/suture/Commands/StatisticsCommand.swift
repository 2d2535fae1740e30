import ArgumentParser
import Foundation
import SutureKit

struct StatisticsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statistics",
        abstract: "Read once what repairs of a model need to know of it, as a file to share.",
        discussion: """
            A first repair of a model reads reference texts: which neurons do little, and what layers read. Of a large model \
            that takes long. The file is of one model with its patches, and of the texts and methods that are named here: a \
            repair of another model refuses it. What is read is also kept in the cache; a run that was stopped goes on from \
            there when it is started again.

            suture statistics model.gguf -o model.statistics
            suture repair model.gguf --statistics model.statistics -p 'The capital of Australia is' -e ' Canberra'
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(
        help: """
            The methods that are to be served, with commas between: \
            \(MethodName.allCases.filter(\.readsStatistics).map(\.rawValue).joined(separator: ", ")); with settings that name \
            layers, as in rome:layer=9.
            """)
    var methods = CommaList<MethodChoice>([MethodChoice(.recruit)])

    @Option(help: "A patch that the model has when it is repaired; may be given several times.")
    var patch: [String] = []

    @OptionGroup var chatting: ChatOptions

    @Option(help: "A file of texts, one on a line, in place of a few built-in ones; to be named in repairs, too.")
    var corpus: String?

    @Option(name: .shortAndLong, help: "Where to write the statistics (a safetensors file).")
    var output: String

    @Flag(help: "Write over a file that is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func run() throws {
        try FilePlan(
            reading: [model.model, corpus] + patch, writing: [destination(output, force: force)]
        ).check()
        let methods = try methods.elements.map { try $0.method }
        let checkpoint = try model.checkpoint()
        let (_, tokenizer) = try chatting.formats(checkpoint)
        let texts = try corpus.map { try Texts.read(URL(filePath: $0)) } ?? Texts.reference
        let patches = try appliedPatches(patch)
        let network = try model.load(checkpoint, patches: patches)
        let cache = StatisticsCache(of: checkpoint, with: patches)
        if cache.isWritable {
            Interruption.keep("most of what was read is kept, and the same command goes on with it")
        } else if printing.format == .human {
            note("the cache cannot be written to (XDG_CACHE_HOME): a run that is stopped begins anew")
        }
        let progress = printing.progress
        defer { progress.finish() }
        let material = RepairMaterial(
            network, texts: Texts.tokens(texts, tokenizer, for: network), restated: Texts.restated(tokenizer),
            statistics: cache, progress: progress.handler)
        let recorder = StatisticsRecorder(of: checkpoint, with: patches)
        for method in methods { try recorder.read(for: method, material) }
        progress.finish()
        try recorder.write(to: URL(filePath: output), overwriting: force)
        let report = try Report(
            ReadTexts(
                model: model.url.lastPathComponent, file: output, texts: material.texts.count,
                tokens: material.texts.reduce(0) { $0 + $1.count },
                contents: recorder.contents.map { .init(what: $0.what, bytes: $0.bytes) }))
        printing.show(report, quietly: output)
    }
}
