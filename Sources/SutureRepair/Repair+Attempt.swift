import SutureModels
import SutureTensor
import SutureTokenizers

/// What the repairs of a list have come to so far.
struct RepairLedger {
    var change = WeightChange()
    var steps: [(failures: [Int], change: WeightChange)] = []
    var outcomes: [Int: RepairReport.Outcome] = [:]
    /// The answers that are right and have to stay so.
    var held: [HeldAnswer] = []
    var changed: [Neuron: RepairReport.ChangedNeuron] = [:]
}

extension Repair {
    /// A failure that is being repaired.
    struct Attempt {
        let number: Int
        let failure: Failure

        init(number: Int, _ failure: Failure) {
            self.number = number
            self.failure = failure
        }
    }

    /// A failure with what the model writes before it is repaired.
    private struct Asked {
        let attempt: Attempt
        let tokenized: TokenizedFailure
        let reading: Reading
        let written: [Int]
    }

    /// What came of a proposal: accepted with the model that it makes, or the failures, by place, that it does not fix.
    private enum Verdict {
        case accepted(Proposal, LanguageModel)
        case refused([Int: (reason: String, proposal: Proposal)])
    }

    /// Tries some failures together, on top of what the ledger has; those that stay are then tried one by one.
    func attempt(_ group: [Attempt], _ ledger: inout RepairLedger) throws {
        let clock = ContinuousClock()
        let began = clock.now
        let present = try model.applying(ledger.change)
        var open: [Asked] = []
        for attempt in group {
            let tokenized = try TokenizedFailure(attempt.failure, tokenizer)
            let limit = model.architecture.contextLength
            guard tokenized.led.count <= limit else {
                let reason =
                    "prompt and answer do not fit the model: \(tokenized.led.count) tokens of at most \(limit)"
                ledger.outcomes[attempt.number] = .init(attempt.failure, abandoned: reason)
                continue
            }
            let (reading, written) = try present.answer(tokenized)
            let asked = Asked(attempt: attempt, tokenized: tokenized, reading: reading, written: written)
            if written == tokenized.answer {
                ledger.held.append(HeldAnswer(tokenized, number: attempt.number + 1))
                ledger.outcomes[attempt.number] = outcome(of: asked, .right, after: reading)
            } else {
                open.append(asked)
            }
        }
        var refused: [(asked: Asked, reason: String, proposal: Proposal)] = []
        var accepted: (proposal: Proposal, patched: LanguageModel)?
        while !open.isEmpty, accepted == nil {
            switch try propose(open, on: present, &ledger) {
            case .accepted(let proposal, let patched): accepted = (proposal, patched)
            case .refused(let reasons):
                refused += reasons.sorted { $0.key < $1.key }.map { (open[$0.key], $0.value.reason, $0.value.proposal) }
                open = open.indices.filter { reasons[$0] == nil }.map { open[$0] }
            }
        }
        let share = Double(max(1, group.count))
        if let (proposal, patched) = accepted {
            ledger.change = try ledger.change.adding(proposal.change)
            ledger.steps.append((open.map(\.attempt.number), proposal.change))
            for (place, asked) in open.enumerated() {
                let own = proposal.places.filter { $0.value.failure == place }.mapValues(\.token)
                for neuron in try describe(ledger.change, asked.tokenized, own) {
                    ledger.changed[neuron.neuron] = neuron
                }
                ledger.held.append(HeldAnswer(asked.tokenized, number: asked.attempt.number + 1))
                var outcome = try outcome(of: asked, .fixed, proposal, after: patched.read(asked.tokenized))
                if open.count > 1 { outcome.neurons = outcome.neurons.filter { own[$0] != nil } }
                outcome.seconds = (clock.now - began) / .seconds(1) / share
                ledger.outcomes[asked.attempt.number] = outcome
            }
        }
        for (asked, reason, proposal) in refused {
            if group.count > 1 {
                try attempt([asked.attempt], &ledger)
            } else {
                var outcome = outcome(of: asked, .abandoned, proposal, after: asked.reading)
                outcome.reason = reason
                outcome.seconds = (clock.now - began) / .seconds(1)
                ledger.outcomes[asked.attempt.number] = outcome
            }
        }
    }

    /// Asks the method, and again with the answers spared that its first proposal would undo.
    private func propose(_ open: [Asked], on present: LanguageModel, _ ledger: inout RepairLedger) throws -> Verdict {
        let failures = open.map(\.tokenized)
        func everything(_ reason: String, _ proposal: Proposal) -> Verdict {
            .refused(Dictionary(uniqueKeysWithValues: open.indices.map { ($0, (reason, proposal)) }))
        }
        let joint = method as? any JointRepairMethod
        var proposal =
            try joint?.propose(failures, sparing: [], in: workshop, on: present)
            ?? method.propose(failures[0], in: workshop, on: present)
        if let reason = proposal.abandoned { return everything(reason, proposal) }
        var (patched, wrong) = try tried(proposal, failures, ledger)
        guard wrong.isEmpty else { return .refused(wrong.mapValues { ($0, proposal) }) }

        var undone = try undone(by: proposal, &ledger)
        if let joint, !undone.isEmpty {
            let spared = undone
            let steps = proposal.steps
            proposal = try joint.propose(failures, sparing: spared.map(\.failure), in: workshop, on: present)
            proposal.steps += steps
            proposal.notes.append("kept away from the \(Self.list(spared)), which it would have undone")
            if let reason = proposal.abandoned { return everything("\(Self.undoing(spared)); \(reason)", proposal) }
            (patched, wrong) = try tried(proposal, failures, ledger)
            guard wrong.isEmpty else {
                return .refused(wrong.mapValues { ("\(Self.undoing(spared)); kept away from it, \($0)", proposal) })
            }
            undone = try self.undone(by: proposal, &ledger)
        }
        if !undone.isEmpty { return everything(Self.undoing(undone), proposal) }
        let merged = try ledger.change.adding(proposal.change)
        let objection = try budget.objection(to: merged, of: model) {
            try measure(merged, on: guardTexts, "checking the budget").divergence
        }
        if let objection { return everything(objection, proposal) }
        return .accepted(proposal, patched)
    }

    /// The model with a proposal, and which answers it does not then write freely, and what it writes.
    private func tried(
        _ proposal: Proposal, _ failures: [TokenizedFailure], _ ledger: RepairLedger
    ) throws -> (patched: LanguageModel, wrong: [Int: String]) {
        let patched = try model.applying(ledger.change.adding(proposal.change))
        var wrong: [Int: String] = [:]
        for (place, failure) in failures.enumerated() {
            let written = try patched.write(failure)
            if written != failure.answer {
                wrong[place] = "written freely, the answer was still \(Visible.quoted(tokenizer.decode(written)))"
            }
        }
        return (patched, wrong)
    }

    /// The earlier answers that a proposal would undo.
    private func undone(by proposal: Proposal, _ ledger: inout RepairLedger) throws -> [HeldAnswer] {
        let merged = try ledger.change.adding(proposal.change)
        var undone: [HeldAnswer] = []
        for index in ledger.held.indices where try !ledger.held[index].holds(in: model, with: merged) {
            undone.append(ledger.held[index])
        }
        return undone
    }

    private static func undoing(_ answers: [HeldAnswer]) -> String { "it would undo the \(list(answers))" }

    /// "answer to failure 2", "answers to failures 2, 3 and 7"
    private static func list(_ answers: [HeldAnswer]) -> String {
        let numbers = answers.map { "\($0.number)" }
        guard let last = numbers.last, numbers.count > 1 else {
            return "answer to failure \(numbers.joined())"
        }
        return "answers to failures \(numbers.dropLast().joined(separator: ", ")) and \(last)"
    }

    private func outcome(
        of asked: Asked, _ status: RepairReport.Status, _ proposal: Proposal = Proposal(), after: Reading
    ) -> RepairReport.Outcome {
        let answer = asked.tokenized.answer
        let before = asked.reading
        let isFixed = status == .fixed
        return RepairReport.Outcome(
            prompt: asked.attempt.failure.prompt, expected: asked.attempt.failure.expected,
            before: tokenizer.decode(asked.written), after: tokenizer.decode(isFixed ? answer : asked.written),
            status: status, reason: nil,
            tokens: answer.indices.map { place in
                RepairReport.Token(
                    text: text(answer[place]), before: before.probabilities[place], after: after.probabilities[place],
                    topBefore: text(before.top[place]), topAfter: text(after.top[place]))
            },
            neurons: isFixed ? proposal.change.neurons.map(\.neuron) : [],
            layers: isFixed ? proposal.change.matrices.map(\.layer).sorted() : [], steps: proposal.steps,
            notes: isFixed ? proposal.notes : [], seconds: 0)
    }
}
