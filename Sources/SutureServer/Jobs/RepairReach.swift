import SutureCore
import SutureFormats
import SutureModels
import SutureRepair
import SutureTasks
import SutureTokenizers

/// Where else a repaired answer comes: behind other wordings of its prompt, where it should, and behind questions that are
/// easily mistaken for it, where it should not. The method knew both.
struct RepairReach: Sendable {
    /// How many prompts were asked, and behind how many the answer came before and comes now.
    struct Count: Sendable, Equatable {
        var asked = 0
        var before = 0
        var after = 0

        var json: JSON { ["asked": JSON(asked), "before": JSON(before), "after": JSON(after)] }
    }

    private(set) var wordings = Count()
    private(set) var nearMisses = Count()

    init(
        _ failure: Failure, _ model: LanguageModel, _ change: WeightChange, _ tokenizer: Tokenizer,
        progress: ProgressHandler
    ) throws {
        let varied = try TokenizedFailure(failure, variedBy: tokenizer)
        let prompts = varied.variants.map { ($0, true) } + varied.nearMisses.map { ($0, false) }
        let lowest = change.lowestLayer ?? 0
        for (number, (prompt, isWording)) in prompts.enumerated() {
            progress("asking in other words", number, prompts.count)
            let asked = TokenizedFailure(prompt: prompt, answer: varied.answer)
            guard asked.forced.count <= model.architecture.contextLength else { continue }
            let run = try ReferenceRun(model, asked, from: lowest)
            func comes(_ change: WeightChange?) throws -> Int { try run.share(of: asked.answer, change) == 1 ? 1 : 0 }
            let count = Count(asked: 1, before: try comes(nil), after: try comes(change))
            if isWording { wordings += count } else { nearMisses += count }
        }
    }

    var json: JSON { ["wordings": wordings.json, "near_misses": nearMisses.json] }
}

extension RepairReach.Count {
    fileprivate static func += (sum: inout Self, other: Self) {
        sum.asked += other.asked
        sum.before += other.before
        sum.after += other.after
    }
}
