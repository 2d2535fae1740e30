import SutureFormats
import SutureModels
import SutureTasks
import SutureTensor
import SutureTokenizers

/// Methods of repair on the failures of a model: each failure is repaired by each method, from the original model, and
/// all that a repair changes is measured.
///
/// What is found goes to an ``EvaluationLog`` line by line; a run that was killed goes on where its log ends. The work can
/// be shared out: question i belongs to the process i mod n, and the log of all of them together is the log of one.
public struct RepairEvaluation {
    public let model: LanguageModel
    public let tokenizer: Tokenizer
    public let tasks: [Task]
    public let methods: [any RepairMethod]
    /// What methods take statistics of.
    public let texts: [String]
    /// The texts on which side effects are measured.
    public let unrelated: [String]
    public let settings: EvaluationSettings
    /// This process and how many there are.
    public var share = (index: 0, count: 1)
    /// Whether single repairs are left out, and only studies are made.
    public var onlyStudies = false
    /// Keeps what methods compute once for a model.
    public var statistics: (any StatisticsSource)?
    /// Called with what is being done, how many steps of it are done, and of how many. Asking a question is one, and each
    /// of its repairs. What it throws ends the evaluation; what was found until then is in the log.
    public var progress: (_ activity: String, _ done: Int, _ of: Int) throws -> Void = { _, _, _ in }

    /// Questions of one data set.
    public struct Task: Sendable {
        public var name: String
        public var questions: [Question]
        /// What answers are written in, where their syntax is to be checked.
        public var language: SyntaxCheck.Language?

        /// Questions under a name, and the language of their answers if their syntax can be checked.
        public init(_ name: String, _ questions: [Question], language: SyntaxCheck.Language? = nil) {
            self.name = name
            self.questions = questions
            self.language = language
        }
    }

    /// Throws `TaskError` where a chat template refuses a question, ``RepairError`` where side effects would be measured on
    /// a text that methods take statistics of.
    ///
    /// - Parameters:
    ///   - model: the original model.
    ///   - tokenizer: its tokenizer.
    ///   - tasks: what it is asked.
    ///   - methods: what repairs its failures.
    ///   - name: the model's name, for people.
    ///   - digest: the model's digest.
    ///   - firstToken: whether only the first wrong token of an answer is repaired.
    ///   - studies: what is looked at beside single repairs.
    ///   - texts: what methods take statistics of: the built-in reference texts, or those of a corpus.
    ///   - unrelated: the texts on which side effects are measured.
    public init(
        _ model: LanguageModel, _ tokenizer: Tokenizer, tasks: [Task], methods: [any RepairMethod], name: String,
        digest: String, firstToken: Bool = false, studies: Set<Study> = [], texts: [String] = Texts.reference,
        unrelated: [String] = Texts.guards
    ) throws {
        let known = Set(texts)
        if let seen = unrelated.first(where: known.contains) {
            throw RepairError(
                .badRequest, "side effects would be measured on a text that methods take statistics of",
                expected: "other texts", found: String(reflecting: String(seen.prefix(40))))
        }
        self.model = model
        self.tokenizer = tokenizer
        self.tasks = tasks
        self.methods = methods
        self.texts = texts
        self.unrelated = unrelated
        settings = EvaluationSettings(
            model: name, digest: digest,
            tasks: try tasks.map { task in
                try .init(name: task.name, questions: task.questions.count, digest: Self.digest(task.questions))
            },
            methods: methods.map { .init(name: $0.name, options: $0.options) }, firstToken: firstToken,
            studies: Study.allCases.filter(studies.contains),
            texts: Digest.sha256(
                JSON.array([texts, unrelated, Texts.heldOut].map { .array($0.map { JSON($0) }) }).serialized()))
    }

    private static func digest(_ questions: [Question]) throws -> String {
        let texts = try questions.flatMap { question in
            try
                ([question.failure] + question.variants.map(question.failure) + question.relatedFailures
                + question.nearMissFailures)
                .flatMap { [$0.prompt, $0.expected] }
        }
        return Digest.sha256(JSON.array(texts.map { JSON($0) }).serialized())
    }

    /// Does what the log does not have yet.
    public func run(_ log: EvaluationLog) throws {
        // Before hours of work, not behind them.
        if settings.studies.contains(.matrix) { for task in tasks { _ = try RuleMatrix.contexts(of: task.questions) } }
        let context = EvaluationContext(self)
        if !onlyStudies { try runRepairs(log, context) }
        if settings.studies.contains(.successive) { try runSuccessions(log, context) }
        if settings.studies.contains(.matrix) { try runMatrix(log, context) }
    }

    /// What most of an evaluation is.
    static let repairing = "evaluating"

    /// Repairs each failure by each method.
    private func runRepairs(_ log: EvaluationLog, _ context: EvaluationContext) throws {
        let items = tasks.enumerated().flatMap { task, each in
            repaired(each).filter(isOwn).map { EvaluationLog.Place(task: task, question: $0) }
        }
        let total = items.count * (1 + methods.count)
        var done = items.reduce(0) { $0 + settled(of: $1, in: log) }
        try progress(Self.repairing, done, total)
        for item in items {
            let before = settled(of: item, in: log)
            guard before < 1 + methods.count else { continue }
            var subject = try context.subject(item)
            let asked: AskedRecord
            if let known = log.asked[item] {
                asked = known
            } else {
                asked = try subject.ask()
                try log.append(asked)
            }
            done += settled(of: item, in: log) - before
            try progress(Self.repairing, done, total)
            guard !asked.isRight, asked.unasked == nil else { continue }
            for method in methods.indices where log.repairs[item.by(method)] == nil {
                try log.append(subject.repair(method))
                done += 1
                try progress(Self.repairing, done, total)
            }
        }
    }

    /// How many of an item's steps are done: a right answer needs no repair.
    private func settled(of item: EvaluationLog.Place, in log: EvaluationLog) -> Int {
        guard let asked = log.asked[item] else { return 0 }
        guard !asked.isRight, asked.unasked == nil else { return 1 + methods.count }
        return 1 + methods.indices.count { log.repairs[item.by($0)] != nil }
    }
}
