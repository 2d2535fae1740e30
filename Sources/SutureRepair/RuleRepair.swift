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
    /// - Throws: what ``Repair/run(_:modelName:)`` throws; before anything is repaired, `TaskError` for an unseen failure that
    ///   cannot be split into tokens, and ``RepairError`` with code `badList` for one that does not fit the model.
    public func run(_ examples: [Failure], unseen: [Failure], modelName: String) throws -> Repair.Result {
        let tokens = try tokenized(unseen)
        var together = repair
        together.batch = max(1, examples.count)
        var result = try together.run(examples, modelName: modelName)
        let known = try mistakes(in: examples)
        let change = result.change
        result.report.unseen = try zip(unseen, tokens).enumerated().map { number, asked in
            repair.progress("asking unseen failures", number, unseen.count)
            return try judge(asked.0, asked.1, under: change, known)
        }
        return result
    }

    private func tokenized(_ unseen: [Failure]) throws -> [TokenizedFailure] {
        let (tokenizer, limit) = (repair.tokenizer, repair.model.architecture.contextLength)
        return try unseen.enumerated().map { number, failure in
            let name = "unseen failure \(number + 1)"
            do {
                let tokens = try TokenizedFailure(failure, tokenizer)
                guard tokens.forced.count <= limit else {
                    throw RepairError(
                        .badList, "prompt and answer do not fit the model", subject: name,
                        expected: "at most \(limit) tokens", found: "\(tokens.forced.count)")
                }
                return tokens
            } catch let error as TaskError {
                throw error.about(name)
            }
        }
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
        _ failure: Failure, _ tokens: TokenizedFailure, under change: WeightChange, _ known: Set<Mistake>
    ) throws -> Unseen {
        // What the change leaves as it was is not computed again.
        let trace = try repair.model.trace([tokens.forced])
        let (before, was) = try answer(to: tokens) { trace }
        let (after, now) = try answer(to: tokens) { try trace.applying(change) }
        let shared = was.indices.filter { place in was[place].map(known.contains) ?? false }
        return Unseen(
            prompt: failure.prompt, expected: failure.expected, before: before, after: after, shared: shared.count,
            sharedRight: shared.count { now[$0] == nil },
            lost: was.indices.count { was[$0] == nil && now[$0] != nil })
    }

    private func answer(
        to failure: TokenizedFailure, in trace: () throws -> Trace
    ) throws -> (Answer, [Mistake?]) {
        let count = failure.answer.count
        // Where scores are not numbers nothing is written, and every token is wrong.
        guard let (scores, written) = try finite({ try trace().answer(failure) }) else {
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
