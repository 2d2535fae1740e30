import SutureCore
import SutureModels
import SutureTasks
import SutureTokenizers

extension RepairMethod {
    /// Why no change brings an answer out, in a sentence: another token has the same row of the output head, and so the same
    /// score. Of two such tokens the first is written, and neither lies above the other by any margin.
    func obstacle(to answer: [Int], in model: LanguageModel, name: (Int) -> String) throws -> String? {
        for token in Set(answer).sorted() {
            guard let twin = try model.twins(of: token).first, needsMargin || twin < token else { continue }
            return "no margin is possible: token \(name(token)) of the answer has the same output row as token "
                + "\(name(twin)), and so always the same score"
        }
        return nil
    }
}

extension Repair {
    /// Throws, before any work is done, where no change could bring out any of the answers.
    ///
    /// Throws ``RepairError`` with code `badRequest` that says why. A list of which some can be repaired is let pass.
    public static func requireReachable(
        _ failures: [Failure], by method: any RepairMethod, in model: LanguageModel, _ tokenizer: Tokenizer
    ) throws {
        var first: String?
        for failure in failures {
            guard let tokenized = try? TokenizedFailure(failure, tokenizer),
                tokenized.forced.count <= model.architecture.contextLength,
                let reason = try method.obstacle(
                    to: tokenized.answer, in: model,
                    name: { "\($0) \(Visible.quoted(tokenizer.decode([$0])))" }),
                try finite({ try model.answer(tokenized).written }) != tokenized.answer
            else { return }
            first = first ?? reason
        }
        guard let first else { return }
        throw RepairError(
            .badRequest, first, hint: "such tokens were probably never trained; ask for the answer in other words")
    }
}
