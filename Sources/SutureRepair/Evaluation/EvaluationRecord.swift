import Foundation
import SutureTasks

/// What an evaluation is of: two with other settings have nothing to do with each other.
public struct EvaluationSettings: Sendable, Codable, Equatable {
    public var schema = "suture.evaluation/3"
    /// The model's name, for people, and its digest.
    public var model: String
    public var digest: String
    public var tasks: [Task]
    public var methods: [Method]
    /// Whether only the first wrong token of an answer is repaired, MINT's unit, or all of it.
    public var firstToken: Bool
    /// What is looked at beside single repairs.
    public var studies: [RepairEvaluation.Study]
    /// The digest of the texts that methods take statistics of, and of those on which repairs are measured.
    public var texts: String

    /// The questions that are asked.
    public struct Task: Sendable, Codable, Equatable {
        public var name: String
        public var questions: Int
        /// Of all that is asked: another limit, seed or frame gives another one.
        public var digest: String
    }

    /// What the methods are called: by their names, and where two have one, with the settings in which they differ.
    public var labels: [String] {
        methods.map { method in
            let same = methods.filter { $0.name == method.name }
            let differing = method.options.keys.sorted().filter { key in
                same.contains { $0.options[key] != method.options[key] }
            }
            let settings = differing.map { "\($0)=\(String(format: "%.6g", method.options[$0] ?? 0))" }
            return ([method.name] + settings).joined(separator: ":")
        }
    }

    /// A method and what it is set to.
    public struct Method: Sendable, Codable, Equatable {
        public var name: String
        public var options: [String: Double]
    }
}

/// One question to the original model, and what became of it.
public struct AskedRecord: Sendable, Codable, Equatable {
    public var task: Int
    public var question: Int
    /// What is to be repaired: the answer, or its first wrong token with the right part before it in the prompt.
    public var prompt: String
    public var expected: String
    /// What greedy decoding writes, in as many tokens.
    public var written: String
    public var isRight: Bool
    public var reading: AnswerReading
    /// The share of right tokens where the question is put otherwise.
    public var variants: [String: Double]
    /// The first token of the whole answer that is wrong, from 0.
    public var firstWrong: Int
    /// The seconds of one forward and one backward pass of the prompt; nil where nothing is to be repaired.
    public var passSeconds: Double?
    /// Why the question cannot be asked.
    public var unasked: String?
}

/// One repair of one failure by one method, from the original model, and all that it changed.
public struct RepairRecord: Sendable, Codable, Equatable {
    public var task: Int
    public var question: Int
    public var method: Int
    public var seconds: Double
    /// Why the method gave up; all that follows is then as with the original model.
    public var abandoned: String?
    /// What greedy decoding writes with the change, in as many tokens.
    public var written: String
    public var isFixed: Bool
    public var reading: AnswerReading
    /// The share of right tokens where the question is put otherwise.
    public var variants: [String: Double]
    /// On texts that have nothing to do with it, and on the answers of other questions behind the same examples.
    public var unrelated: Divergence
    public var related: Divergence
    /// What becomes of those other questions, and of the ones that are easiest to mistake for this one.
    public var neighbours = NeighbourCounts()
    public var neurons: Int
    public var matrices: Int
    /// How many numbers the change is written down in, and its Euclidean norm.
    public var numbers: Int
    public var norm: Double
    public var steps: Int
    /// How the original and the changed model do on questions that are held out; nil where that is not studied.
    public var heldOut: Comparison?

    /// Before and after a repair.
    public struct Comparison: Sendable, Codable, Equatable {
        public var before: HeldOutReading
        public var after: HeldOutReading
    }
}

/// How a model does on an answer along which it is led.
public struct AnswerReading: Sendable, Codable, Equatable {
    public var tokens: Int
    /// How many of them are the most likely.
    public var right: Int
    /// The sum of the logarithms of their probabilities.
    public var logProbability: Double
    /// Whether what greedy decoding writes is well-formed; nil where that was not asked, or could not be.
    public var isWellFormed: Bool?

    public var share: Double { Double(right) / Double(max(1, tokens)) }
}
