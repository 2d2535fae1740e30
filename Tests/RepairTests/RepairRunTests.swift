import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureModels
@testable import SutureRepair

@Suite("Lists of failures, one repaired after another")
struct RepairRunTests {
    private static let first = Failure(prompt: "abc", expected: "Z")
    private static let second = Failure(prompt: "def f(x):", expected: " ret")
    private static let third = Failure(prompt: "1 + 2 =", expected: " 3\n")

    /// A model that reads bytes, with a context of so many tokens.
    private static func load(context: Int = 256) throws -> (LanguageModel, Tokenizer) {
        try withTemporaryDirectory { directory in
            try TinySnapshot.write(to: directory)
            var config = TinySnapshot.config
            config["max_position_embeddings"] = context
            try TinySnapshot.write(config, to: directory.appending(path: "config.json"))
            let checkpoint = try Checkpoint(directory)
            return (try LanguageModel.load(checkpoint), try Tokenizer(checkpoint))
        }
    }

    private let model: LanguageModel
    private let tokenizer: Tokenizer

    init() throws { (model, tokenizer) = try Self.load() }

    private func run(_ failures: [Failure], _ method: any RepairMethod = Recruit()) throws -> Repair.Result {
        var repair = try Repair(model, tokenizer, method: method)
        repair.guardTexts = ["let a = 1"]
        return try repair.run(failures, modelName: "tiny")
    }

    private func isRight(_ failure: Failure, in model: LanguageModel) throws -> Bool {
        let tokens = try TokenizedFailure(failure, tokenizer)
        return try model.write(tokens) == tokens.answer
    }

    @Test("each is repaired on the model with the repairs before it, and all hold in the end")
    func sequence() throws {
        // A spy cannot be asked to spare answers: the margin alone has to keep them.
        var recruit = Recruit()
        recruit.margin = 2
        let spy = Spy(recruit)
        let result = try run([Self.first, Self.second, Self.first, Self.third], spy)
        #expect(result.report.failures.map(\.status) == [.fixed, .fixed, .fixed, .fixed])
        // The one that is asked for again is right by the first repair, and was as wrong before it.
        let again = result.report.failures[2]
        #expect(
            again.neurons.isEmpty && again.steps == 0 && again.notes.contains { $0.hasPrefix("right by the repairs") })
        #expect(again.before == result.report.failures[0].before && again.before != again.after)
        #expect(again.tokens.map(\.before) == result.report.failures[0].tokens.map(\.before))
        #expect(result.report.failures.map(\.expected) == ["Z", " ret", "Z", " 3\n"])
        #expect(result.report.failures.map(\.after) == ["Z", " ret", "Z", " 3\n"])
        #expect(result.report.abandoned == nil)
        #expect(Set(result.report.neurons.map(\.neuron)) == Set(result.change.neurons.map(\.neuron)))

        #expect(spy.models.count == 3 && spy.models[0] === model)
        for (present, before) in zip(spy.models, [[], [Self.first], [Self.first, Self.second]]) {
            for failure in before { #expect(try isRight(failure, in: present)) }
        }
        let patched = try model.applying(result.change)
        for failure in [Self.first, Self.second, Self.third] {
            #expect(try !isRight(failure, in: model))
            #expect(try isRight(failure, in: patched))
        }
    }

    @Test("the report says how active a changed neuron is, as a full run of the patched model has it")
    func activation() throws {
        for method in [Recruit(), GapStep()] as [any RepairMethod] {
            let result = try run([Self.first], method)
            let neuron = try #require(result.report.neurons.first)
            let site = Site.mlpHidden(neuron.neuron.layer)
            let tokens = tokenizer.encode(Self.first.prompt).ids
            let run = try model.applying(result.change).run([tokens], capturing: [site])
            let expected = try run[site].selected(1, tokens.count - 1).selected(1, neuron.neuron.index).item()
            #expect(abs(neuron.activation - expected) < 1e-5)
        }
    }

    @Test("one that is given up leaves no bit behind, in the model or in the repairs around it")
    func abandoned() throws {
        let digest = try digest()
        let alone = try run([Self.first, Self.third])
        let long = Failure(prompt: String(repeating: "a", count: 300), expected: "b")
        let among = try run(
            [long, Self.first, Self.second, Self.third],
            Spy(Recruit()) { number, proposal in
                // The second that is tried is given up halfway, with its steps taken.
                number == 1 ? proposal.abandoning("of a whim") : proposal
            })
        #expect(among.report.failures.map(\.status) == [.abandoned, .fixed, .abandoned, .fixed])
        #expect(among.report.failures[0].reason?.contains("300 tokens of at most 256") == true)
        #expect(among.report.failures[2].reason == "of a whim")
        #expect(among.report.abandoned?.description.hasPrefix("2 of 4 failures are not fixed; number 1: ") == true)
        #expect(try bits(among.change) == bits(alone.change))
        #expect(try self.digest() == digest)
    }

    @Test("what greedy decoding does not write, and what would undo an earlier answer, is given up")
    func refused() throws {
        let before = try digest()
        let fake = try run(
            [Self.first],
            Spy(Recruit()) { _, proposal in
                var proposal = proposal
                proposal.change.neurons = proposal.change.neurons.map {
                    NeuronEdit(Neuron(layer: 0, index: 0), delta: $0.delta)
                }
                return proposal
            })
        #expect(fake.change.isEmpty)
        #expect(fake.report.failures[0].reason?.hasPrefix("under greedy decoding the answer was still ") == true)

        var earlier = WeightChange()
        let undoing = try run(
            [Self.third, Self.first, Self.second],
            Spy(Recruit()) { number, proposal in
                if number == 0 { return proposal.abandoning("of a whim") }
                guard number == 2 else {
                    earlier = proposal.change
                    return proposal
                }
                var proposal = proposal
                proposal.change.neurons += try earlier.neurons.map { NeuronEdit($0.neuron, delta: try -$0.delta) }
                return proposal
            })
        #expect(undoing.report.failures.map(\.status) == [.abandoned, .fixed, .abandoned])
        #expect(undoing.report.failures[2].reason == "it would undo the answer to failure 2")
        #expect(try bits(undoing.change) == bits(earlier))
        #expect(try digest() == before)
    }

    @Test("a batch is solved together, and what cannot be is repaired one by one; other methods refuse batches")
    func batch() throws {
        let failures = [Self.first, Self.second, Self.third]
        func result(_ method: any RepairMethod, _ failures: [Failure], batch: Int) throws -> Repair.Result {
            var repair = try Repair(model, tokenizer, method: method)
            (repair.guardTexts, repair.batch) = (["let a = 1"], batch)
            return try repair.run(failures, modelName: "tiny")
        }
        let together = try result(Recruit(), failures, batch: 3)
        #expect(together.report.failures.map(\.status) == [.fixed, .fixed, .fixed])
        #expect(together.steps.map(\.failures) == [[0, 1, 2]])
        let neurons = together.report.failures.map(\.neurons)
        #expect(neurons.allSatisfy { !$0.isEmpty } && Set(neurons.joined()).count == neurons.joined().count)
        let patched = try model.applying(together.change)
        for failure in failures { #expect(try isRight(failure, in: patched)) }

        // The same prompt with two answers cannot be; the first of the two then stands.
        let clash = Failure(prompt: Self.first.prompt, expected: "Q")
        let apart = try result(Recruit(), [Self.first, clash, Self.second], batch: 2)
        #expect(apart.report.failures.map(\.status) == [.fixed, .abandoned, .fixed])
        #expect(apart.report.failures[1].reason?.hasPrefix("it would undo the answer to failure 1") == true)
        #expect(throws: RepairError.self) { _ = try result(MINT(), failures, batch: 2) }
    }

    @Test("a repair that would undo an earlier answer is tried again, kept away from it")
    func keptAway() throws {
        let fickle = Fickle { kept, _ in kept > 0 }
        let result = try run([Self.first, Self.second], fickle)
        #expect(result.report.failures.map(\.status) == [.fixed, .fixed])
        #expect(fickle.asked == [[1, 0], [1, 0], [1, 1]])
        #expect(
            result.report.failures[1].notes == ["kept away from the answer to failure 1, which it would have undone"])
        let patched = try model.applying(result.change)
        for failure in [Self.first, Self.second] { #expect(try isRight(failure, in: patched)) }
    }

    @Test("an earlier answer that cannot be spared is repaired along")
    func repairedAlong() throws {
        let fickle = Fickle { _, failures in failures > 1 }
        let result = try run([Self.first, Self.second, Self.third], fickle)
        #expect(result.report.failures.map(\.status) == [.fixed, .fixed, .fixed])
        #expect(fickle.asked.prefix(4) == [[1, 0], [1, 0], [1, 1], [2, 0]])
        #expect(
            result.report.failures[1].notes == ["made along with the answer to failure 1, which it would have undone"])
        #expect(Set(result.change.neurons.map(\.neuron)) == Set(result.report.neurons.map(\.neuron)))
        let patched = try model.applying(result.change)
        for failure in [Self.first, Self.second, Self.third] { #expect(try isRight(failure, in: patched)) }
    }

    @Test("a method that always undoes an earlier answer is given up after a few tries")
    func alwaysUndoing() throws {
        let fickle = Fickle { _, _ in false }
        let result = try run([Self.first, Self.second], fickle)
        #expect(result.report.failures.map(\.status) == [.fixed, .abandoned])
        #expect(result.report.failures[1].reason == "it would undo the answer to failure 1")
        #expect(fickle.asked == [[1, 0], [1, 0], [1, 1], [2, 0]])
    }

    @Test("a margin out of reach is not needed for a right answer", arguments: [100.0, 1000])
    func outOfReach(margin: Double) throws {
        var recruit = Recruit()
        (recruit.margin, recruit.rounds) = (margin, 2)
        let result = try run([Self.first, Self.second, Self.third], recruit)
        #expect(result.report.failures.map(\.status) == [.fixed, .fixed, .fixed])
    }

    @Test("what patches of the model repaired holds, is kept away from, and is told apart from failures of the list")
    func earlierPatches() throws {
        let never = Failure(prompt: "abc", expected: "Q")
        /// A list repaired by a method that would undo its first repair, which is in a patch by then.
        func repair(_ method: Fickle, _ failures: [Failure]) throws -> (patched: LanguageModel, result: Repair.Result) {
            let patched = try model.applying(run([Self.first], method).change)
            var repair = try Repair(patched, tokenizer, method: method)
            (repair.guardTexts, repair.earlier) = (
                ["let a = 1"], [Self.first, never, Failure(prompt: "", expected: "")]
            )
            return (patched, try repair.run(failures, modelName: "tiny"))
        }
        let (patched, kept) = try repair(Fickle { kept, _ in kept > 0 }, [Self.second])
        #expect(kept.report.earlier?.asked == 3 && kept.report.earlier?.held == 1)
        #expect(
            kept.report.failures[0].notes == [
                "kept away from an answer that the model's patches repaired, which it would have undone"
            ])
        let both = try patched.applying(kept.change)
        for failure in [Self.first, Self.second] { #expect(try isRight(failure, in: both)) }

        let undoing = try repair(Fickle { _, _ in false }, [Self.second, never]).result
        #expect(undoing.report.failures.map(\.status) == [.abandoned, .abandoned])
        #expect(undoing.report.failures[0].reason == "it would undo an answer that the model's patches repaired")
        #expect(undoing.change.isEmpty)
        #expect(try run([Self.second]).report.earlier == nil)
    }

    @Test("repairs beyond the budget are given up, with what they would take")
    func budget() throws {
        func result(_ budget: Budget) throws -> Repair.Result {
            var repair = try Repair(model, tokenizer)
            (repair.guardTexts, repair.budget) = (["let a = 1"], budget)
            return try repair.run([Self.first, Self.third], modelName: "tiny")
        }
        var budget = Budget()
        let free = try result(budget)
        budget.neurons = 1
        let one = try result(budget)
        #expect(one.report.failures.map(\.status) == [.fixed, .abandoned])
        #expect(one.report.failures[1].reason == "it would exceed the budget: neurons 4 of at most 1")
        #expect(one.change.neurons.count == 1)
        budget = Budget()
        budget.norm = free.report.relativeNorm * 0.999
        #expect(try result(budget).report.failures.map(\.status) == [.fixed, .abandoned])
        budget.norm = free.report.relativeNorm
        budget.divergence = free.report.sideEffects.divergence
        #expect(try result(budget).report.failures.map(\.status) == [.fixed, .fixed])
        budget.divergence = 0
        #expect(try result(budget).change.isEmpty)
    }

    @Test("every method takes back all steps of a failure that it gives up", arguments: [0, 1, 2])
    func methods(which: Int) throws {
        let before = try digest()
        var recruit = Recruit()
        var gap = GapStep()
        var mint = MINT()
        (recruit.rounds, recruit.variants, gap.rounds, gap.attempts, mint.factor) = (0, 0, 0, 1, 1e-9)
        let result = try run([Self.second], [recruit, gap, mint][which])
        #expect(result.report.failures.map(\.status) == [.abandoned])
        #expect(result.report.failures[0].steps == (which == 2 ? 10 : 0))
        #expect(result.change.isEmpty && result.report.neurons.isEmpty)
        #expect(try digest() == before)
    }

    @Test("every neuron that is changed is told", arguments: [0, 1, 2, 3])
    func told(which: Int) throws {
        let methods: [any RepairMethod] = [Recruit(), GapStep(), MINT(), ASTRA()]
        let result = try run([Self.first], methods[which])
        #expect(result.report.failures.map(\.status) == [.fixed])
        #expect(!result.change.neurons.isEmpty)
        #expect(Set(result.report.neurons.map(\.neuron)) == Set(result.change.neurons.map(\.neuron)))
    }

    @Test("guard texts on which nothing can be measured are refused, and a failure without its subject is named first")
    func refusals() throws {
        var repair = try Repair(model, tokenizer)
        repair.guardTexts = ["a", ""]
        #expect(throws: RepairError.self) { _ = try repair.run([Self.first], modelName: "tiny") }
        let spy = Spy(Recruit())
        var odd = Self.second
        odd.subject = "nowhere in it"
        let error = #expect(throws: TaskError.self) { _ = try run([Self.first, odd], spy) }
        #expect(error?.subject == "failure 2" && spy.models.isEmpty)
    }

    @Test("prompt and answer may fill the context, and not exceed it", arguments: [(8, 1), (7, 2), (8, 2), (9, 1)])
    func context(prompt: Int, answer: Int) throws {
        let (model, tokenizer) = try Self.load(context: 8)
        var repair = try Repair(model, tokenizer)
        repair.guardTexts = ["let a = 1"]
        let failure = Failure(
            prompt: String(repeating: "a", count: prompt), expected: String(repeating: "Z", count: answer))
        let outcomes = try repair.run([failure, Self.first], modelName: "short").report.failures
        #expect(outcomes.map(\.status) == [prompt + answer <= 9 ? .fixed : .abandoned, .fixed])
    }

    /// The SHA-256 of all weights in memory.
    private func digest() throws -> String {
        var digest = Digest()
        for (_, tensor) in model.tensors.sorted(by: { $0.key < $1.key }) {
            try tensor.widenedOnce().floats().withUnsafeBytes { digest.update($0) }
        }
        return digest.hexadecimal
    }

    private func bits(_ change: WeightChange) throws -> [[Float]] {
        try change.neurons.flatMap { edit in
            try [[Float(edit.neuron.layer), Float(edit.neuron.index)]]
                + [edit.delta, edit.read?.gate, edit.read?.up].compactMap { try $0?.floats() }
        }
    }
}

/// Recruits, and disturbs the earlier answers until it is asked as `isPleased` has it.
private final class Fickle: JointRepairMethod, @unchecked Sendable {
    // Sendable: a repair uses its method on one thread.
    /// How many failures it was asked to repair, and how many answers to spare.
    private(set) var asked: [[Int]] = []
    private var earlier = WeightChange()
    private let isPleased: (_ kept: Int, _ failures: Int) -> Bool
    let name = "fickle"
    let options: [String: Double] = [:]

    init(isPleased: @escaping (_ kept: Int, _ failures: Int) -> Bool) { self.isPleased = isPleased }

    func prepare(_ material: RepairMaterial) throws -> Recruit.Preparation { try Recruit().prepare(material) }

    func propose(
        _ runs: [TeacherForcedRun], sparing kept: [TokenizedFailure], with prepared: Recruit.Preparation
    ) throws -> Proposal {
        asked.append([runs.count, kept.count])
        var proposal = try Recruit().propose(runs, sparing: kept, with: prepared)
        if asked.count == 1 {
            earlier = proposal.change
        } else if !isPleased(kept.count, runs.count) {
            proposal.change.neurons += try earlier.neurons.map { NeuronEdit($0.neuron, delta: try -$0.delta) }
        }
        return proposal
    }
}

/// A method that notes the models it is used on, and may say something else than it found.
private final class Spy: RepairMethod, @unchecked Sendable {
    // Sendable: a repair uses its method on one thread.
    private(set) var models: [LanguageModel] = []
    private let method: any RepairMethod
    private let change: (_ number: Int, Proposal) throws -> Proposal

    init(_ method: any RepairMethod, change: @escaping (_ number: Int, Proposal) throws -> Proposal = { $1 }) {
        self.method = method
        self.change = change
    }

    var name: String { method.name }
    var options: [String: Double] { method.options }

    func prepare(_ material: RepairMaterial) throws -> PreparedMethod { try method.prepared(material) }

    func propose(_ run: TeacherForcedRun, with prepared: PreparedMethod) throws -> Proposal {
        models.append(run.model)
        return try change(models.count - 1, prepared.propose([run]))
    }
}
