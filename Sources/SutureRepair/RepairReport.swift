import SutureModels

/// What a repair came to: every failure with what the model wrote before and after, every neuron that
/// was changed, and what else changed.
public struct RepairReport: Sendable, Codable {
    public var model: String
    public var method: String
    public var options: [String: Double]
    public var failures: [FailureOutcome]
    /// What became of the answers that patches of the model had repaired; nil where there were none.
    public var earlier: Earlier?
    /// What became of the guard cases; nil where there were none.
    public var guardCases: GuardCases?
    /// What became of tasks whose answers were judged by running them; nil where answers were given.
    public var checks: [CheckOutcome]?
    /// What became of unseen failures of the same kind; nil where no rule was to be learned.
    public var unseen: [RuleRepair.Unseen]?
    public var neurons: [ChangedNeuron]
    public var matrices: [ChangedMatrix]
    /// How many numbers the change is written down in, and its Euclidean norm, relative to that of the matrices it is in.
    public var numbers: Int
    public var relativeNorm: Double
    /// On the guard texts.
    public var sideEffects: SideEffects
    /// On longer texts that are held out.
    public var heldOut: SideEffects
    public var limits: Guard
    /// Why the guards do not let the patch pass; empty where they do.
    public var objections: [String]
    public var seconds: Double

    /// How a failure ended.
    public enum Status: String, Sendable, Codable {
        /// The model now writes the expected answer under greedy decoding, by a change of its own or by one before it.
        case fixed
        /// The model wrote the expected answer already.
        case right
        /// The failure was given up, and nothing was changed for it.
        case abandoned
    }

    /// Answers that patches of the model had repaired.
    public struct Earlier: Sendable, Codable {
        /// How many the patches name.
        public var asked: Int
        /// How many the model still gave under greedy decoding, and gives now.
        public var held: Int
    }

    /// Cases that must hold.
    public struct GuardCases: Sendable, Codable {
        /// How many there are.
        public var asked: Int
        /// How many of them the model met under greedy decoding before, and meets now.
        public var held: Int
        /// The prompts of those that it did not meet before: they guard nothing.
        public var missed: [String]
    }

    /// One failure.
    public struct FailureOutcome: Sendable, Codable {
        public var prompt: String
        public var expected: String
        /// What greedy decoding wrote before all repairs and after them, in as many tokens as the expected answer has.
        public var before: String
        public var after: String
        public var status: Status
        /// Why it was given up.
        public var reason: String?
        public var tokens: [Token]
        public var neurons: [Neuron]
        /// The layers whose output projection was changed as a whole.
        public var layers: [Int]
        public var steps: Int
        /// What else there is to know of how it was done.
        public var notes: [String]
        public var seconds: Double
    }

    /// A token of the expected answer, with its probability under teacher forcing.
    public struct Token: Sendable, Codable {
        public var text: String
        public var before: Double
        public var after: Double
        /// What was and is the most likely token in its place.
        public var topBefore: String
        public var topAfter: String
    }

    /// A neuron that was changed.
    public struct ChangedNeuron: Sendable, Codable {
        public var neuron: Neuron
        /// Whether what it reads was changed too: it then stands for its old input no more.
        public var rereads: Bool
        /// The length of the change of its write vector, and of that vector before.
        public var change: Double
        public var length: Double
        /// The neuron's activation where it was changed for; its sign turns what it writes.
        public var activation: Double
        /// The tokens that the change speaks for and against most there, by the head.
        public var promotes: [String]
        public var demotes: [String]
    }

    /// An output projection that was changed as a whole.
    public struct ChangedMatrix: Sendable, Codable {
        public var layer: Int
        /// The number of factors of the change; nil where every element is written down.
        public var rank: Int?
        /// The Euclidean norm of the change, and of the matrix before.
        public var change: Double
        public var length: Double
    }

    /// How many failures ended so.
    public func count(_ status: Status) -> Int { failures.count { $0.status == status } }

    /// What to end with where failures were given up: how many, and why the first of them; nil where none was.
    public var abandoned: RepairError? {
        guard let first = failures.firstIndex(where: { $0.status == .abandoned }) else { return nil }
        let reason = failures[first].reason ?? "no reason is known"
        return failures.count == 1
            ? RepairError(.abandoned, "not fixed: \(reason)")
            : RepairError(
                .abandoned,
                "\(count(.abandoned)) of \(failures.count) failures are not fixed; number \(first + 1): \(reason)")
    }
}

extension RepairReport.FailureOutcome {
    /// A failure that the model cannot even be asked.
    init(_ failure: Failure, abandoned reason: String) {
        self.init(
            prompt: failure.prompt, expected: failure.expected, before: "", after: "", status: .abandoned,
            reason: reason, tokens: [], neurons: [], layers: [], steps: 0, notes: [], seconds: 0)
    }
}
