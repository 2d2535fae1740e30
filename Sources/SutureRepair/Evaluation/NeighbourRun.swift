import SutureModels

/// A question near a repaired one, as the original model answers it, resumed under changes of the weights.
struct NeighbourRun {
    /// Along its own answer.
    let run: ReferenceRun
    private let answer: [Int]
    private let isRight: Bool
    /// Along the answer that was repaired; nil where that is right here too, or was written here before.
    private let repaired: (run: ReferenceRun, answer: [Int])?

    /// - Parameters:
    ///   - model: the original model.
    ///   - asked: the question, and its own answer.
    ///   - repaired: the question, and the answer that was repaired; nil where that is no mistake here.
    init(_ model: LanguageModel, _ asked: TokenizedFailure, repaired: TokenizedFailure?) throws {
        run = try ReferenceRun(model, asked)
        answer = asked.answer
        isRight = try run.share(of: answer) == 1
        self.repaired = try repaired.flatMap { other in
            let along = try ReferenceRun(model, other)
            return try along.share(of: other.answer) == 1 ? nil : (along, other.answer)
        }
    }

    /// Whether a right answer is wrong under the change.
    func isLost(_ change: WeightChange) throws -> Bool { try isRight && run.share(of: answer, change) < 1 }

    /// Whether under the change the repaired answer is written here, where it is wrong.
    func isIntruded(_ change: WeightChange) throws -> Bool {
        try repaired.map { try $0.run.share(of: $0.answer, change) == 1 } ?? false
    }
}

/// What a repair does to questions near the repaired one: its false positives.
public struct NeighbourCounts: Sendable, Codable, Equatable {
    /// How many were asked.
    public var asked = 0
    /// How many were right and are not any more.
    public var lost = 0
    /// How many now have the repaired answer, where it is wrong.
    public var intruded = 0

    /// The share of questions that the repair spoils.
    public var share: Double { Double(lost + intruded) / Double(max(1, asked)) }

    mutating func add(_ neighbour: NeighbourRun, _ change: WeightChange) throws {
        asked += 1
        guard !change.isEmpty else { return }
        // An answer that is lost to the repaired one counts once.
        if try neighbour.isIntruded(change) { intruded += 1 } else if try neighbour.isLost(change) { lost += 1 }
    }
}
