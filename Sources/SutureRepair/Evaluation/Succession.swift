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
    /// The norm of all that was added to the weights.
    public var norm: Double
    public var texts: [Text]
    /// Whether no failure is left to try.
    public var isLast: Bool

    /// One of the texts that are held out.
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
    let model: LanguageModel
    let method: PreparedMethod
    /// The failures, as far as they are to be tried.
    let failures: [TokenizedFailure]
    /// Texts that are held out.
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
        let stops = Self.stops(failures.count)
        var change = WeightChange()
        var present = model
        var held: [HeldAnswer] = []
        for (index, failure) in failures.enumerated() {
            if try present.write(failure) == failure.answer {
                held.append(HeldAnswer(failure, of: .failure(index + 1)))
            } else {
                let proposal = try method.propose(failure, on: present)
                if proposal.abandoned == nil {
                    let sum = try change.adding(proposal.change)
                    let patched = try model.applying(sum)
                    if try finite({ try patched.write(failure) }) == failure.answer {
                        (change, present) = (sum, patched)
                        held.append(HeldAnswer(failure, of: .failure(index + 1)))
                    }
                }
            }
            try progress(index + 1)
            guard stops.contains(index + 1), !isKnown(index + 1) else { continue }
            var standing = 0
            for index in held.indices where try held[index].holds(in: model, with: change) { standing += 1 }
            try found(
                SuccessionRecord(
                    task: 0, method: 0, tried: index + 1, fixed: held.count, standing: standing, norm: change.norm,
                    texts: try texts.map { try text($0, change) }, isLast: index + 1 == failures.count))
        }
    }

    private func text(_ tokens: [Int], _ change: WeightChange) throws -> SuccessionRecord.Text {
        let effects = try SideEffects.measure(change, on: model, texts: [tokens])
        let count = Double(tokens.count - 1)
        return .init(
            tokens: tokens.count - 1, before: -count * log(effects.perplexityBefore),
            now: -count * log(effects.perplexityAfter))
    }
}
