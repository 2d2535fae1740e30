import SutureModels
import SutureTasks
import SutureTokenizers

extension RepairEvaluation {
    /// What can be looked at beside single repairs.
    public enum Study: String, Sendable, Codable, CaseIterable {
        /// After each repair, the last fifth of the questions is asked, none of which is repaired.
        case heldOut = "held-out"
        /// All failures one on top of the other.
        case successive
        /// Generalisation and specificity by the matrix of rules and contexts.
        case matrix
    }

    /// How many of a task's questions are repaired, and how many held out behind them.
    func repaired(_ task: Task) -> Range<Int> {
        let count = task.questions.count
        return 0..<(settings.studies.contains(.heldOut) ? count - count / 5 : count)
    }

    /// Which of some pieces of work belong to this process.
    func isOwn(_ piece: Int) -> Bool { piece % share.count == share.index }

    /// Repairs failures one on top of the other.
    func runSuccessions(_ log: EvaluationLog, _ shared: EvaluationContext) throws {
        let texts = unrelated.map { tokenizer.encode($0, specials: .opening).ids }.filter { $0.count > 1 }
        for (task, each) in tasks.enumerated() {
            let open = methods.indices.filter { method in
                isOwn(task * methods.count + method)
                    && !log.successions.values.contains { $0.task == task && $0.method == method && $0.isLast }
            }
            guard !open.isEmpty else { continue }
            let asked = try each.questions[repaired(each)].compactMap(inSuccession)
            for method in open {
                let place = EvaluationLog.Place(task: task, question: 0, method: method)
                let activity = "one on top of the other, \(methods[method].name)"
                try Succession(
                    model: model, method: shared.method(method), asked: asked,
                    texts: texts.map { Array($0.prefix(model.architecture.contextLength)) }
                ).run(
                    isKnown: { log.successions[place.at($0)] != nil },
                    progress: { try progress(activity, $0, asked.count) },
                    found: { record in
                        var record = record
                        (record.task, record.method) = (task, method)
                        try log.append(record)
                    })
            }
        }
    }

    /// What is repaired of a question's answer, and what is looked at beside it; nil where it is right, or cannot be asked.
    private func inSuccession(_ question: Question) throws -> Succession.Asked? {
        func fitting(_ tokens: TokenizedFailure?) -> TokenizedFailure? {
            tokens.flatMap { $0.forced.count <= model.architecture.contextLength ? $0 : nil }
        }
        guard let failure = fitting(try? TokenizedFailure(question.failure, variedBy: tokenizer)),
            let wrong = try model.scores(failure).wrong(failure.answer).first
        else { return nil }
        let isWorded = try question.variants.contains(.paraphrased)
        var paraphrase = isWorded ? fitting(try? TokenizedFailure(question.failure(.paraphrased), tokenizer)) : nil
        if paraphrase?.answer != failure.answer { paraphrase = nil }
        let nearMiss = fitting(try question.nearMissFailures.first.flatMap { try? TokenizedFailure($0, tokenizer) })
        guard settings.firstToken else { return .init(failure: failure, paraphrase: paraphrase, nearMiss: nearMiss) }
        return .init(
            failure: failure.part(at: wrong), paraphrase: paraphrase?.part(at: wrong), nearMiss: nearMiss?.part(at: 0))
    }

    /// Goes through the matrix of rules and contexts.
    func runMatrix(_ log: EvaluationLog, _ shared: EvaluationContext) throws {
        for (task, each) in tasks.enumerated() {
            let places = (0..<RuleMatrix.rules * RuleMatrix.contexts).filter(isOwn)
            func missing(_ place: Int) -> [Int] {
                methods.indices.filter { log.cells[.init(task: task, question: place, method: $0)] == nil }
            }
            var done = places.reduce(0) { $0 + methods.count - missing($1).count }
            let total = places.count * methods.count
            guard done < total else { continue }
            let matrix = try RuleMatrix(each.questions, model, tokenizer)
            let restated = Texts.restated(tokenizer)
            for place in places {
                let (rule, context) = (place / RuleMatrix.contexts, place % RuleMatrix.contexts)
                guard rule < matrix.cells.count, context < matrix.cells[rule].count else { continue }
                let open = missing(place)
                guard !open.isEmpty else { continue }
                let fault = try RuleMatrix.fault(matrix.cells[rule][context], model)
                let faulty = try fault.map { try model.applying($0.change) } ?? model
                let row = try matrix.cells[rule].map { try RuleMatrix.standing($0, faulty) }
                let column = try matrix.cells.map { try RuleMatrix.standing($0[context], faulty) }
                for method in open {
                    var record = try matrix.repair(
                        rule: rule, context: context, with: methods[method], texts: shared.referenceTexts,
                        restated: restated, faulty: fault == nil ? nil : faulty, row: row, column: column)
                    (record.task, record.method, record.steps) = (task, method, fault?.steps ?? 0)
                    try log.append(record)
                    done += 1
                    try progress("rules and contexts", done, total)
                }
            }
        }
    }
}

extension EvaluationLog.Place {
    fileprivate func at(_ question: Int) -> EvaluationLog.Place {
        .init(task: task, question: question, method: method)
    }
}

extension TokenizedFailure {
    /// One token of the answer, with what comes before it in the prompt.
    func part(at place: Int) -> TokenizedFailure {
        var part = self
        part.prompt += answer[..<place]
        part.answer = [answer[place]]
        part.wordings = wordings.map { $0 + answer[..<place] }
        part.variants = variants.map { $0 + answer[..<place] }
        part.nearMisses = nearMisses.map { $0 + answer[..<place] }
        return part
    }
}
