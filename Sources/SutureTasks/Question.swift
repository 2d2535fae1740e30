/// An intent as a model is asked for it, with what else is needed to measure a repair of the answer.
public struct Question: Sendable, Equatable {
    public var task: TaskSet.Task
    /// The examples before it.
    public var shots: [TaskSet.Task]
    /// As many other examples.
    public var otherShots: [TaskSet.Task]
    /// What somebody else wrote who wanted the same code, where the data set has that.
    public var paraphrase: String?
    /// Other intents, to be asked behind the same examples: what should not change.
    public var related: [TaskSet.Task]
    /// The other intents that are easiest to mistake for this one: the same tool and similar words.
    public var nearMisses: [TaskSet.Task]
    public var frame: Frame

    /// The prompt and the answer that it should have.
    ///
    /// Throws ``TaskError`` where a chat template refuses it; so do the others.
    public var failure: Failure { get throws { try frame.failure(task, after: shots) } }

    /// How a question can be put otherwise, with the same answer.
    public enum Variant: String, Sendable, Codable, CaseIterable {
        /// The intent in the words of somebody else who wanted the same code.
        case paraphrased
        /// The intent in other words, by rule (``Rewording``).
        case reworded
        /// Another word before each intent.
        case reframed
        /// The examples in reverse order.
        case reordered
        /// Other examples.
        case otherShots
    }

    /// The question put otherwise.
    public func failure(_ variant: Variant) throws -> Failure {
        switch variant {
        case .paraphrased:
            try frame.failure(.init(intent: paraphrase ?? task.intent, code: task.code), after: shots)
        case .reworded:
            try frame.failure(.init(intent: Rewording.reworded(task.intent), code: task.code), after: shots)
        case .reframed: try frame.reopened.failure(task, after: shots)
        case .reordered: try frame.failure(task, after: shots.reversed())
        case .otherShots: try frame.failure(task, after: otherShots)
        }
    }

    /// The variants that are not the question itself.
    public var variants: [Variant] {
        get throws {
            let failure = try failure
            return try Variant.allCases.filter { try self.failure($0) != failure }
        }
    }

    /// The questions behind the same examples.
    public var relatedFailures: [Failure] { get throws { try related.map { try frame.failure($0, after: shots) } } }

    /// The near misses behind the same examples.
    public var nearMissFailures: [Failure] { get throws { try nearMisses.map { try frame.failure($0, after: shots) } } }
}
