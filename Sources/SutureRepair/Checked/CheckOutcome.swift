import SutureTasks

/// What became of a task whose answers are judged by running them.
public struct CheckOutcome: Sendable, Codable {
    /// Where the answer came from that the model was repaired to give.
    public enum Source: String, Sendable, Codable {
        /// Greedy decoding, which needed no repair.
        case greedy
        /// One of the user's.
        case given
        case beam
        case sample
    }

    /// How it ended.
    public enum Verdict: String, Sendable, Codable {
        /// The model's own answer passed before.
        case right
        /// The free answer passes, and so do most of those to held-out wordings.
        case adopted
        /// The free answer passes, and most of those to held-out wordings do not: it holds for these words only.
        case workaround
        /// The free answer passes; there was no other wording to ask.
        case passes
        /// The model was changed, and its free answer does not pass.
        case failing
        /// No answer passed that was tried.
        case unsolved
        /// An answer passed, and the model could not be repaired to give it.
        case abandoned
    }

    /// An answer to other words, before the repair and after.
    public struct Variant: Sendable, Codable {
        public var name: String
        public var prompt: String
        public var passedBefore: Bool
        public var passes: Bool
        /// What the model writes now.
        public var written: String
    }

    public var prompt: String
    public var verdict: Verdict
    /// What greedy decoding wrote before, up to its end, and why it did not pass; nil where it did.
    public var before: String
    public var fault: String?
    /// How many different answers were run until one passed, that of greedy decoding among them.
    public var tried: Int
    /// The answer that passed.
    public var answer: String?
    public var source: Source?
    /// What greedy decoding writes now, up to its end, and why that does not pass.
    public var after: String?
    public var faultAfter: String?
    /// The wordings that nothing was repaired on.
    public var heldOut: [Variant]
    public var seconds: Double

    /// Whether the model's free answer passes now.
    public var isPassing: Bool { [.right, .adopted, .workaround, .passes].contains(verdict) }

    /// How many held-out wordings pass now.
    public var heldOutPasses: Int { heldOut.count(where: \.passes) }
}
