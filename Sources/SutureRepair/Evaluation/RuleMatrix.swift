import SutureModels
import SutureTasks
import SutureTensor
import SutureTokenizers

/// One cell of the matrix of rules and contexts, after one method repaired it.
public struct CellRecord: Sendable, Codable, Equatable {
    public var task: Int
    public var method: Int
    public var rule: Int
    public var context: Int
    /// Whether training brought the wrong token out, after how many steps, and whether the repair removed it.
    public var isProduced: Bool
    public var steps: Int
    public var isFixed: Bool
    /// The same rule in other contexts, and other rules in the same context: with the fault, and after its repair.
    public var row: [Change]
    public var column: [Change]

    /// How near the right token of another cell is to the top.
    public struct Standing: Sendable, Codable, Equatable {
        /// |P(right) - P(most likely)|.
        public var gap: Double
        /// The rank of the right token, from 1.
        public var rank: Int
    }

    /// A cell with the fault, and after the repair.
    public struct Change: Sendable, Codable, Equatable {
        public var before: Standing
        public var after: Standing
    }
}

/// Rules that a model knows, each in several contexts (the benchmark of generalisation and specificity of MINT's authors).
///
/// A rule is a task with a token of its answer that the model gets right in every context; a context is a set of examples
/// before it. A cell's fault is trained in, so that the model writes the rule's wrong token there (the most likely of the
/// others); a repair of that cell alone should then help the rest of its row, and leave its column alone.
struct RuleMatrix {
    /// A rule in a context: what the model reads, what comes next, and what should not.
    struct Cell {
        /// The right token, and what comes before it.
        var failure: TokenizedFailure
        var wrong: Int

        var prompt: [Int] { failure.prompt }
        var right: Int { failure.answer[0] }
    }

    /// `[rule][context]`
    let cells: [[Cell]]

    static let contexts = 4
    static let rules = 5
    /// How a fault is trained in: steps of SGD at this rate on all output projections, until the token comes out.
    private static let rate = 0.01
    private static let mostSteps = 50

    /// The examples of the first questions, as far as they differ.
    ///
    /// Throws ``RepairError`` with code `badRequest` where all have the same examples, or none.
    static func contexts(of questions: [Question]) throws -> [[TaskSet.Task]] {
        let first = questions.prefix(contexts).map(\.shots)
        let distinct = first.indices.filter { first.firstIndex(of: first[$0]) == $0 }.map { first[$0] }
        guard distinct.count > 1 else {
            throw RepairError(
                .badRequest, "the matrix of rules and contexts needs questions behind different examples",
                expected: "examples that are drawn, --shots 1 or more", found: "the same before each question")
        }
        return distinct
    }

    /// Looks for rules among the tasks of questions behind the first ones, whose examples are the contexts.
    init(_ questions: [Question], _ model: LanguageModel, _ tokenizer: Tokenizer) throws {
        let contexts = try Self.contexts(of: questions)
        var rules: [[Cell]] = []
        for question in questions.dropFirst(Self.contexts) where rules.count < Self.rules {
            if let rule = try Self.rule(question, contexts, model, tokenizer) { rules.append(rule) }
        }
        cells = rules
    }

    private static func rule(
        _ question: Question, _ contexts: [[TaskSet.Task]], _ model: LanguageModel, _ tokenizer: Tokenizer
    ) throws -> [Cell]? {
        let failures = contexts.compactMap {
            try? TokenizedFailure(question.frame.failure(question.task, after: $0), tokenizer)
        }
        guard let answer = failures.first?.answer, failures.count == contexts.count,
            failures.allSatisfy({ $0.answer == answer && $0.forced.count <= model.architecture.contextLength })
        else { return nil }
        let scores = try failures.map { try model.scores($0) }
        guard
            let place = answer.indices.first(where: { place in scores.allSatisfy { $0.top[place] == answer[place] } })
        else { return nil }
        let second = try scores[0].logits.selected(0, place).top(2).indices.ints()[1]
        return failures.map { Cell(failure: $0.part(at: place), wrong: second) }
    }

    /// The change that makes the model write a cell's wrong token, and after how many steps; nil where none did.
    static func fault(_ cell: Cell, _ model: LanguageModel) throws -> (change: WeightChange, steps: Int)? {
        let layers = Array(0..<model.architecture.layers)
        let run = try TeacherForcedRun(TokenizedFailure(prompt: cell.prompt, answer: [cell.wrong]), on: model)
            .changing(layers)
        var change = WeightChange()
        for step in 0...mostSteps {
            let logits = try model.applying(change).run([cell.prompt]).logits
            if try Int(logits.squeezed(0).argmax().item()) == cell.wrong { return (change, step) }
            let pass = try GradientPass([run], change, layers: layers)
            let matrices = try pass.gradients.map { layer, gradient in
                MatrixDelta(layer: layer, .dense(try gradient * -rate))
            }
            change = try change.adding(WeightChange(matrices: matrices))
        }
        return nil
    }

    /// How near a cell's right token is to the top.
    static func standing(_ cell: Cell, _ model: LanguageModel) throws -> CellRecord.Standing {
        let probabilities = try model.run([cell.prompt]).logits.squeezed(0).softmax().elements(as: Double.self)
        let own = probabilities[cell.right]
        return .init(gap: abs(own - (probabilities.max() ?? own)), rank: 1 + probabilities.count { $0 > own })
    }

    /// Repairs a cell in a model that has its fault, and measures the rest of its row and column.
    ///
    /// - Parameters:
    ///   - rule: the cell's row.
    ///   - context: its column.
    ///   - method: what repairs it.
    ///   - texts: the method's reference texts.
    ///   - faulty: the model with the fault; nil where training did not bring it out.
    ///   - row: how the cells of the row stand in that model.
    ///   - column: how the cells of the column do.
    func repair(
        rule: Int, context: Int, with method: any RepairMethod, texts: [[Int]],
        restated: [(TokenizedFailure, TokenizedFailure)], faulty: LanguageModel?,
        row: [CellRecord.Standing], column: [CellRecord.Standing]
    ) throws -> CellRecord {
        var record = CellRecord(
            task: 0, method: 0, rule: rule, context: context, isProduced: faulty != nil, steps: 0, isFixed: false,
            row: [], column: [])
        guard let faulty else { return record }
        let cell = cells[rule][context]
        let prepared = try method.prepared(RepairMaterial(faulty, texts: texts, restated: restated))
        let proposal = try prepared.propose(cell.failure, on: faulty)
        let repaired = try proposal.abandoned == nil ? faulty.applying(proposal.change) : faulty
        record.isFixed = try Self.standing(cell, repaired).rank == 1
        for other in cells[rule].indices where other != context {
            record.row.append(.init(before: row[other], after: try Self.standing(cells[rule][other], repaired)))
        }
        for other in cells.indices where other != rule {
            record.column.append(
                .init(before: column[other], after: try Self.standing(cells[other][context], repaired)))
        }
        return record
    }
}
