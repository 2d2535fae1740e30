import ArgumentParser
import Foundation
import SutureKit

struct ActivationsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activations",
        abstract: "Write what is at sites of a model in texts to a file, for NumPy or PyTorch.",
        discussion: """
            A .safetensors file has a float32 tensor for each site, named like it; a .npy file holds one site. Rows are \
            texts, or with --tokens all their tokens one after the other.

            suture activations model.gguf --site residual.15 -p 'The capital of Australia is' -o x.npy
            suture activations model.gguf --site mlp.20.hidden --site attn.20.out --texts lines.txt --tokens all -o \
            x.safetensors
            """)

    @OptionGroup var model: ChangedModelOptions

    @Option(
        help: ArgumentHelp(
            "Where: residual.15, attn.6.head.3, mlp.20.hidden, logits; may be repeated.", valueName: "site"))
    var site: [String]

    @Option(name: .shortAndLong, help: "A text; may be repeated.")
    var prompt: [String] = []

    @Option(help: "A file of texts, one on a line, line breaks as \\n.")
    var texts: String?

    @Option(help: "At which tokens of each text: last, all.")
    var tokens = LanguageModel.RecordedTokens.last

    @Option(name: .shortAndLong, help: "The file: .npy or .safetensors.")
    var output: String

    @Flag(help: "Write over a file that is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        for text in site where Site(text) == nil {
            throw ValidationError("--site is a place such as residual.15 or mlp.20.hidden, not \"\(text)\".")
        }
        guard !prompt.isEmpty || texts != nil else {
            throw ValidationError("Give texts: --prompt TEXT or --texts FILE.")
        }
    }

    func run() throws {
        try FilePlan(
            reading: model.files + [texts],
            writing: [destination(output, force: force)]
        ).check()
        let ending = URL(filePath: output).pathExtension.lowercased()
        guard ["npy", "safetensors"].contains(ending) else {
            throw ValidationError("--output ends in .npy or .safetensors, not \"\(output)\".")
        }
        guard ending == "safetensors" || site.count == 1 else {
            throw ValidationError("A .npy file holds one site; write .safetensors for \(site.count).")
        }
        let checkpoint = try model.model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let lines = try texts.map { path in
            try Texts.read(URL(filePath: path)) { note("\(path): \($0) blank lines are no texts and get no row") }
        }
        let read = prompt + (lines ?? [])
        let ids = read.map { tokenizer.encode($0, specials: .opening).ids }
        let loaded = try model.load(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let sites = site.compactMap(Site.init)
        try loaded.record(
            ids, at: sites, tokens: tokens, to: URL(filePath: output), overwriting: force, progress: progress.handler)
        progress.finish()
        let recorded = RecordedActivations(
            model: model.name, file: output, texts: ids.count,
            rows: tokens == .last ? ids.count : ids.reduce(0) { $0 + $1.count },
            sites: sites.map { .init($0.description, width: $0.width(in: loaded.architecture)) })
        printing.show(try Report(recorded), quietly: output)
    }
}

extension LanguageModel.RecordedTokens: ExpressibleByArgument {}
