import SutureModels

/// A way to repair a failure: it proposes a change of weights, and says what it did or why it gave up.
///
/// A method proposes; whether the answer comes out right under greedy decoding, and what else
/// changed, is measured by ``Repair`` afterwards, whatever the method.
public protocol RepairMethod: Sendable {
    /// The name in files and commands.
    var name: String { get }
    /// What the method was set to, for the patch's manifest.
    var options: [String: Double] { get }
    /// Whether it asks for answers that lie above all other tokens by a margin.
    var needsMargin: Bool { get }
    /// What this method computes once for a model and needs for every repair; `texts` are the reference texts, as
    /// token ids, `reserved` are neurons that it must leave alone, and `cache` may have the result from before.
    func prepare(
        _ model: LanguageModel, texts: [[Int]], reserved: Set<Neuron>, cache: StatisticsCache?,
        progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> Workshop
    /// A change of `model` after which it gives the answer of `failure` token by token, or why there is none.
    func propose(_ failure: TokenizedFailure, in workshop: Workshop, on model: LanguageModel) throws -> Proposal
}

extension RepairMethod {
    public var needsMargin: Bool { false }

    /// What a method needs that looks at no texts.
    public func prepare(
        _ model: LanguageModel, texts: [[Int]], reserved: Set<Neuron>, cache: StatisticsCache?,
        progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> Workshop {
        try Workshop(model, reserved: reserved)
    }

    /// The same, computed anew.
    public func prepare(
        _ model: LanguageModel, texts: [[Int]], reserved: Set<Neuron> = [],
        progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> Workshop {
        try prepare(model, texts: texts, reserved: reserved, cache: nil, progress: progress)
    }
}

/// A method that can solve for many failures together, and leave earlier answers alone.
public protocol JointRepairMethod: RepairMethod {
    /// A change of `model` after which it gives the answers of as many of `failures` as the method can bring out.
    ///
    /// The change is projected onto the complement of what the changed parts read, in `model`, at the tokens of the answers
    /// `kept`: nothing is added there, save for what changed layers below may have moved. A neuron that is recruited is
    /// silent there.
    func propose(
        _ failures: [TokenizedFailure], sparing kept: [TokenizedFailure], in workshop: Workshop, on model: LanguageModel
    ) throws -> Proposal
}

extension JointRepairMethod {
    /// The same for one failure.
    public func propose(_ failure: TokenizedFailure, in workshop: Workshop, on model: LanguageModel) throws -> Proposal
    {
        try propose([failure], sparing: [], in: workshop, on: model)
    }
}

/// What a method came to.
public struct Proposal: Sendable {
    /// What is to be added to the weights; nothing if the method gave up.
    public var change = WeightChange()
    /// How many changes the method made on its way.
    public var steps = 0
    /// The neurons that were changed on the way, in order, by methods that change one after another.
    public var order: [Neuron] = []
    /// The neurons the method chose from.
    public var candidates: [Neuron] = []
    /// The token that each neuron was changed for; the last one counts.
    public var places: [Neuron: Place] = [:]
    /// What a reader of the result should know of how it was made.
    public var notes: [String] = []
    /// Why the method gave up, if it did.
    public var abandoned: String?

    /// A token of an answer: of which of the failures, and of its tokens which.
    public struct Place: Hashable, Sendable {
        public var failure = 0
        public var token: Int

        public init(failure: Int = 0, token: Int) {
            self.failure = failure
            self.token = token
        }
    }
}

/// What is computed once for a model and serves all its repairs.
public final class Workshop: Sendable {
    /// The model as it was loaded.
    public let original: LanguageModel
    public let basis: SemanticBasis
    /// Activations of the last layers on reference texts; nil where the method does not need them.
    public let statistics: ReferenceStatistics?
    /// What one layer reads on reference texts; nil where the method does not need it.
    public let reads: ReadStatistics?
    /// How the keys of output projections are distributed; nil where the method does not need it.
    public let keys: KeyStatistics?
    /// Beginnings of reference texts: behind them what is learned should hold too, or in a question's place it should not.
    public let openings: [[Int]]
    /// Neurons that belong to earlier patches.
    public let reserved: Set<Neuron>

    public init(
        _ original: LanguageModel, basis: SemanticBasis? = nil, statistics: ReferenceStatistics? = nil,
        reads: ReadStatistics? = nil, keys: KeyStatistics? = nil, openings: [[Int]] = [],
        reserved: Set<Neuron> = []
    ) throws {
        self.original = original
        self.basis = try basis ?? SemanticBasis(original)
        self.statistics = statistics
        self.reads = reads
        self.keys = keys
        self.openings = openings
        self.reserved = reserved
    }

    /// The first ten tokens of `count` of the texts; short ones are joined.
    static func openings(_ texts: [[Int]], _ count: Int) -> [[Int]] {
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
