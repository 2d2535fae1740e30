import SutureModels
import SutureTensor
import SutureTokenizers

/// What the repairs of a list have come to so far.
struct RepairLedger {
    var change = WeightChange()
    var steps: [(failures: [Int], change: WeightChange)] = []
    var outcomes: [Int: RepairReport.FailureOutcome] = [:]
    /// The answers that are right and have to stay so.
    var held: [HeldAnswer] = []
    var changed: [Neuron: RepairReport.ChangedNeuron] = [:]

    /// An answer has to stay as it is from now on; one that is asked for again is held once.
    ///
    /// `trace` is of the original model, where there is one already; of it no more is kept than changes so far need.
    mutating func hold(
        _ failure: TokenizedFailure, of source: HeldAnswer.Source, _ trace: Trace? = nil
    ) throws {
        guard !held.contains(where: { $0.failure.prompt == failure.prompt && $0.failure.answer == failure.answer })
        else {
            return
        }
        let lowest = change.lowestLayer
        held.append(HeldAnswer(failure, of: source, try lowest.flatMap { try trace?.keeping(from: $0) }))
    }
}

extension Repair {
    /// A failure that is being repaired.
    struct Attempt {
        let number: Int
        let failure: Failure
        let tokenized: TokenizedFailure

        init(number: Int, _ failure: Failure, _ tokenized: TokenizedFailure) {
            (self.number, self.failure, self.tokenized) = (number, failure, tokenized)
        }
    }

    /// A failure with what the model writes before it is repaired, and what it wrote before all repairs.
    private struct Asked {
        let attempt: Attempt
        let run: TeacherForcedRun
        let scores: AnswerScores
        let written: [Int]
        let original: (run: TeacherForcedRun, scores: AnswerScores, written: [Int])
    }

    /// What came of a proposal: accepted with the model that it makes and all answers that it repairs, or the failures, by
    /// place, that it does not fix.
    private enum Verdict {
        case accepted(Proposal, LanguageModel, [TokenizedFailure])
        case refused([Int: (reason: String, proposal: Proposal)])
    }

    /// Tries some failures together, on top of what the ledger has; those that stay are then tried one by one.
    func attempt(_ group: [Attempt], _ ledger: inout RepairLedger) throws {
        let clock = ContinuousClock()
        let began = clock.now
        let present = try model.applying(ledger.change)
        var open: [Asked] = []
        for attempt in group {
            let tokenized = attempt.tokenized
            let limit = model.architecture.contextLength
            guard tokenized.forced.count <= limit else {
                let reason =
                    "prompt and answer do not fit the model: \(tokenized.forced.count) tokens of at most \(limit)"
                ledger.outcomes[attempt.number] = .init(attempt.failure, abandoned: reason)
                continue
            }
            let run = try TeacherForcedRun(tokenized, on: present)
            let (scores, written) = try run.trace.answer(tokenized)
            var original = (run: run, scores: scores, written: written)
            if !ledger.change.isEmpty {
                original.run = try TeacherForcedRun(tokenized, on: model)
                (original.scores, original.written) = try original.run.trace.answer(tokenized)
            }
            let asked = Asked(attempt: attempt, run: run, scores: scores, written: written, original: original)
            if written == tokenized.answer {
                try ledger.hold(tokenized, of: .failure(attempt.number + 1))
                let wasRight = original.written == tokenized.answer
                ledger.outcomes[attempt.number] = outcome(of: asked, wasRight ? .right : .fixed, after: scores)
            } else {
                open.append(asked)
            }
        }
        var refused: [(asked: Asked, reason: String, proposal: Proposal)] = []
        var accepted: (proposal: Proposal, patched: LanguageModel, answers: [TokenizedFailure])?
        while !open.isEmpty, accepted == nil {
            switch try propose(open, on: present, &ledger) {
            case .accepted(let proposal, let patched, let answers): accepted = (proposal, patched, answers)
            case .refused(let reasons):
                refused += reasons.sorted { $0.key < $1.key }.map { (open[$0.key], $0.value.reason, $0.value.proposal) }
                open = open.indices.filter { reasons[$0] == nil }.map { open[$0] }
            }
        }
        let share = Double(max(1, group.count))
        if let (proposal, patched, answers) = accepted {
            ledger.change = try ledger.change.adding(proposal.change)
            ledger.steps.append((open.map(\.attempt.number), proposal.change))
            let own = answers.indices.map { place in
                proposal.places.compactMapValues { $0.last { $0.failure == place }?.token }
            }
            // What was there before all repairs: the first of them began with it.
            let originals = try answers.enumerated().map { place, answer in
                place < open.count ? open[place].original.run : try TeacherForcedRun(answer, on: model)
            }
            for (original, places) in zip(originals, own) {
                for neuron in try describe(ledger.change, original, places) { ledger.changed[neuron.neuron] = neuron }
            }
            for ((asked, original), own) in zip(zip(open, originals), own) {
                try ledger.hold(original.failure, of: .failure(asked.attempt.number + 1), original.trace)
                var outcome = try outcome(of: asked, .fixed, proposal, after: patched.scores(original.failure))
                if answers.count > 1 { outcome.neurons = outcome.neurons.filter { own[$0] != nil } }
                outcome.seconds = (clock.now - began) / .seconds(1) / share
                ledger.outcomes[asked.attempt.number] = outcome
            }
        }
        for (asked, reason, proposal) in refused {
            if group.count > 1 {
                try attempt([asked.attempt], &ledger)
            } else {
                var outcome = outcome(of: asked, .abandoned, proposal, after: asked.scores)
                outcome.reason = reason
                outcome.seconds = (clock.now - began) / .seconds(1)
                ledger.outcomes[asked.attempt.number] = outcome
            }
        }
    }

    /// Asks the method; where its proposal would undo earlier answers, again with these spared, and where that does not
    /// help, with these to be repaired along: an answer with a small margin gets one of its own.
    private func propose(_ open: [Asked], on present: LanguageModel, _ ledger: inout RepairLedger) throws -> Verdict {
        let failures = open.map(\.run.failure)
        let isJoint = method.method is any JointRepairMethod
        var (spared, along): ([HeldAnswer], [HeldAnswer]) = ([], [])
        var (tries, steps) = (0, 0)
        while true {
            let answers = failures + along.map(\.failure)
            let others = try along.map { try TeacherForcedRun($0.failure, on: present) }
            try Task.checkCancellation()
            var proposal = try method.propose(open.map(\.run) + others, sparing: spared.map(\.failure))
            tries += 1
            steps += proposal.steps
            proposal.steps = steps
            let kept = spared + along
            let context = kept.isEmpty ? "" : Self.undoing(kept) + "; tried again, "
            func refused(_ reason: String) -> Verdict {
                .refused(open.indices.reduce(into: [:]) { $0[$1] = (reason, proposal) })
            }
            if let reason = proposal.abandoned { return refused(context + reason) }
            let (patched, wrong) = try tried(proposal, failures, ledger)
            guard wrong.isEmpty else { return .refused(wrong.mapValues { (context + $0, proposal) }) }

            let undone = try undone(by: proposal, &ledger)
            if undone.isEmpty {
                let merged = try ledger.change.adding(proposal.change)
                let objection = try budget.objection(to: merged, of: model) {
                    try measure(merged, on: guardTexts, "checking the budget").divergence
                }
                if let objection { return refused(objection) }
                for (how, answers) in [("kept away from", spared), ("made along with", along)] where !answers.isEmpty {
                    proposal.notes.append("\(how) \(Self.list(answers)), which it would have undone")
                }
                return .accepted(proposal, patched, answers)
            }
            let (sources, known) = (Set(undone.map(\.source)), Set(kept.map(\.source)))
            let again = spared.filter { sources.contains($0.source) }
            let first = undone.filter { !known.contains($0.source) }
            guard isJoint, tries < Self.tries, !(again.isEmpty && first.isEmpty) else {
                return refused(Self.undoing(undone))
            }
            spared = spared.filter { !sources.contains($0.source) } + first
            along += again
        }
    }

    /// How often a method is asked.
    private static let tries = 5

    /// The model with a proposal, and which answers greedy decoding then does not write, and what it writes.
    private func tried(
        _ proposal: Proposal, _ failures: [TokenizedFailure], _ ledger: RepairLedger
    ) throws -> (patched: LanguageModel, wrong: [Int: String]) {
        let patched = try model.applying(ledger.change.adding(proposal.change))
        var wrong: [Int: String] = [:]
        for (place, failure) in failures.enumerated() {
            guard let written = try finite({ try patched.write(failure) }) else {
                wrong[place] = "with it the model's scores are not numbers"
                continue
            }
            if written != failure.answer {
                wrong[place] = "under greedy decoding the answer was still \(Visible.quoted(tokenizer.decode(written)))"
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

    private static func undoing(_ answers: [HeldAnswer]) -> String { "it would undo \(list(answers))" }

    /// "the answer to failure 2", "the answers to failures 2, 3 and 7 and an answer that the model's patches repaired"
    private static func list(_ answers: [HeldAnswer]) -> String {
        var (numbers, cases, kept, earlier): ([Int], [Int], Int, Int) = ([], [], 0, 0)
        for answer in answers {
            switch answer.source {
            case .failure(let number): numbers.append(number)
            case .guardCase(let number): cases.append(number)
            case .kept: kept += 1
            case .patch: earlier += 1
            }
        }
        var parts = [(numbers, "failure"), (cases, "guard case")].compactMap { numbers, what -> String? in
            let names = numbers.sorted().map(String.init)
            guard names.count > 1 else { return names.first.map { "the answer to \(what) \($0)" } }
            return "the answers to \(what)s \(names.dropLast().joined(separator: ", ")) and \(names[names.count - 1])"
        }
        if kept > 0 { parts.append(kept == 1 ? "an answer to keep" : "\(kept) answers to keep") }
        if earlier > 0 {
            parts.append("\(earlier == 1 ? "an answer" : "\(earlier) answers") that the model's patches repaired")
        }
        return parts.joined(separator: " and ")
    }

    private func outcome(
        of asked: Asked, _ status: RepairReport.Status, _ proposal: Proposal = Proposal(), after: AnswerScores
    ) -> RepairReport.FailureOutcome {
        let answer = asked.run.failure.answer
        let before = asked.original.scores
        let isFixed = status == .fixed
        var notes = isFixed ? proposal.notes : []
        if let first = asked.original.written.first, first != answer[0],
            tokenizer.roles.stops.contains(first) || tokenizer.isSpecial(first)
        {
            notes.append("before, the model ended its answer at once")
        }
        if isFixed, asked.written == answer { notes.append("right by the repairs before it; nothing more was changed") }
        if asked.original.written == answer, asked.written != answer {
            notes.append("the model answered rightly before the repairs before it")
        }
        return RepairReport.FailureOutcome(
            prompt: asked.attempt.failure.prompt, expected: asked.attempt.failure.expected,
            before: tokenizer.decode(asked.original.written),
            after: tokenizer.decode(isFixed ? answer : asked.written),
            status: status, reason: nil,
            tokens: answer.indices.map { place in
                RepairReport.Token(
                    text: text(answer[place]), before: before.probabilities[place], after: after.probabilities[place],
                    topBefore: text(before.top[place]), topAfter: text(after.top[place]))
            },
            neurons: isFixed ? proposal.change.neurons.map(\.neuron) : [],
            layers: isFixed ? proposal.change.matrices.map(\.layer).sorted() : [], steps: proposal.steps,
            notes: notes, seconds: 0)
    }
}
