import SutureCore
import SutureModels
import SutureTokenizers

/// What a model answers, and what somebody else makes of it: a compiler, a test, a program of one's own.
public struct JudgedAnswers: Sendable {
    /// One answer.
    public struct Answer: Sendable {
        public var prompt: String
        /// What greedy decoding writes, up to where the model ends it.
        public var written: String
        public var isMet: Bool
    }

    public let answers: [Answer]
    /// How many prompts could not be asked: empty, or as long as the model's context.
    public let unasked: Int

    /// Whether every prompt was asked, and every answer holds.
    public var areAllMet: Bool { unasked == 0 && answers.allSatisfy(\.isMet) }

    /// Asks a model.
    ///
    /// - Parameters:
    ///   - prompts: what the model reads.
    ///   - model: the model.
    ///   - tokenizer: its tokenizer.
    ///   - stops: the tokens that end an answer; they are no part of it.
    ///   - limit: how many tokens an answer has at most.
    ///   - progress: told how many were asked.
    ///   - judge: whether an answer holds.
    /// - Throws: what `judge` throws, and ``RepairError`` where no prompt can be asked.
    public init(
        of prompts: [String], in model: LanguageModel, _ tokenizer: Tokenizer, stops: Set<Int>, limit: Int,
        progress: ProgressHandler = { _, _, _ in }, judge: (String) throws -> Bool
    ) throws {
        let context = model.architecture.contextLength
        answers = try prompts.enumerated().compactMap { number, prompt in
            defer { progress("asking", number + 1, prompts.count) }
            let ids = tokenizer.encode(prompt, specials: .opening).ids
            guard !ids.isEmpty, ids.count < context else { return nil }
            let writing = TextWriting(tokenizer, ends: stops, limit: min(limit, context - ids.count))
            let written = try writing.write(model, behind: ids).text
            return try Answer(prompt: prompt, written: written, isMet: judge(written))
        }
        unasked = prompts.count - answers.count
        guard !answers.isEmpty else {
            throw RepairError(
                .badRequest, "no prompt can be asked", expected: "prompts of at most \(context - 1) tokens")
        }
    }
}
