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
        /// Of the tokens, how many the model got wrong as in an example, with the same token in the same one's place, and how
        /// many of these are right now; and how many tokens were right and are not any more. All given those before them.
        public var shared: Int
        public var sharedRight: Int
        public var lost: Int
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
        let known = try mistakes(in: examples)
        let patched = try repair.model.applying(result.change)
        result.report.unseen = try zip(unseen, tokens).enumerated().map { number, asked in
            repair.progress("asking unseen failures", number, unseen.count)
            return try judge(asked.0, asked.1, with: patched, known)
        }
        return result
    }

    /// A token where another is wanted.
    private struct Mistake: Hashable {
        let wanted: Int
        let written: Int
    }

    /// The mistakes of the model in some failures that fit it, under teacher forcing.
    private func mistakes(in failures: [Failure]) throws -> Set<Mistake> {
        let limit = repair.model.architecture.contextLength
        var known: Set<Mistake> = []
        for failure in failures {
            let tokens = try TokenizedFailure(failure, repair.tokenizer)
            guard tokens.forced.count <= limit else { continue }
            known.formUnion(mistakes(tokens, try repair.model.scores(tokens).top).compactMap { $0 })
        }
        return known
    }

    /// In each place of an answer the mistake, or none.
    private func mistakes(_ failure: TokenizedFailure, _ top: [Int]) -> [Mistake?] {
        zip(failure.answer, top).map { $0 == $1 ? nil : Mistake(wanted: $0, written: $1) }
    }

    private func judge(
        _ failure: Failure, _ tokens: TokenizedFailure, with patched: LanguageModel, _ known: Set<Mistake>
    ) throws -> Unseen {
        let (before, was) = try answer(of: repair.model, to: tokens)
        let (after, now) = try answer(of: patched, to: tokens)
        let shared = was.indices.filter { place in was[place].map(known.contains) ?? false }
        return Unseen(
            prompt: failure.prompt, expected: failure.expected, before: before, after: after, shared: shared.count,
            sharedRight: shared.count { now[$0] == nil },
            lost: was.indices.count { was[$0] == nil && now[$0] != nil })
    }

    private func answer(of model: LanguageModel, to failure: TokenizedFailure) throws -> (Answer, [Mistake?]) {
        let count = failure.answer.count
        // Where scores are not numbers nothing is written, and every token is wrong.
        guard let (scores, written) = try finite({ try model.answer(failure) }) else {
            let none = Answer(written: "", isRight: false, rightTokens: 0, tokens: count)
            return (none, failure.answer.map { Mistake(wanted: $0, written: -1) })
        }
        let mistakes = mistakes(failure, scores.top)
        let answer = Answer(
            written: repair.tokenizer.decode(written), isRight: written == failure.answer,
            rightTokens: mistakes.count { $0 == nil }, tokens: count)
        return (answer, mistakes)
    }
}
