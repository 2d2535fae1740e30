import SutureTensor

/// What is known of whether a direction is what it seems: the checks, their controls, and what may be said.
public struct FaithfulnessReport: Sendable, Codable {
    /// One question, the numbers that bear on it, and what they can and cannot show.
    public struct Check: Sendable, Codable {
        /// How the figure of a check is to be read.
        public enum Reading: String, Sendable, Codable {
            /// As one would expect of a direction that the model itself uses.
            case supports
            /// As one would expect of a dormant pathway, an accident or a mistake.
            case concern
            /// Says something, but neither way by itself.
            case information
            /// Not measured here, and why.
            case notMeasured
        }

        public var id: CheckName
        public var question: String
        public var values: [Value]
        public var reading: Reading
        public var shows: String
        public var cannotShow: String
    }

    /// A number, with its interval where that is known, or the control it is to be held against.
    public struct Value: Sendable, Codable {
        public var name: String
        public var value: Double
        public var low: Double?
        public var high: Double?
        public var control: Double?
        /// Whether this number is what makes its check a concern; nil where it is not.
        public var isWrong: Bool?

        init(_ name: String, _ value: Double, control: Double? = nil, isWrong: Bool = false) {
            self.name = name
            self.value = value
            self.control = control
            self.isWrong = isWrong ? true : nil
        }

        init(_ name: String, _ estimate: Estimate, control: Double? = nil, isWrong: Bool = false) {
            self.init(name, estimate.value, control: control, isWrong: isWrong)
            low = estimate.low
            high = estimate.high
        }
    }

    /// The effect (FLDD) of the source's residual stream, layers x tokens.
    public struct PositionSweep: Sendable, Codable {
        public var cells: [[Double]]
        public var tokens: [String]
    }

    /// How much may be said; each level needs the one before.
    public enum Level: String, Sendable, Codable, CaseIterable {
        case none = "does not control the output"
        case controls = "controls the output"
        case generalises = "controls the output and generalises"
        case mediates = "consistent with natural mediation at this site"
    }

    public var model: String
    public var location: String
    public var method: String
    public var options: [String: Double]
    /// How many directions the subspace has; nil in files from before it was written there.
    public var directions: Int?
    public var trainPairs: Int
    public var heldOutPairs: Int
    public var checks: [Check]
    public var evidence: Evidence
    /// Where the difference of one held-out pair is in the residual stream; nil where its prompts are of unequal lengths.
    public var sweep: PositionSweep?
    public var dormancyScore: DormancyScore
    public var threshold: Double
    public var level: Level
    /// Why no more may be said.
    public var obstacles: [String]

    private enum CodingKeys: String, CodingKey {
        case model, method, options, directions, trainPairs, heldOutPairs, checks, evidence, sweep, dormancyScore,
            threshold, level
        case obstacles
        // Its name in files.
        case location = "spot"
    }

    /// The check of that name.
    public func check(_ id: CheckName) -> Check? { checks.first { $0.id == id } }

    /// The whole verdict in a sentence: what was shown, and what speaks against it first.
    public var headline: String {
        let subject = (directions ?? 1) == 1 ? "This direction" : "This subspace of \(directions ?? 1) directions"
        if level == .none { return "\(subject) \(level.rawValue): \(obstacles.joined(separator: "; "))." }
        if isDormant {
            return "\(subject) \(level.rawValue), but probably through a dormant pathway: "
                + "\(dormancyScore.reasons(evidence).joined(separator: ", and "))."
        }
        return "\(subject) \(level == .mediates ? "is " : "")\(level.rawValue)."
    }

    /// Whether most of the evidence points to a dormant pathway.
    public var isDormant: Bool { dormancyScore.value > threshold }

    /// Objections that apply to every number here, from both sides of the debate.
    public static let caveats = [
        "A difference between a direction and its row part is a normal consequence of geometry: data need not lie orthogonal to "
            + "a kernel, and faithful directions lose effect too (Wu, Geiger et al., 2401.12631).",
        "FLDD can be high where the answer hardly ever changes; interchange accuracy over the whole vocabulary is the stricter number.",
        "That classes lie apart along a direction is a correlation, not a cause.",
        "No basis is privileged: other directions may do as well, and a component whose whole patch does little may hold parts "
            + "that cancel.",
        "An effect from end to end does not locate a feature: a patch can create a pathway that no natural run uses "
            + "(Makelov, Lange & Nanda, 2311.17030).",
        "The thresholds were calibrated on small planted networks; on a language model they are a convention."
    ]
}
