import SutureModels

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
    /// The tokens that each neuron was changed for.
    public var places: [Neuron: [Place]] = [:]
    /// What a reader of the result should know of how it was made.
    public var notes: [String] = []
    /// Why the method gave up, if it did.
    public var abandoned: String?

    /// What a method proposes: a change, or why there is none.
    public init(
        change: WeightChange = WeightChange(), steps: Int = 0, places: [Neuron: [Place]] = [:], notes: [String] = []
    ) {
        (self.change, self.steps, self.places, self.notes) = (change, steps, places, notes)
    }

    /// A token of an answer: of which of the failures, and of its tokens which.
    public struct Place: Hashable, Comparable, Sendable {
        public var failure = 0
        public var token: Int

        /// A token of the answer to one of the failures that are solved for together.
        public init(failure: Int = 0, token: Int) {
            self.failure = failure
            self.token = token
        }

        /// By failures, then by tokens.
        public static func < (one: Place, other: Place) -> Bool {
            (one.failure, one.token) < (other.failure, other.token)
        }
    }

    /// The same search, given up: nothing is changed.
    func abandoning(_ reason: String) -> Proposal {
        var proposal = self
        proposal.change = WeightChange()
        proposal.abandoned = reason
        return proposal
    }
}
