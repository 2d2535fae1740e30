import SutureCore
import SutureFormats
import SutureModels
import SutureRepair
import SutureTasks

/// What a model answers to a prompt of one's own.
struct CaseAnswer: Sendable {
    /// As many tokens as the expected answer has; nil where the model cannot be asked.
    var written: String?
    var isRight: Bool

    /// The answers to some prompts, under greedy decoding.
    static func of(
        _ cases: [Case], _ model: LanguageModel, _ tokenizers: Tokenizers, progress: ProgressHandler
    ) throws -> [CaseAnswer] {
        try cases.enumerated().map { number, one in
            progress("asking your own prompts", number, cases.count)
            let tokenizer = tokenizers.of(isChat: one.isChat)
            guard let failure = try? TokenizedFailure(one.failure, tokenizer),
                failure.forced.count <= model.architecture.contextLength
            else { return CaseAnswer(written: nil, isRight: false) }
            let written = try model.write(failure)
            return CaseAnswer(written: tokenizer.decode(written), isRight: written == failure.answer)
        }
    }
}

/// What a change makes of one's own prompts.
struct CaseComparison: Sendable {
    private let cases: [Case]
    private let before, after: [CaseAnswer]

    init(
        _ cases: [Case], _ model: LanguageModel, _ changed: LanguageModel, _ tokenizers: Tokenizers,
        progress: ProgressHandler
    ) throws {
        self.cases = cases
        before = try CaseAnswer.of(cases, model, tokenizers, progress: progress)
        after = try CaseAnswer.of(cases, changed, tokenizers, progress: progress)
    }

    /// How many were and are right, and all whose answer is another one now.
    var json: JSON {
        let changed = cases.indices.filter { before[$0].written != after[$0].written }
        return [
            "asked": JSON(cases.count), "before": JSON(before.count(where: \.isRight)),
            "after": JSON(after.count(where: \.isRight)),
            "changed": .array(
                changed.map { place in
                    var members = cases[place].members
                    members["before"] = before[place].written.map { JSON($0) } ?? .null
                    members["after"] = after[place].written.map { JSON($0) } ?? .null
                    members["right"] = JSON(after[place].isRight)
                    return .object(members)
                })
        ]
    }
}
