import ArgumentParser
import Foundation
import SutureKit

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a prompt, with or without patches.",
        discussion:
            """
            The most likely token is taken each time, unless --temperature, --top-k, --top-p or --min-p ask to draw. \
            --compare shows what the model writes without and with the patches; --expect shows where it leaves the answer \
            that it should give, offers to repair that, and ends with exit code 1 if it is another answer.

            suture generate model.gguf -p 'Once upon a time' --temperature 0.8 --top-p 0.95 --seed 7
            suture generate model.gguf -p 'I think that' --ablate attn.23.head.4 --steer v.safetensors --at residual.15 \
            --strength 4
            """
    )

    @OptionGroup var model: LanguageModelOptions

    @OptionGroup var chatting: ChatOptions

    @Option(name: .shortAndLong, help: "What the model reads; - reads standard input.")
    var prompt: String?

    @Option(
        help: """
            A conversation to go on with, as a JSON file: [{"role": "user", "content": "..."}, ...]; asked as with --chat.
            """)
    var messages: String?

    @Option(name: [.customShort("n"), .long], help: "How many tokens to write at most.")
    var tokens = 32

    @OptionGroup var sampling: SamplingOptions

    @Option(help: "End where the text holds this, without it; may be repeated.")
    var stop: [String] = []

    @OptionGroup var interventions: InterventionOptions

    @Option(help: "A patch to apply on load, or FILE@X for X times it; may be given several times.")
    var patch: [ScaledPatch] = []

    @Option(
        parsing: .unconditional,
        help: "How much of the patches to apply; 1 is all, 0 nothing, less than 0 the opposite.")
    var scale = 1.0

    @Flag(help: "Show the answer without and with the patches.")
    var compare = false

    @Option(name: .shortAndLong, help: "What it should write next.")
    var expect: String?

    @OptionGroup var splitting: SplitOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...100_000).contains(tokens) else { throw ValidationError("--tokens is 1...100000, not \(tokens).") }
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
        guard expect != "" else { throw ValidationError("--expect is empty.") }
        guard (prompt == nil) != (messages == nil) else {
            throw ValidationError("Give what the model reads: one of --prompt TEXT and --messages FILE.")
        }
        guard !stop.contains("") else { throw ValidationError("--stop is empty.") }
        guard !compare || splitting.split == nil else {
            throw ValidationError("--compare needs two models, which --split layers does not hold.")
        }
        guard !compare || !patch.isEmpty else { throw ValidationError("--compare needs a --patch.") }
    }

    func run() throws {
        guard
            try !splitting.isHelper(
                model, patches: appliedPatches(patch, scale: scale), interventions, printing: printing)
        else {
            return
        }
        try FilePlan(reading: [model.model, messages] + patch.map(\.path) + interventions.files, writing: []).check()
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint, isChat: chatting.chat || messages != nil)
        let said = try conversation()
        let text = try chat?.prompt(said) ?? said[0].content
        let ids = tokenizer.encode(text, specials: .opening).ids
        let patches = try appliedPatches(patch, scale: scale)
        let patched = try splitting.load(model, checkpoint, patches: patches, interventions, printing: printing)
        let isStreaming = printing.format == .human && !compare
        let writing = TextWriting(
            tokenizer, ends: tokenizer.roles.stops.union([chat?.stop].compactMap(\.self)), stopStrings: stop,
            limit: tokens, sampling: try sampling.sampling)
        let written = try writing.write(patched, behind: ids) { if isStreaming { try showAtOnce($0) } }
        let expectation = try expect.map { expected in
            let failure = try chat?.failure(said, expected: expected) ?? Failure(prompt: text, expected: expected)
            return try ExpectedAnswer(failure, patched, tokenizer)
        }
        if isStreaming {
            try showAtOnce("\n")
            noteBoundaries(of: [Failure(prompt: text, expected: expect ?? " x")], isChat: chat != nil)
            if written.tokens.first.map(writing.ends.contains) == true { note("the model ended its answer at once") }
            if expectation == nil { return }
        }
        let original =
            compare ? try writing.write(interventions.applied(to: model.load(checkpoint)), behind: ids).text : nil
        let report = try Report(
            GeneratedAnswer(
                prompt: text, text: written.text, tokens: written.tokens, original: original, expectation: expectation),
            title: interventions.named(model.url.lastPathComponent))
        printing.show(report, quietly: written.text)
        if let expectation, expectation.wrong != nil {
            if printing.format == .human, messages == nil, interventions.isEmpty, splitting.split == nil,
                try offerRepair(after: said[0].content, expecting: expect ?? expectation.expected)
            {
                return
            }
            throw ExitCode(DiagnosticKind.failed.rawValue)
        }
    }

    /// What the model reads: a prompt as one message, or a file of messages.
    private func conversation() throws -> [ChatMessage] {
        if let messages { return try ChatMessage.read(URL(filePath: messages)) }
        return [ChatMessage("user", try prompt == "-" ? standardInput() : prompt ?? "")]
    }

    private func standardInput() throws -> String {
        guard let text = String(validating: try readInput(), as: UTF8.self) else {
            throw FormatError(.invalidUTF8, "the prompt is not UTF-8", subject: "standard input")
        }
        return text
    }
}
