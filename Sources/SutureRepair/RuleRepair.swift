import SutureCore
import SutureModels
import SutureTasks
import SutureTokenizers

/// A repair of several failures of one kind, together, judged by others of that kind that it did not see.
///
/// A flag of a tool that changed, a function with a new name: the examples are solved for together, and what they have in
/// common should make unseen ones come right, too. How many do is what the repair is worth as a rule.
public struct RuleRepair {
    private let repair: Repair

    /// With what repairs.
    public init(_ repair: Repair) { self.repair = repair }

    /// An unseen failure of the kind.
    public struct Unseen: Sendable, Codable {
        public var prompt: String
        public var expected: String
        public var before: Answer
        public var after: Answer
    }

    /// How a model does on an unseen failure.
    public struct Answer: Sendable, Codable {
        /// What greedy decoding writes, in as many tokens as the expected answer has.
        public var written: String
        public var isRight: Bool
        /// How many of how many tokens are right, given those before them (teacher forcing).
        public var rightTokens: Int
        public var tokens: Int
    }

    /// A list of failures, split at random: a third of them, at least one, is held out.
    ///
    /// Throws ``RepairError`` with code `badRequest` for fewer than three.
    public static func split(_ failures: [Failure]) throws -> (examples: [Failure], unseen: [Failure]) {
        guard failures.count >= 3 else {
            throw RepairError(
                .badRequest, "a rule is learned from two failures or more, and judged by others",
                expected: "at least 3 failures, of which a third is held out", found: "\(failures.count)",
                hint: "or --unseen FILE, with failures to judge by")
        }
        var random = SeededGenerator(seed: 0)
        let order = random.shuffled(Array(failures.indices))
        let unseen = Set(order.prefix(failures.count / 3))
        return (
            failures.indices.filter { !unseen.contains($0) }.map { failures[$0] }, unseen.sorted().map { failures[$0] }
        )
    }

    /// Repairs the examples together, and asks the unseen failures before and after.
    ///
    /// - Returns: the change, and a report with `unseen`.
    /// - Throws: what ``Repair/run(_:modelName:)`` throws; `TaskError` for an unseen failure that cannot be split into tokens.
    public func run(_ examples: [Failure], unseen: [Failure], modelName: String) throws -> Repair.Result {
        let tokenizer = repair.tokenizer
        let tokens = try unseen.map { try TokenizedFailure($0, tokenizer) }
        var together = repair
        together.batch = max(1, examples.count)
        var result = try together.run(examples, modelName: modelName)
        result.report.unseen = try judge(unseen, tokens, with: repair.model.applying(result.change))
        return result
    }

    private func judge(
        _ unseen: [Failure], _ tokens: [TokenizedFailure], with patched: LanguageModel
    ) throws -> [Unseen] {
        var judged: [Unseen] = []
        for (failure, tokens) in zip(unseen, tokens) {
            repair.progress("asking unseen failures", judged.count, unseen.count)
            let before = try answer(of: repair.model, to: tokens)
            let after = try answer(of: patched, to: tokens)
            judged.append(
                Unseen(prompt: failure.prompt, expected: failure.expected, before: before, after: after))
        }
        return judged
    }

    private func answer(of model: LanguageModel, to failure: TokenizedFailure) throws -> Answer {
        let count = failure.answer.count
        // Where scores are not numbers nothing is written.
        guard let (scores, written) = try finite({ try model.answer(failure) }) else {
            return Answer(written: "", isRight: false, rightTokens: 0, tokens: count)
        }
        return Answer(
            written: repair.tokenizer.decode(written), isRight: written == failure.answer,
            rightTokens: count - scores.wrong(failure.answer).count, tokens: count)
    }
}
