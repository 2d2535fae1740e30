/// An intent as a model is asked for it, with what else is needed to measure a repair of the answer.
public struct Question: Sendable, Equatable {
    public var task: TaskSet.Task
    /// The examples before it.
    public var shots: [TaskSet.Task]
    /// As many other examples.
    public var otherShots: [TaskSet.Task]
    /// Other intents, to be asked behind the same examples: what lies near the question and should not change.
    public var related: [TaskSet.Task]
    public var frame: Frame

    /// The prompt and the answer that it should have.
    public var failure: Failure { frame.failure(task, after: shots) }

    /// How a question can be put otherwise, with the same answer.
    public enum Variant: String, Sendable, Codable, CaseIterable {
        /// The intent in other words (``Rewording``).
        case reworded
        /// Another word before each intent.
        case reframed
        /// The examples in reverse order.
        case reordered
        /// Other examples.
        case otherShots
    }

    /// The question put otherwise.
    public func failure(_ variant: Variant) -> Failure {
        switch variant {
        case .reworded:
            frame.failure(.init(intent: Rewording.reworded(task.intent), code: task.code), after: shots)
        case .reframed: frame.reopened.failure(task, after: shots)
        case .reordered: frame.failure(task, after: shots.reversed())
        case .otherShots: frame.failure(task, after: otherShots)
        }
    }

    /// The variants that are not the question itself.
    public var variants: [Variant] { Variant.allCases.filter { failure($0) != failure } }

    /// The questions behind the same examples.
    public var relatedFailures: [Failure] { related.map { frame.failure($0, after: shots) } }
}
