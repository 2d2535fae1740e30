import Foundation
import SutureModels
import SutureTasks
import SutureTensor
import SutureTokenizers

/// How a model does after some failures were repaired one on top of the other.
public struct SuccessionRecord: Sendable, Codable, Equatable {
    public var task: Int
    public var method: Int
    /// How many failures were tried, and how many of them were fixed when it was their turn (or right already).
    public var tried: Int
    public var fixed: Int
    /// How many of these are still right.
    public var standing: Int
    /// Of all that were tried: those that come out right in the words of somebody else, of those that have such words.
    public var paraphrased: Share
    /// Of their near misses (one of each): those that have the same answer as in the original model.
    public var kept: Share
    /// How long the repairs took, without what is looked at here.
    public var seconds: Double
    /// How many numbers the changes are, and their norm.
    public var numbers: Int
    public var norm: Double
    public var texts: [Text]
    /// Whether no failure is left to try.
    public var isLast: Bool

    /// How many of how many.
    public struct Share: Sendable, Codable, Equatable {
        public var count: Int
        public var of: Int
    }

    /// One of the texts on which side effects are measured.
    public struct Text: Sendable, Codable, Equatable {
        public var tokens: Int
        /// Sums of the logarithms of the tokens' probabilities, in the original model and now.
        public var before: Double
        public var now: Double
    }
}

/// Repairs all failures of a task with one method, each on the model with the repairs before it, and looks from time to
/// time at what is left of the earlier ones. Nothing guards them: what is seen is the method.
struct Succession {
    /// A failure, and what is looked at beside it.
    struct Asked {
        var failure: TokenizedFailure
        var paraphrase: TokenizedFailure?
        var nearMiss: TokenizedFailure?
    }

    let model: LanguageModel
    let method: PreparedMethod
    /// The failures, as far as they are to be tried.
    let asked: [Asked]
    /// Texts on which side effects are measured, each of two tokens or more.
    let texts: [[Int]]

    /// After how many failures one looks: 1, 2, 5, 10, 20, 50 and so on, and at the end.
    static func stops(_ count: Int) -> Set<Int> {
        var stops: Set<Int> = [count]
        var power = 1
        while power <= count {
            stops.formUnion([1, 2, 5].map { $0 * power }.filter { $0 < count })
            power *= 10
        }
        return stops.subtracting([0])
    }

    /// Goes through the failures; `look` is asked whether a stop is of interest, and told what was found there.
    func run(
        isKnown: (_ tried: Int) -> Bool, progress: (_ tried: Int) throws -> Void,
        found: (SuccessionRecord) throws -> Void
    ) throws {
        let stops = Self.stops(asked.count)
        let clock = ContinuousClock()
        var change = WeightChange()
        var present = model
        var fixed: [TokenizedFailure] = []
        var spent = Duration.zero
        // What the original model says, asked once.
        var original: (answers: [[Int]?], texts: [Double]) = ([], [])
        for (index, each) in asked.enumerated() {
            let start = clock.now
            if let next = try repaired(each.failure, present, change) {
                (change, present) = next
                fixed.append(each.failure)
            }
            spent += clock.now - start
            try progress(index + 1)
            guard stops.contains(index + 1), !isKnown(index + 1) else { continue }
            let tried = asked[...index]
            for each in tried[original.answers.count...] { original.answers.append(try each.nearMiss.map(model.write)) }
            if original.texts.isEmpty { original.texts = try texts.map { try logProbability($0, model) } }
            let paraphrases = tried.compactMap(\.paraphrase)
            let answers = zip(tried, original.answers).compactMap { each, answer in
                each.nearMiss.flatMap { asked in answer.map { (asked: asked, answer: $0) } }
            }
            try found(
                SuccessionRecord(
                    task: 0, method: 0, tried: index + 1, fixed: fixed.count,
                    standing: fixed.count { try written($0, present) == $0.answer },
                    paraphrased: .init(
                        count: paraphrases.count { try written($0, present) == $0.answer }, of: paraphrases.count),
                    kept: .init(
                        count: answers.count { try written($0.asked, present) == $0.answer }, of: answers.count),
                    seconds: spent / .seconds(1), numbers: change.count, norm: change.norm,
                    texts: try zip(texts, original.texts).map { text, before in
                        .init(tokens: text.count - 1, before: before, now: try logProbability(text, present))
                    }, isLast: index + 1 == asked.count))
        }
    }

    /// The change so far with a repair of one more failure in it, and the model with it; the same where it is right, nil where
    /// it cannot be fixed.
    private func repaired(
        _ failure: TokenizedFailure, _ present: LanguageModel, _ change: WeightChange
    ) throws -> (change: WeightChange, model: LanguageModel)? {
        let run = TeacherForcedRun(failure, try present.trace([failure.forced]))
        if try run.gaps().wrong.isEmpty { return (change, present) }
        let proposal = try method.propose([run])
        guard proposal.abandoned == nil else { return nil }
        let sum = try change.adding(proposal.change)
        let patched = try model.applying(sum)
        return try written(failure, patched) == failure.answer ? (sum, patched) : nil
    }

    /// What a model answers; nothing where its scores are no numbers.
    private func written(_ failure: TokenizedFailure, _ model: LanguageModel) throws -> [Int]? {
        try finite { try model.write(failure) }
    }

    /// The sum of the logarithms of the probabilities of a text's tokens, each given those before it. Where the scores are no
    /// numbers, all tokens are equally likely.
    private func logProbability(_ text: [Int], _ model: LanguageModel) throws -> Double {
        let text = TokenizedFailure(prompt: [text[0]], answer: Array(text.dropFirst()))
        let targets = try Tensor(text.answer, shape: [text.answer.count, 1], device: model.device)
        let sum = try finite { try model.scores(text).logits.logSoftmax().gathered(1, at: targets).sum().item() }
        return sum ?? -Double(text.answer.count) * log(Double(model.architecture.vocabulary))
    }
}
