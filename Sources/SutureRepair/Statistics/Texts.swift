import Foundation
import SutureFormats
import SutureModels
import SutureTasks
import SutureTokenizers

/// Short texts that stand for what a model should keep doing: code, shell and prose, one on a line,
/// with line breaks written as `\n`. All were written for Suture.
public enum Texts {
    /// Texts whose activations say how specific a neuron is; disjoint from the guards.
    public static var reference: [String] { lines(PackageResources.reference_txt) }
    /// Texts on which a patched model is compared with the original.
    public static var guards: [String] { lines(PackageResources.guards_txt) }
    /// Longer texts on which perplexity is measured.
    public static var heldOut: [String] { lines(PackageResources.heldout_txt) }

    /// Names of people, places, works and other things, which stand for subjects that a text could be about instead.
    static var names: [String] { lines(PackageResources.names_txt) }

    /// Requests and the code for them in several languages, to stand for examples and questions that nobody gave.
    static var examples: [TaskSet.Task] {
        lines(PackageResources.examples_txt).compactMap { line in
            line.firstIndex(of: "\t").map {
                TaskSet.Task(intent: String(line[..<$0]), code: String(line[line.index(after: $0)...]))
            }
        }
    }

    /// The texts of a user's file, one on a line; blank lines are none, and are told to `skipping`.
    public static func read(_ url: URL, skipping: (_ blankLines: Int) -> Void = { _ in }) throws -> [String] {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        guard let text = String(validating: file.text, as: UTF8.self) else {
            throw RepairError(.badList, "this file is not UTF-8", subject: file.name)
        }
        let texts = split(text)
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let blank = lines.count - texts.count - (lines.last?.isEmpty == true ? 1 : 0)
        if blank > 0 { skipping(blank) }
        guard !texts.isEmpty else { throw RepairError(.badList, "there are no texts in this file", subject: file.name) }
        return texts
    }

    /// Texts in tokens, as repairs read them: each with what the tokenizer begins texts with, and as far as the model's
    /// context reaches.
    public static func tokens(_ texts: [String], _ tokenizer: Tokenizer, for model: LanguageModel) -> [[Int]] {
        texts.map { Array(tokenizer.encode($0, specials: .opening).ids.prefix(model.architecture.contextLength)) }
    }

    private static func lines(_ bytes: [UInt8]) -> [String] { split(String(decoding: bytes, as: UTF8.self)) }

    private static func split(_ text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).map { Escapes.read(String($0)) }
    }
}
