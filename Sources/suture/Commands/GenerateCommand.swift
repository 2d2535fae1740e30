import ArgumentParser
import Foundation
import SutureKit

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a prompt, with or without patches.",
        discussion:
            """
            Always the most likely token is taken. --compare shows what the model writes without and with the patches; \
            --expect shows where it leaves the answer that it should give, offers to repair that, and ends with exit code 1 if it \
            is another answer.
            """
    )

    @OptionGroup var model: ModelOptions

    @OptionGroup var chatting: ChatOptions

    @Option(name: .shortAndLong, help: "What the model reads; - reads standard input.")
    var prompt: String

    @Option(name: [.customShort("n"), .long], help: "How many tokens to write at most.")
    var tokens = 32

    @Option(help: "A patch to apply on load; may be given several times.")
    var patch: [String] = []

    @Option(
        parsing: .unconditional,
        help: "How much of the patches to apply; 1 is all, 0 nothing, less than 0 the opposite.")
    var scale = 1.0

    @Flag(help: "Show the answer without and with the patches.")
    var compare = false

    @Option(name: .shortAndLong, help: "What it should write next.")
    var expect: String?

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...100_000).contains(tokens) else { throw ValidationError("--tokens is 1...100000, not \(tokens).") }
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
        guard expect != "" else { throw ValidationError("--expect is empty.") }
        guard !compare || !patch.isEmpty else { throw ValidationError("--compare needs a --patch.") }
    }

    func run() throws {
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint)
        let stops = tokenizer.roles.stops.union([chat?.stop].compactMap(\.self))
        let said = prompt == "-" ? try standardInput() : prompt
        let text = try chat?.prompt([ChatMessage("user", said)]) ?? said
        let ids = tokenizer.encode(text, specials: .opening).ids
        let patches = try patch.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0)), scale: scale) }
        let patched = try model.load(checkpoint, patches: patches)
        let isStreaming = printing.format == .human && !compare
        var stream = StreamingDecoder(tokenizer)
        let written = try patched.generate(ids, limit: tokens) { generated in
            if isStreaming, let last = generated.last, !stops.contains(last) {
                try showAtOnce(stream.append(last))
            }
            return generated.last.map(stops.contains) ?? false
        }
        let expectation = try expect.map { expected in
            let failure =
                try chat?.failure([ChatMessage("user", said)], expected: expected)
                ?? Failure(prompt: text, expected: expected)
            return try ExpectedAnswer(failure, patched, tokenizer)
        }
        let answer = tokenizer.decode(written, skippingSpecials: true)
        if isStreaming {
            try showAtOnce(stream.finish() + "\n")
            noteBoundaries(of: [Failure(prompt: text, expected: expect ?? " x")], isChat: chat != nil)
            if written.first.map(stops.contains) == true { note("the model ended its answer at once") }
            if expectation == nil { return }
        }
        let original =
            compare
            ? try tokenizer.decode(
                model.load(checkpoint).generate(ids, limit: tokens) { $0.last.map(stops.contains) ?? false },
                skippingSpecials: true) : nil
        let report = try Report(
            GeneratedAnswer(
                prompt: text, text: answer, tokens: written, original: original, expectation: expectation),
            title: model.url.lastPathComponent)
        printing.show(report, quietly: answer)
        if let expectation, expectation.wrong != nil {
            if printing.format == .human, try offerRepair(after: said, expecting: expect ?? expectation.expected) {
                return
            }
            throw ExitCode(DiagnosticKind.failed.rawValue)
        }
    }

    private func standardInput() throws -> String {
        guard let text = String(validating: try readInput(), as: UTF8.self) else {
            throw FormatError(.invalidUTF8, "the prompt is not UTF-8", subject: "standard input")
        }
        return text
    }
}
