import SutureCore
import SutureModels
import SutureTasks

/// What a method may look at before it repairs anything.
public struct RepairMaterial {
    /// The model as it was loaded.
    public let model: LanguageModel
    /// The reference texts, as token ids.
    public let texts: [[Int]]
    /// Answers, each behind two prompts that ask the same behind different examples (``Texts/restated(_:)``).
    public let restated: [(TokenizedFailure, TokenizedFailure)]
    /// Neurons that belong to earlier patches: a method leaves them alone.
    public let reserved: Set<Neuron>
    /// Where statistics of the model on the texts may be kept; nil computes them anew.
    public let statistics: (any StatisticsSource)?
    let progress: ProgressHandler

    /// A model, and texts in tokens that statistics are taken of. Without `restated` answers, a method does not know what
    /// depends on examples alone.
    public init(
        _ model: LanguageModel, texts: [[Int]] = [], restated: [(TokenizedFailure, TokenizedFailure)] = [],
        reserved: Set<Neuron> = [], statistics: (any StatisticsSource)? = nil,
        progress: @escaping ProgressHandler = { _, _, _ in }
    ) {
        self.model = model
        self.texts = texts
        self.restated = restated
        // A neuron that is changed in each run, such as one that is switched off, looks idle and is not free.
        self.reserved = reserved.union(model.intervenedNeurons)
        self.statistics = statistics
        self.progress = progress
    }

    /// The first ten tokens of `count` of the texts; short ones are joined. Behind them what is learned should hold too, or
    /// in a question's place it should not.
    func openings(_ count: Int) -> [[Int]] {
        var (openings, pending): ([[Int]], [Int]) = ([], [])
        for text in texts where openings.count < count {
            pending += text
            guard pending.count >= 10 else { continue }
            openings.append(Array(pending.prefix(10)))
            pending = []
        }
        return openings
    }
}
