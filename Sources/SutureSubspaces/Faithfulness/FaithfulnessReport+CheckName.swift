extension FaithfulnessReport {
    /// What the checks are called, in the order in which reports show them.
    public enum CheckName: String, Sendable, Codable, CaseIterable {
        case wholeComponent = "whole component"
        case rowPart = "row part"
        case kernelPart = "kernel part"
        case split = "split"
        case readsKernel = "reads kernel"
        case inputSeparation = "input separation"
        case outputRange = "output range"
        case naturalness = "naturalness"
        case independentDirections = "independent directions"
        case generalization = "generalization"
        case trainingPairs = "training pairs"
        case effectSize = "effect size"
        case necessity = "necessity"
        case mediation = "mediation"
        case inertDirections = "inert directions"
        case otherKnowledge = "other knowledge"
        case supersets = "supersets"
        case uniqueness = "uniqueness"
        case identity = "identity"

        /// What the check asks.
        public var question: String {
            switch self {
            case .wholeComponent: "Does the whole component carry the effect?"
            case .rowPart: "Does the part that reaches the output keep the effect?"
            case .kernelPart: "Does the kernel part do nothing?"
            case .split: "How does the direction split?"
            case .readsKernel: "Does it read in the kernel what it writes elsewhere?"
            case .inputSeparation: "Which part tells the inputs apart?"
            case .outputRange: "Does the output leave its natural range along what is written?"
            case .naturalness: "Are the patched values themselves unnatural?"
            case .independentDirections: "Do independent directions agree with it?"
            case .generalization: "Does it hold for other pairs, and in both directions?"
            case .trainingPairs: "From how many pairs was it learned?"
            case .effectSize: "How large is the effect, by several measures?"
            case .necessity: "Is it needed?"
            case .mediation: "Does the effect pass through the reading heads?"
            case .inertDirections: "Do directions that should do nothing do nothing?"
            case .otherKnowledge: "Does the direction know things it should not?"
            case .supersets: "Does patching more keep the effect?"
            case .uniqueness: "Is it the only one?"
            case .identity: "Does a patch from a prompt to itself change nothing?"
            }
        }
    }
}
