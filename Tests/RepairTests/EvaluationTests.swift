import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureModels
@testable import SutureRepair

@Suite("Evaluations of methods")
struct EvaluationTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer

    init() throws {
        (model, tokenizer) = try tinyModel()
    }

    private func evaluation(
        _ methods: [any RepairMethod] = [Recruit(), GapStep()], firstToken: Bool = true,
        texts: [String] = Texts.reference
    ) throws -> RepairEvaluation {
        let set = TaskSet((0..<24).map { .init(intent: "show \($0)", code: "f\($0)") })
        let questions = try set.questions(Template(.bash), shots: 1, limit: 4, seed: 1, related: 2)
        return try RepairEvaluation(
            model, tokenizer, tasks: [.init("tiny", questions)], methods: methods, name: "tiny", digest: "0",
            firstToken: firstToken, texts: texts)
    }

    /// What was found, without the times.
    private func findings(_ log: EvaluationLog) -> (asked: [AskedRecord], repairs: [RepairRecord]) {
        let asked = log.asked.values.map { record in
            var record = record
            record.passSeconds = nil
            return record
        }
        let repairs = log.repairs.values.map { record in
            var record = record
            record.seconds = 0
            return record
        }
        return (
            asked.sorted { $0.question < $1.question },
            repairs.sorted { ($0.question, $0.method) < ($1.question, $1.method) }
        )
    }

    @Test("what is measured is what full runs of the patched model say", arguments: [true, false])
    func measures(firstToken: Bool) throws {
        let evaluation = try evaluation(firstToken: firstToken)
        let log = try withTemporaryDirectory { directory in
            let log = try EvaluationLog(directory.appending(path: "log"), evaluation.settings)
            try evaluation.run(log)
            return log
        }
        let (asked, repairs) = findings(log)
        #expect(asked.count == 4 && repairs.count == 2 * asked.count { !$0.isRight })
        let texts = Texts.guards.map { tokenizer.encode($0).ids }
        for repair in repairs.prefix(4) where repair.isFixed {
            let method = evaluation.methods[repair.method]
            let prepared = try method.prepared(
                RepairMaterial(
                    model, texts: Texts.reference.map { tokenizer.encode($0).ids },
                    restated: Texts.restated(tokenizer)))
            let question = evaluation.tasks[0].questions[repair.question]
            let whole = try TokenizedFailure(question.failure, variedBy: tokenizer)
            let place = tokenizer.encode(asked[repair.question].prompt).ids.count - whole.prompt.count
            let failure = firstToken ? whole.part(at: place) : whole
            let patched = try model.applying(prepared.propose(failure, on: model).change)
            #expect(try patched.write(failure) == failure.answer)
            #expect(try patched.scores(failure).wrong(failure.answer).isEmpty)

            var sum = 0.0
            for text in texts {
                let before = try model.run([text], logits: .all).logits.logSoftmax()
                let after = try patched.run([text], logits: .all).logits.logSoftmax()
                sum += try (before.exp() * (before - after)).sum().item()
            }
            let positions = texts.reduce(0) { $0 + $1.count }
            #expect(repair.unrelated.positions == positions)
            #expect(abs(repair.unrelated.mean - sum / Double(positions)) < 1e-4)

            #expect(try repair.variants.count == question.variants.count)
            for variant in try question.variants {
                var put = try TokenizedFailure(question.failure(variant), tokenizer)
                let known = try failure.prompt.count - tokenizer.encode(question.failure.prompt).ids.count
                if firstToken {
                    put = TokenizedFailure(prompt: put.prompt + put.answer[..<known], answer: [put.answer[known]])
                }
                let isRight = try patched.write(put) == put.answer
                #expect((repair.variants[variant.rawValue] == 1) == isRight)
            }

            var counts = NeighbourCounts()
            let given = try failure.prompt.count - tokenizer.encode(question.failure.prompt).ids.count
            let repaired = try TokenizedFailure(question.failure, tokenizer).answer[..<given] + failure.answer
            for near in try question.relatedFailures + question.nearMissFailures {
                let own = try TokenizedFailure(near, tokenizer)
                counts.asked += 1
                let along = TokenizedFailure(prompt: own.prompt + repaired[..<given], answer: failure.answer)
                let isIntruded =
                    try !own.answer.starts(with: repaired) && model.write(along) != along.answer
                    && patched.write(along) == along.answer
                if isIntruded {
                    counts.intruded += 1
                } else if try model.write(own) == own.answer, try patched.write(own) != own.answer {
                    counts.lost += 1
                }
            }
            #expect(repair.neighbours == counts && counts.asked == 4)
        }
        #expect(!firstToken || repairs.contains(where: \.isFixed))
    }

    @Test("a run that was stopped anywhere goes on, asks for nothing twice, and finds the same")
    func resumed() throws {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "log")
            let whole = try evaluation()
            let log = try EvaluationLog(url, whole.settings)
            try whole.run(log)
            let expected = findings(log)
            let lines = try Data(contentsOf: url).split(separator: UInt8(ascii: "\n"))
            for kept in [0, 1, 2, 4, lines.count - 1, lines.count] {
                // The last line is torn in the middle.
                let torn = kept < lines.count ? lines[kept].prefix(20) : Data()
                let copy = directory.appending(path: "copy")
                try (lines[..<kept].flatMap { $0 + Data("\n".utf8) } + torn).withUnsafeBytes {
                    try Data($0).write(to: copy)
                }
                let counted = Counted(Recruit())
                let again = try evaluation([counted, GapStep()])
                let log = try EvaluationLog(copy, again.settings)
                let present = log.repairs.values.count { $0.method == 0 }
                try again.run(log)
                let found = findings(log)
                #expect(found.0 == expected.0 && found.1 == expected.1)
                #expect(counted.calls == expected.1.count { $0.method == 0 } - present)
            }
        }
    }

    @Test("several processes find together what one finds, and one that died is named and made up for")
    func shared() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "suture-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (one, three) = (directory.appending(path: "one"), directory.appending(path: "three.jsonl"))
        let whole = try EvaluationLog(one, try evaluation().settings)
        try evaluation().run(whole)
        let expected = findings(whole)

        /// What each rank came to: nothing, a log, or why not. The last one may leave before it has begun.
        func run(lastLeaves: Bool) async throws -> [String] {
            try await inRanks(3) { rank, port in
                let group = try ProcessGroup(.init(rank: rank, size: 3, host: "127.0.0.1", port: port), patience: 8)
                // Once all know each other.
                try group.meet()
                if lastLeaves, rank == 2 { return "left" }
                do {
                    guard let log = try evaluation().run(at: three, in: group) else { return "nothing" }
                    let found = findings(log)
                    return found.asked == expected.asked && found.repairs == expected.repairs ? "all" : "something else"
                } catch let error as RepairError {
                    return "\(error.code): \(error.found ?? "")"
                }
            }
        }
        let first = try await run(lastLeaves: true)
        #expect(first[0].hasPrefix("unfinished: rank 2 died"), "\(first)")
        let second = try await run(lastLeaves: false)
        #expect(second == ["all", "nothing", "nothing"], "\(second)")
        // Who goes on alone finds nothing left to do.
        let counted = Counted(Recruit())
        let alone = try self.evaluation([counted, GapStep()])
        try alone.run(EvaluationLog(three, alone.settings))
        #expect(counted.calls == 0)
    }

    @Test("one that dies is named while the others still have work, and what they found is in their logs")
    func early() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "suture-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        // Each repair takes longer than a process may be silent.
        let slow = Counted(Recruit(), pause: 5)
        let told = try await inRanks(2) { rank, port in
            let group = try ProcessGroup(.init(rank: rank, size: 2, host: "127.0.0.1", port: port), patience: 2)
            try group.meet()
            if rank == 1 { return "left" }
            do {
                _ = try evaluation([slow]).run(at: directory.appending(path: "log"), in: group)
                return "all"
            } catch let error as RepairError {
                return "\(error.code): \(error.found ?? "")"
            }
        }
        #expect(told[0].hasPrefix("unfinished: rank 1 died"), "\(told)")
        // Of the two of its share.
        #expect(slow.calls == 1)
        let log = try EvaluationLog(directory.appending(path: "log"), try evaluation([slow]).settings)
        #expect(log.repairs.count == 1)
    }

    @Test("a log of something else is refused, and no line of it is touched")
    func refused() throws {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "log")
            let evaluation = try evaluation()
            try evaluation.run(EvaluationLog(url, evaluation.settings))
            let bytes = try Data(contentsOf: url)
            for (other, what) in [
                (try self.evaluation([Recruit()]), "the methods or their options"),
                (try self.evaluation(firstToken: false), "the unit of repair"),
                (try self.evaluation(texts: ["let a = 1"]), "the texts")
            ] {
                let error = #expect(throws: RepairError.self) { try EvaluationLog(url, other.settings) }
                #expect(error?.code == .badRequest && error?.subject?.hasSuffix("line 1") == true)
                #expect(error?.problem == "this log is of other settings: \(what)")
            }
            #expect(try Data(contentsOf: url) == bytes)
            for text in ["hello\n", "{}\n", "[]\n", "\n", "{\"settings\":1}\n"] {
                try Data(text.utf8).write(to: url)
                let error = #expect(throws: RepairError.self) { try EvaluationLog(url, evaluation.settings) }
                #expect(error?.code == .badList)
            }
        }
    }

    @Test("rows count what is in the log")
    func summary() throws {
        let evaluation = try evaluation()
        let log = try withQuickDirectory { directory in
            let log = try EvaluationLog(directory.appending(path: "log"), evaluation.settings)
            try evaluation.run(log)
            return log
        }
        let task = try #require(EvaluationSummary(log).tasks.first)
        let repairs = Array(log.repairs.values)
        #expect(task.asked == 4 && task.rows.map(\.method) == [nil, "recruit", "gap"])
        for (index, row) in task.rows.dropFirst().enumerated() {
            let own = repairs.filter { $0.method == index }
            let fixed = own.filter(\.isFixed)
            #expect(row.failures == own.count && row.abandoned == own.count { $0.abandoned != nil })
            #expect(row.fixed == Estimate(fixed.count, of: own.count))
            #expect(abs(row.seconds.value - own.reduce(0) { $0 + $1.seconds } / Double(own.count)) < 1e-9)
            let unrelated = try #require(row.unrelated)
            #expect(unrelated.low <= unrelated.value && unrelated.value <= unrelated.high)
            #expect(row.exact.value >= row.fixed.value && row.tokens.value >= task.rows[0].tokens.value)
        }
        #expect(task.rows[0].fixed.value == 0 && task.rows[0].unrelated == nil)
    }

    @Test("side effects are not measured on what methods have seen")
    func seen() throws {
        let questions = try TaskSet([.init(intent: "a", code: "b"), .init(intent: "c", code: "d")]).questions(
            Template(.bash), shots: 0, limit: 1, seed: 1)
        #expect(throws: RepairError.self) {
            try RepairEvaluation(
                model, tokenizer, tasks: [.init("tiny", questions)], methods: [GapStep()], name: "tiny", digest: "0",
                texts: ["one", "two"], unrelated: ["three", "two"])
        }
    }

    @Test("failures are told apart by where they begin and by what they are")
    func strata() {
        func asked(_ expected: String, _ firstWrong: Int, _ question: Int) -> AskedRecord {
            AskedRecord(
                task: 0, question: question, prompt: "", expected: expected, written: "", isRight: false,
                reading: AnswerReading(tokens: 1, right: 0, logProbability: 0), variants: [:], firstWrong: firstWrong)
        }
        let failures = [asked(" find . -x\n", 0, 0), asked(" find y", 2, 1), asked(" ls", 0, 2)]
        let strata = EvaluationSummary.Stratum.all(of: failures)
        #expect(strata.map { $0.failures.map(\.question) } == [[0, 2], [1], [2]])
        #expect(strata.last?.name == "without the most frequent, find")
        #expect(EvaluationSummary.Stratum.all(of: [failures[0]]).isEmpty)
    }
}

@Suite("Methods side by side")
struct EvaluationPairTests {
    private func repair(fixed: Bool, unrelated: Double, variants: [Double], seconds: Double) -> RepairRecord {
        RepairRecord(
            task: 0, question: 0, method: 0, seconds: seconds, abandoned: nil, written: "", isFixed: fixed,
            reading: AnswerReading(tokens: 1, right: fixed ? 1 : 0, logProbability: 0),
            variants: Dictionary(uniqueKeysWithValues: variants.enumerated().map { ("\($0)", $1) }),
            unrelated: Divergence(sum: unrelated, positions: 1), related: Divergence(), neurons: 1, matrices: 0,
            numbers: 1, norm: 1, steps: 1)
    }

    @Test("two methods are compared where both fix, and in time over all attempts")
    func pair() {
        let pairs = [
            (
                repair(fixed: true, unrelated: 1, variants: [1, 1], seconds: 1),
                repair(fixed: true, unrelated: 4, variants: [1, 0], seconds: 2)
            ),
            (
                repair(fixed: true, unrelated: 2, variants: [1, 1], seconds: 1),
                repair(fixed: true, unrelated: 8, variants: [1, 0], seconds: 2)
            ),
            // What the other does not fix says nothing of how much it would have moved.
            (
                repair(fixed: true, unrelated: 100, variants: [1, 1], seconds: 1),
                repair(fixed: false, unrelated: 0, variants: [0, 0], seconds: 4)
            )
        ]
        let pair = EvaluationSummary.Pair("a", "b", pairs)
        #expect(pair.both == 2 && pair.onlyMethod == 1 && pair.onlyOther == 0 && pair.p == 1)
        #expect(pair.unrelated == Estimate(0.25, low: 0.25, high: 0.25))
        #expect(pair.related == nil)
        #expect(pair.carriedOver == Estimate(0.5, low: 0.5, high: 0.5))
        #expect(pair.seconds?.value == 3.0 / 8)
        let none = EvaluationSummary.Pair("a", "b", [])
        #expect(none.both == 0 && none.unrelated == nil && none.carriedOver == nil && none.seconds == nil)
    }
}

/// Counts what it is asked for.
private final class Counted: RepairMethod, @unchecked Sendable {
    // Sendable: an evaluation uses its methods on one thread.
    private(set) var calls = 0
    private let method: any RepairMethod

    private let pause: Double

    init(_ method: any RepairMethod, pause: Double = 0) { (self.method, self.pause) = (method, pause) }

    var name: String { method.name }
    var options: [String: Double] { method.options }

    func prepare(_ material: RepairMaterial) throws -> PreparedMethod { try method.prepared(material) }

    func propose(_ run: TeacherForcedRun, with prepared: PreparedMethod) throws -> Proposal {
        calls += 1
        Thread.sleep(forTimeInterval: pause)
        return try prepared.propose([run])
    }
}
