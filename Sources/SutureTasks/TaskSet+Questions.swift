import SutureTensor

extension TaskSet {
    /// A part of a data set, the same for equal seeds and disjoint from the others.
    public enum Part: String, Sendable, Codable, CaseIterable {
        /// Everything.
        case all
        /// Seven tenths.
        case train
        /// One tenth.
        case validation
        /// Two tenths.
        case test
    }

    /// A part of the intents, in an order drawn with the seed.
    public func part(_ part: Part, seed: UInt64) -> [Task] {
        var random = SeededGenerator(seed: seed)
        let drawn = random.shuffled(tasks)
        return Array(drawn[Self.range(of: part, count: drawn.count)])
    }

    private static func range(of part: Part, count: Int) -> Range<Int> {
        let (validation, test) = (count * 7 / 10, count * 8 / 10)
        return switch part {
        case .all: 0..<count
        case .train: 0..<validation
        case .validation: validation..<test
        case .test: test..<count
        }
    }

    /// Some intents, each behind examples: at most `limit` of them, drawn with the seed.
    ///
    /// No example is asked. Of everything, or of the training part, the first quarter of the drawn order gives the
    /// examples; of the other parts, the training part does. So questions with the same seed are the same whatever the
    /// limit. Examples of the template stand before every question instead.
    ///
    /// Throws ``TaskError`` with code `badRequest` where there are too few intents for as many examples.
    ///
    /// - Parameters:
    ///   - template: how they are put.
    ///   - shots: how many examples are drawn for each.
    ///   - limit: how many intents are asked.
    ///   - seed: what is drawn.
    ///   - part: where they are taken from.
    ///   - related: how many other intents each question brings along, and how many near misses.
    public func questions(
        _ template: Template, shots: Int, limit: Int, seed: UInt64, part: Part = .all, related: Int = 0
    ) throws -> [Question] {
        var random = SeededGenerator(seed: seed)
        let drawn = random.shuffled(tasks)
        var asked = Self.range(of: part, count: drawn.count)
        var support = Self.range(of: .train, count: drawn.count)
        if part == .all || part == .train {
            let isDrawn = template.examples == nil && shots > 0
            support = asked.lowerBound..<(isDrawn ? max(shots, asked.count / 4) : 0)
            asked = support.upperBound..<max(support.upperBound, asked.upperBound)
        }
        guard !asked.isEmpty, template.examples != nil || support.count >= shots else {
            throw TaskError(
                .badRequest, "there are too few intents for that many examples",
                expected: "more than \(max(shots, support.count))", found: "\(drawn.count)")
        }
        let examples = Set((template.examples ?? []).map(\.intent))
        let source = Array(drawn[support.isEmpty ? asked : support])
        let intents = Dictionary(grouping: tasks, by: \.code).mapValues { $0.map(\.intent) }
        /// Two facts with one answer are not one question in two wordings: such a data set says itself what is.
        let isWorded = tasks.contains { !$0.paraphrases.isEmpty }
        func otherIntent(of task: TaskSet.Task) -> String? {
            isWorded ? nil : intents[task.code]?.first { $0 != task.intent }
        }
        return drawn[asked].filter { !examples.contains($0.intent) }.prefix(limit).map { task in
            // An example with the same code would give the answer away.
            let others = random.shuffled(source).filter { $0.code != task.code }
            let own = template.examples == nil ? shots : 0
            let rest = Array(others.dropFirst(2 * own))
            return Question(
                task: task, shots: template.examples ?? Array(others.prefix(shots)),
                otherShots: template.examples ?? Array(others.dropFirst(shots).prefix(shots)),
                paraphrase: task.paraphrases.first ?? otherIntent(of: task), related: Array(rest.prefix(related)),
                nearMisses: task.keep.prefix(related)
                    + task.nearest(related - task.keep.count, among: rest.dropFirst(related)),
                frame: template.frame)
        }
    }
}

extension TaskSet.Task {
    /// The tasks that are easiest to mistake for this one: of those whose code begins with the same word, if there are as
    /// many, the ones that share the most words of the intent with it.
    func nearest(_ count: Int, among others: some Sequence<TaskSet.Task>) -> [TaskSet.Task] {
        guard count > 0 else { return [] }
        let own = words
        return others.map { other -> (task: TaskSet.Task, nearness: Double) in
            let theirs = other.words
            let shared = Double(own.intersection(theirs).count) / Double(max(1, own.union(theirs).count))
            return (other, shared + (other.tool == tool ? 1 : 0))
        }
        .sorted { $0.nearness > $1.nearness }.prefix(count).map(\.task)
    }

    private var words: Set<String> {
        Set(intent.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
    }
}
