import Foundation
import SutureKit

extension GenerateCommand {
    /// How the model does on an answer that was expected, under teacher forcing.
    struct Expectation: Encodable, Sendable {
        struct Token: Encodable, Sendable {
            var text: String
            var probability: Double
            /// What the model would write here, where that is something else.
            var instead: String?
        }

        var expected: String
        var tokens: [Token]

        init(_ expected: String, after prompt: String, _ model: LanguageModel, _ tokenizer: Tokenizer) throws {
            let failure = try TokenizedFailure(Failure(prompt: prompt, expected: expected), tokenizer)
            let reading = try model.read(failure)
            self.expected = expected
            tokens = failure.answer.indices.map { place in
                let (wanted, top) = (failure.answer[place], reading.top[place])
                return Token(
                    text: tokenizer.decode([wanted]), probability: reading.probabilities[place],
                    instead: top == wanted ? nil : tokenizer.decode([top]))
            }
        }

        /// The first token at which greedy decoding leaves the answer.
        var wrong: Int? { tokens.firstIndex { $0.instead != nil } }

        var verdict: Report.Verdict {
            guard let wrong else { return .init(.good, "This is the expected answer.") }
            let chance = String(format: "%.2g%%", 100 * tokens[wrong].probability)
            return .init(
                .bad, "Another answer from token \(wrong + 1) of \(tokens.count) on: the expected one has \(chance).")
        }

        var strip: Report.TokenStrip {
            .init(
                caption: "The expected answer",
                tokens: tokens.map { token in
                    .init(
                        token.text, before: token.probability, after: nil,
                        state: token.instead == nil ? .unchanged : .wrong, instead: token.instead)
                })
        }
    }

    /// Asks whether to repair where somebody is there to answer; else says how to.
    func offerRepair(after prompt: String, expecting expected: String) throws {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1, self.prompt != "-", patch.isEmpty else {
            let patches = scale == 1 ? patch.map { " --patch=\(quoted($0))" }.joined() : ""
            let which = scale == 1 || patch.isEmpty ? "" : " (of the model with these patches applied)"
            note(
                "repair it\(which): suture repair \(quoted(model.model))\(patches) --prompt=\(quoted(prompt)) "
                    + "--expected=\(quoted(expected)) -o fix.safetensors")
            return
        }
        try FileHandle.standardError.write(
            contentsOf: Data("Repair it? A file for the patch, or nothing for no: ".utf8))
        guard let file = readLine()?.trimmingCharacters(in: .whitespaces), !file.isEmpty else { return }
        let repair = try RepairCommand.parse(
            [model.model, "--prompt=\(prompt)", "--expected=\(expected)", "--output=\(file)"] + modelFlags)
        try repair.run()
    }

    private var modelFlags: [String] {
        ["--device=\(model.device)"] + (model.threads.map { ["--threads=\($0)"] } ?? [])
    }

    /// A word as a shell takes it.
    private func quoted(_ word: String) -> String {
        let escaped = word.replacing("\\", with: "\\\\").replacing("'", with: "\\'").replacing("\n", with: "\\n")
        return escaped == word ? "'\(word)'" : "$'\(escaped)'"
    }
}
