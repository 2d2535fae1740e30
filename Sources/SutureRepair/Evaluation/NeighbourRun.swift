import SutureModels

/// A question near a repaired one, as the original model answers it, resumed under changes of the weights.
struct NeighbourRun {
    /// Along its own answer.
    let run: ReferenceRun
    private let model: LanguageModel
    private let answer: [Int]
    private let isRight: Bool
    /// The question, and the answer that was repaired; nil where that is no mistake here.
    private let repaired: TokenizedFailure?
    /// Where the repaired answer would begin in this one; nil where that begins otherwise.
    private let place: Int?

    /// - Parameters:
    ///   - model: the original model.
    ///   - asked: the question, and its own answer.
    ///   - repaired: the answer that was repaired.
    ///   - known: how many tokens of it were right and stand before what was repaired.
    init(_ model: LanguageModel, _ asked: TokenizedFailure, repaired: [Int], known: Int) throws {
        run = try ReferenceRun(model, asked)
        answer = asked.answer
        isRight = try run.top() == answer
        self.model = model
        let before = repaired.prefix(known)
        self.repaired =
            answer.starts(with: repaired)
            ? nil : TokenizedFailure(prompt: asked.prompt + before, answer: Array(repaired.dropFirst(known)))
        place = answer.count > known && answer.starts(with: before) ? known : nil
    }

    /// What becomes of it under a change.
    func fate(_ change: WeightChange) throws -> Fate {
        let top = try run.top(change)
        if try isIntruded(change, top) { return .intruded }
        return isRight && top != answer ? .lost : .kept
    }

    enum Fate { case kept, lost, intruded }

    /// Whether the repaired answer is written here now, where it is wrong and was not before.
    private func isIntruded(_ change: WeightChange, _ top: [Int]) throws -> Bool {
        guard let repaired, repaired.forced.count <= model.architecture.contextLength else { return false }
        // Mostly the first token tells, and nothing has to be run.
        if let place, top[place] != repaired.answer[0] { return false }
        func isWritten(by model: LanguageModel) throws -> Bool {
            try model.scores(repaired).wrong(repaired.answer).isEmpty
        }
        return try isWritten(by: model.applying(change)) && !isWritten(by: model)
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

    init(_ neighbours: [NeighbourRun], _ change: WeightChange) throws {
        asked = neighbours.count
        guard !change.isEmpty else { return }
        for neighbour in neighbours {
            switch try neighbour.fate(change) {
            case .kept: break
            case .lost: lost += 1
            case .intruded: intruded += 1
            }
        }
    }

    init() {}
}
