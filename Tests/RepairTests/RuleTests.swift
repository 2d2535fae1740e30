import SutureCore
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureModels
@testable import SutureRepair

@Suite("Failures of one kind, repaired as a rule")
struct RuleTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer

    init() throws {
        (model, tokenizer) = try tinyModel()
    }

    /// Requests in one frame, all of which one token is wanted for.
    private static let failures = ["list files", "go up a folder", "count the lines of a", "show the date", "say hello"]
        .map {
            Failure(prompt: "# ask: \($0)\n$", expected: "Z")
        }

    private func repair(rule: Bool) throws -> Repair {
        var method = Recruit()
        (method.rule, method.variants) = (rule, 0)
        var repair = try Repair(model, tokenizer, method: method)
        repair.guardTexts = ["let a = 1"]
        return repair
    }

    @Test("one neuron serves all places where one token is wanted for another")
    func shared() throws {
        let examples = Array(Self.failures.prefix(3))
        let runs = try examples.map { try TeacherForcedRun(TokenizedFailure($0, tokenizer), on: model) }
        let rivals = Set(try runs.map { try $0.gaps().rivals[0] })
        let proposal = try repair(rule: true).method.propose(runs)
        #expect(proposal.change.neurons.count == rivals.count)
        #expect(Set(proposal.places.values.flatMap(\.self)) == Set((0..<3).map { .init(failure: $0, token: 0) }))
        #expect(try repair(rule: false).method.propose(runs).change.neurons.count == 3)
        for run in runs { #expect(try run.gaps(proposal.change).wrong.isEmpty) }
        // A failure alone is no rule.
        let (one, other) = (
            try repair(rule: true).method.propose([runs[0]]), try repair(rule: false).method.propose([runs[0]])
        )
        #expect(one.change.neurons.map(\.neuron) == other.change.neurons.map(\.neuron))
    }

    @Test("what becomes of unseen failures is what the patched model writes, and is asked of the original, too")
    func judged() throws {
        let examples = Array(Self.failures.prefix(3))
        let prompts = ["abc", "def f(x):", "1 + 2 =", "x = [", "go"]
        let written = try prompts.map { prompt in
            Failure(
                prompt: prompt, expected: try tokenizer.decode(model.generate(tokenizer.encode(prompt).ids, limit: 1)))
        }
        let isWritten = try written.map { failure in
            guard let tokens = try? TokenizedFailure(failure, tokenizer) else { return false }
            return try model.write(tokens) == tokens.answer
        }
        let right = try #require(zip(written, isWritten).first { $0.1 }?.0)
        let unseen: [Failure] = Array(Self.failures.suffix(2)) + [right]
        let result = try RuleRepair(repair(rule: true)).run(examples, unseen: unseen, modelName: "tiny")
        #expect(result.report.failures.map(\.status) == [.fixed, .fixed, .fixed])
        let judged = try #require(result.report.unseen)
        let patched = try model.applying(result.change)
        #expect(judged.map(\.expected) == unseen.map(\.expected))
        for (failure, outcome) in zip(unseen, judged) {
            let tokens = try TokenizedFailure(failure, tokenizer)
            for (model, answer) in [(model, outcome.before), (patched, outcome.after)] {
                #expect(try answer.isRight == (model.write(tokens) == tokens.answer))
                #expect(try answer.written == tokenizer.decode(model.write(tokens)))
                let wrong = try model.scores(tokens).wrong(tokens.answer).count
                #expect(answer.tokens == tokens.answer.count && answer.rightTokens == answer.tokens - wrong)
            }
        }
        // The same token is wanted of all; what is written instead may differ.
        let known = Set(try examples.map { try model.scores(TokenizedFailure($0, tokenizer)).top[0] })
        for (failure, outcome) in zip(unseen, judged) {
            let tokens = try TokenizedFailure(failure, tokenizer)
            let isShared = try failure != right && known.contains(model.scores(tokens).top[0])
            #expect(outcome.shared == (isShared ? 1 : 0))
            #expect(outcome.sharedRight == (isShared && outcome.after.isRight ? 1 : 0))
            #expect(outcome.lost == (outcome.before.isRight && !outcome.after.isRight ? 1 : 0))
        }
        #expect(judged.map(\.before.isRight) == [false, false, true])
        #expect(judged[0].after.isRight && judged[1].after.isRight, "the frame is what the examples have in common")
    }

    @Test("an unseen failure that cannot be asked is named before anything is repaired")
    func unfit() throws {
        let long = Failure(prompt: String(repeating: "a", count: 4096), expected: "Z")
        for unfit in [long, Failure(prompt: "abc", expected: "")] {
            do {
                _ = try RuleRepair(repair(rule: true)).run(
                    Array(Self.failures.prefix(2)), unseen: [Self.failures[3], unfit], modelName: "tiny")
                Issue.record("it was asked")
            } catch let error as any Diagnostic {
                #expect(error.subject == "unseen failure 2", "\(error)")
            }
        }
    }

    @Test("a third of a list is held out, the same each time; two failures are no rule")
    func split() throws {
        let (examples, unseen) = try RuleRepair.split(Self.failures)
        #expect((examples.count, unseen.count) == (4, 1))
        #expect(Set((examples + unseen).map(\.prompt)) == Set(Self.failures.map(\.prompt)))
        #expect(try RuleRepair.split(Self.failures).unseen == unseen)
        #expect(throws: RepairError.self) { _ = try RuleRepair.split(Array(Self.failures.prefix(2))) }
    }
}
