import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureModels
@testable import SutureRepair

@Suite("Studies beside single repairs")
struct StudyTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer

    init() throws {
        (model, tokenizer) = try tinyModel()
    }

    private func questions(_ limit: Int) throws -> [Question] {
        let set = TaskSet((0..<40).map { .init(intent: "show \($0)", code: "f\($0)") })
        return try set.questions(Template(.bash), shots: 1, limit: limit, seed: 1, related: 1)
    }

    private func texts(_ texts: [String]) -> [[Int]] { texts.map { tokenizer.encode($0).ids } }

    private func recruited(_ failure: TokenizedFailure) throws -> WeightChange {
        let prepared = try Recruit().prepared(RepairMaterial(model, texts: texts(Texts.reference)))
        return try prepared.propose(failure, on: model).change
    }

    @Test("held-out questions are answered as the changed model answers them")
    func heldOut() throws {
        let questions = try questions(6)
        let bench = try HeldOutContext(questions, model, tokenizer)
        let failures = try questions.map { try TokenizedFailure($0.failure, tokenizer) }
        for failure in [failures[0], failures[0].part(at: 0)] {
            let change = try recruited(failure)
            let patched = try model.applying(change)
            let after = try bench.after(change)
            let shares = try failures.map { failure in
                1 - Double(try patched.scores(failure).wrong(failure.answer).count) / Double(failure.answer.count)
            }
            #expect(abs(after.tokens - shares.reduce(0, +) / 6) < 1e-9 && after.questions == 6)
            var counts = BLEU.Counts()
            for failure in failures {
                let limit = max(2 * failure.answer.count, failure.answer.count + 32)
                let text = tokenizer.decode(try patched.generate(failure.prompt, limit: limit))
                let end = text.range(of: "\n\n")?.lowerBound
                counts += BLEU().counts(
                    end.map { text[..<$0] + "\n" } ?? text, tokenizer.decode(failure.answer))
            }
            #expect(after.bleu == counts)
            #expect(after.right == (try failures.count { try patched.write($0) == $0.answer }))
        }
        #expect(try bench.after(WeightChange()) == bench.before)
    }

    @Test("a free answer ends where the model closes it, and else with the limit")
    func freeAnswer() throws {
        let trace = try model.trace([tokenizer.encode("show 1").ids])
        let open = try FreeAnswer(trace, Frame("{intent}{code}no model writes this"), expecting: 3, tokenizer)
        #expect(!open.isEnded && open.tokens.count == 35 && open.text == tokenizer.decode(open.tokens))
        let endless = try FreeAnswer(trace, Frame("{intent}{code}"), expecting: 3, tokenizer)
        #expect(!endless.isEnded && endless.tokens == open.tokens)
        let third = tokenizer.decode(Array(open.tokens[2..<3]))
        let closed = try FreeAnswer(trace, Frame("{intent}{code}" + third), expecting: 3, tokenizer)
        #expect(closed.isEnded && closed.tokens.count <= 3 && open.tokens.starts(with: closed.tokens))
        #expect(closed.text.hasSuffix(third.prefix(1)) && !closed.text.dropLast().contains(third))
    }

    @Test("one looks ever more rarely, and at the end")
    func stops() {
        #expect(Succession.stops(0) == [] && Succession.stops(1) == [1])
        #expect(Succession.stops(7) == [1, 2, 5, 7] && Succession.stops(100) == [1, 2, 5, 10, 20, 50, 100])
    }

    @Test("repairs one on top of the other are looked at as they are, and what is known is not looked at again")
    func succession() throws {
        let questions = try questions(5)
        let failures = try questions.map { try TokenizedFailure($0.failure, tokenizer).part(at: 0) }
        let nearMiss = TokenizedFailure(prompt: tokenizer.encode("let a = 1").ids, answer: [1, 2])
        let succession = Succession(
            model: model, method: try Recruit().prepared(RepairMaterial(model, texts: texts(Texts.reference))),
            asked: failures.map { .init(failure: $0, paraphrase: $0, nearMiss: nearMiss) },
            texts: texts(["let a = 1", "ls -la"]))
        var records: [SuccessionRecord] = []
        var tried: [Int] = []
        try succession.run(isKnown: { _ in false }, progress: { tried.append($0) }, found: { records.append($0) })
        #expect(
            tried == [1, 2, 3, 4, 5] && records.map(\.tried) == [1, 2, 5]
                && records.map(\.isLast) == [false, false, true])
        #expect(records.allSatisfy { $0.standing <= $0.fixed && $0.fixed <= $0.tried && $0.texts.count == 2 })
        #expect(records[0].fixed == 1 && records[0].standing == 1)
        // Here a paraphrase is the failure itself, and all near misses are one question.
        #expect(records.allSatisfy { $0.paraphrased.of == $0.tried && $0.kept.of == $0.tried })
        #expect(records.allSatisfy { $0.fixed < $0.tried || $0.paraphrased.count == $0.standing })
        #expect(records.allSatisfy { [0, $0.tried].contains($0.kept.count) && $0.seconds > 0 })
        // The first stop is one repair, which can be made and measured by itself.
        let repair = try recruited(failures[0])
        let patched = try model.applying(repair)
        #expect(try (records[0].kept.count == 1) == (patched.write(nearMiss) == model.write(nearMiss)))
        #expect(records[0].numbers == repair.count)
        let text = texts(["let a = 1"])[0]
        let logs = try patched.run([text], logits: .all).logits.squeezed(0).logSoftmax()
        let sum = try (0..<text.count - 1).reduce(0.0) {
            $0 + (try logs.selected(0, $1).selected(0, text[$1 + 1]).item())
        }
        #expect(abs(records[0].texts[0].now - sum) < 1e-3 * abs(sum) && records[0].texts[0].tokens == text.count - 1)

        var again: [Int] = []
        try succession.run(isKnown: { $0 < 5 }, progress: { _ in }, found: { again.append($0.tried) })
        #expect(again == [5])
    }

    @Test("training brings a wrong token out, and says in how many steps")
    func fault() throws {
        let prompt = tokenizer.encode("show 1\n$").ids
        let order = try model.run([prompt]).logits.squeezed(0).top(2).indices.ints()
        let cell = RuleMatrix.Cell(failure: TokenizedFailure(prompt: prompt, answer: [order[0]]), wrong: order[1])
        let (change, steps) = try #require(try RuleMatrix.fault(cell, model))
        #expect(steps > 0)
        let faulty = try model.applying(change)
        #expect(try Int(faulty.run([prompt]).logits.squeezed(0).argmax().item()) == cell.wrong)
        #expect(try RuleMatrix.standing(cell, faulty).rank > 1 && RuleMatrix.standing(cell, model).rank == 1)
        #expect(try RuleMatrix.standing(cell, model).gap == 0)
    }

    @Test("shares of the matrix count what broke and what held")
    func shares() throws {
        func change(_ before: Int, _ after: Int) -> CellRecord.Change {
            .init(before: .init(gap: 0.5, rank: before), after: .init(gap: 0.25, rank: after))
        }
        func cell(_ isProduced: Bool, _ row: [CellRecord.Change], _ column: [CellRecord.Change]) -> CellRecord {
            CellRecord(
                task: 0, method: 0, rule: 0, context: 0, isProduced: isProduced, steps: 1, isFixed: true, row: row,
                column: column)
        }
        let matrix = try #require(
            EvaluationSummary.Matrix(
                "m",
                [
                    cell(true, [change(2, 1), change(3, 2), change(1, 1)], [change(1, 1), change(2, 1)]),
                    cell(true, [change(2, 1)], [change(1, 2), change(1, 1)]), cell(false, [], [])
                ]))
        #expect(matrix.cells == 3 && matrix.produced == 2 && matrix.fixed.value == 1)
        #expect(abs(matrix.generalisation.value - 2.0 / 3) < 1e-12)
        #expect(abs(matrix.specificity.value - 2.0 / 3) < 1e-12)
        #expect(abs(matrix.rowGap.value + 0.25) < 1e-12 && abs(matrix.columnGap.value + 0.25) < 1e-12)
    }

    @Test("an evaluation with all studies can be stopped and gone on with")
    func whole() throws {
        try withQuickDirectory { directory in
            let evaluation = try RepairEvaluation(
                model, tokenizer, tasks: [.init("tiny", try questions(10))], methods: [Recruit(), GapStep()],
                name: "tiny",
                digest: "0", firstToken: true, studies: Set(RepairEvaluation.Study.allCases))
            let url = directory.appending(path: "log")
            let log = try EvaluationLog(url, evaluation.settings)
            try evaluation.run(log)
            let task = try #require(EvaluationSummary(log).tasks.first)
            #expect(task.asked == 8 && task.successions.map(\.method) == ["recruit", "gap"])
            #expect(task.successions.allSatisfy { $0.stops.last?.tried == task.rows[0].failures })
            #expect(task.rows.dropFirst().contains { $0.heldOutTokens != nil && $0.heldOutBLEU != nil })
            let lines = try Data(contentsOf: url).split(separator: UInt8(ascii: "\n"))
            let kept = lines.count - 3
            try Data(lines[..<kept].flatMap { $0 + Data("\n".utf8) }).write(to: directory.appending(path: "copy"))
            let copy = try EvaluationLog(directory.appending(path: "copy"), evaluation.settings)
            try evaluation.run(copy)
            // All but the time, which is another one.
            func untimed(_ log: EvaluationLog) -> [SuccessionRecord] {
                log.successions.values.sorted { ($0.method, $0.tried) < ($1.method, $1.tried) }.map { record in
                    var record = record
                    record.seconds = 0
                    return record
                }
            }
            #expect(copy.cells == log.cells && untimed(copy) == untimed(log))
        }
    }
}
