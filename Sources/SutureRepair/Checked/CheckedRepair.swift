import Foundation
import SutureCore
import SutureModels
import SutureTasks
import SutureTokenizers

/// Repairs a model until its answers pass a check.
///
/// Where the answer of greedy decoding does not pass, other answers are drawn from the model and run; the first that passes
/// is what the model is repaired to give. Then the repaired model is asked again, and its free answer is run: to the prompt,
/// and to other wordings that nothing was repaired on.
public struct CheckedRepair {
    /// How answers are looked for.
    public struct Settings: Sendable {
        /// How many answers beam search follows; 1 for none.
        public var beam = 8
        /// How many answers are drawn at most, and how many at once.
        public var samples = 200
        public var batch = 20
        public var temperature = 0.8
        public var seed: UInt64 = 0
        /// How many tokens an answer has at most.
        public var tokens = 256
        /// How many other wordings are repaired along where they need it.
        public var wordings = 0
        /// Where answers end; nil for what their kind says.
        public var stops: [String]?

        /// The default settings.
        public init() {}
    }

    private let repair: Repair
    private let check: AnswerCheck
    private let settings: Settings
    private let chat: ChatFormat?
    private let search: CandidateSearch

    /// - Parameters:
    ///   - repair: what repairs.
    ///   - check: what judges answers.
    ///   - settings: how answers are looked for.
    ///   - chat: the chat format in which is asked, if it is.
    public init(_ repair: Repair, by check: AnswerCheck, settings: Settings = Settings(), chat: ChatFormat? = nil) {
        (self.repair, self.check, self.settings, self.chat) = (repair, check, settings, chat)
        search = CandidateSearch(
            model: repair.model, tokenizer: repair.tokenizer, check: check, settings: settings,
            ends: repair.tokenizer.roles.stops.union([chat?.stop].compactMap(\.self)))
    }

    /// A task on its way.
    private struct Work {
        var task: CheckedTask
        var outcome: CheckOutcome
        var target: String?
        /// Its failures, by their places in the list that is repaired: the prompt's own first.
        var failures: [Int] = []
    }

    /// Repairs what fails, and asks again.
    ///
    /// - Parameters:
    ///   - tasks: what is asked.
    ///   - modelName: the model's name, for the report.
    /// - Returns: the change, and a report with `checks`.
    /// - Throws: what ``Repair/run(_:modelName:)`` and the check throw.
    public func run(_ tasks: [CheckedTask], modelName: String) throws -> Repair.Result {
        var works: [Work] = []
        var failures: [Failure] = []
        for (number, task) in tasks.enumerated() {
            repair.progress("asking", number, tasks.count)
            var work = try begin(task)
            if let target = work.target {
                work.failures = [failures.count]
                failures.append(Failure(prompt: task.prompt, expected: target))
                for wording in try needy(task) {
                    work.failures.append(failures.count)
                    failures.append(Failure(prompt: wording.prompt, expected: target))
                }
            }
            works.append(work)
        }
        var result = try repair.run(failures, modelName: modelName)
        let repaired = try repair.model.applying(result.change)
        for place in works.indices {
            repair.progress("running the repaired model's answers", place, works.count)
            try finish(&works[place], repaired, result.report)
        }
        result.settle(works.map { ($0.outcome, $0.failures) })
        return result
    }

    /// Runs the model's own answer and, where it does not pass, looks for one that does.
    private func begin(_ task: CheckedTask) throws -> Work {
        let clock = ContinuousClock()
        let start = clock.now
        let end = end(of: task)
        guard search.fits(task.prompt) else {
            let outcome = CheckOutcome(
                prompt: task.prompt, verdict: .unsolved, before: "", fault: Self.tooLong, tried: 0, answer: nil,
                source: nil, after: nil, faultAfter: nil, heldOut: [], seconds: 0)
            return Work(task: task, outcome: outcome)
        }
        let own = try search.greedy(repair.model, behind: task.prompt, end)
        let verdict = try check(own.answer, to: task)
        var outcome = CheckOutcome(
            prompt: task.prompt, verdict: .right, before: own.answer, fault: nil, tried: 1, answer: own.answer,
            source: .greedy, after: nil, faultAfter: nil, heldOut: [], seconds: 0)
        var target: String?
        if case .fails(let fault) = verdict {
            let (found, tried) = try search.passing(task, end, known: [own.answer], progress: repair.progress)
            outcome.fault = fault
            outcome.tried += tried
            (outcome.answer, outcome.source) = (found?.answer, found?.source)
            outcome.verdict = found == nil ? .unsolved : .abandoned
            target = found?.target
        }
        outcome.seconds = (clock.now - start) / .seconds(1)
        return Work(task: task, outcome: outcome, target: target)
    }

    /// The wordings to be repaired along whose answers do not pass.
    private func needy(_ task: CheckedTask) throws -> [CheckedTask.Wording] {
        try task.wordings.prefix(settings.wordings).filter { try !judged(task, $0, by: repair.model).verdict.isPassing }
    }

    /// Asks the repaired model, and both models in held-out words.
    private func finish(_ work: inout Work, _ repaired: LanguageModel, _ report: RepairReport) throws {
        guard let first = work.failures.first, report.failures[first].status != .abandoned else { return }
        let (task, end) = (work.task, end(of: work.task))
        let own = try search.greedy(repaired, behind: task.prompt, end)
        let verdict = try check(own.answer, to: task)
        work.outcome.after = own.answer
        work.outcome.heldOut = try task.heldOut.map { wording in
            let (before, after) = (try judged(task, wording, by: repair.model), try judged(task, wording, by: repaired))
            return CheckOutcome.Variant(
                name: wording.name, prompt: wording.prompt, passedBefore: before.verdict.isPassing,
                passes: after.verdict.isPassing, written: after.answer)
        }
        let passing = work.outcome.heldOutPasses
        switch verdict {
        case .fails(let fault): (work.outcome.verdict, work.outcome.faultAfter) = (.failing, fault)
        case .passes where task.heldOut.isEmpty: work.outcome.verdict = .passes
        case .passes: work.outcome.verdict = 2 * passing > task.heldOut.count ? .adopted : .workaround
        }
    }

    private func judged(
        _ task: CheckedTask, _ wording: CheckedTask.Wording, by model: LanguageModel
    ) throws -> (answer: String, verdict: AnswerCheck.Verdict) {
        guard search.fits(wording.prompt) else { return ("", .fails(Self.tooLong)) }
        let answer = try search.greedy(model, behind: wording.prompt, end(of: task)).answer
        return (answer, try check(answer, to: task, asked: wording.question))
    }

    private static let tooLong = "the prompt is empty or as long as the model's context"

    private func end(of task: CheckedTask) -> AnswerEnd {
        settings.stops.map { AnswerEnd(stops: $0) } ?? AnswerEnd(of: task.kind, isChat: task.isChat)
    }
}

extension Repair.Result {
    /// Puts what became of the tasks into the report, and tells of those for which nothing was repaired.
    fileprivate mutating func settle(_ tasks: [(outcome: CheckOutcome, failures: [Int])]) {
        // A wording that could not be repaired along is no failure of the task.
        let along = Set(tasks.flatMap { $0.failures.dropFirst() })
        let kept = report.failures.indices.filter { !along.contains($0) || report.failures[$0].status == .fixed }
        for (outcome, failures) in tasks where outcome.verdict == .failing {
            guard let own = failures.first else { continue }
            report.failures[own].status = .abandoned
            report.failures[own].reason = "the repaired model's free answer does not pass: \(outcome.faultAfter ?? "")"
        }
        let places = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
        let renumbered = steps.map { (failures: $0.failures.compactMap { places[$0] }, change: $0.change) }
        report.failures = kept.map { report.failures[$0] }
        for (outcome, _) in tasks {
            switch outcome.verdict {
            case .right:
                var failure = RepairReport.FailureOutcome(
                    Failure(prompt: outcome.prompt, expected: outcome.before), abandoned: "")
                (failure.status, failure.reason) = (.right, nil)
                (failure.before, failure.after) = (outcome.before, outcome.before)
                report.failures.append(failure)
            case .unsolved:
                var failure = RepairReport.FailureOutcome(
                    Failure(prompt: outcome.prompt, expected: ""),
                    abandoned: outcome.tried == 0
                        ? outcome.fault ?? ""
                        : "none of \(outcome.tried) different answers passes the check; of the model's own: "
                            + (outcome.fault ?? ""))
                (failure.before, failure.after) = (outcome.before, outcome.before)
                report.failures.append(failure)
            default: break
            }
        }
        report.checks = tasks.map(\.outcome)
        self = Repair.Result(change: change, steps: renumbered, report: report)
    }
}
