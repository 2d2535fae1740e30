import Foundation
import SutureTasks
import SutureTensor

/// What an evaluation came to, with intervals that hold with 95% confidence: Wilson's for rates of yes or no, and
/// percentiles of 1000 resamples of the failures for means.
public struct EvaluationSummary: Sendable, Codable {
    public var settings: EvaluationSettings
    public var tasks: [Task]

    /// The figures of one data set.
    public struct Task: Sendable, Codable {
        public var name: String
        /// How many questions were asked, answered rightly by the original model, and could not be asked.
        public var asked: Int
        public var right: Int
        public var unasked: Int
        /// The original model's row is the first.
        public var rows: [Row]
        /// The first method beside each of the others.
        public var pairs: [Pair]
        /// The same by kinds of failures.
        public var strata: [Stratum]
        /// Empty where they are not studied.
        public var successions: [Succession]
        public var matrices: [Matrix]
    }

    /// The figures of one method, or of the original model, on the same failures.
    public struct Row: Sendable, Codable {
        /// The method; nil for the original model.
        public var method: String?
        public var options: [String: Double]
        public var failures: Int
        public var abandoned: Int
        /// The share of failures after whose repair greedy decoding writes the answer, token for token.
        public var fixed: Estimate
        /// The same, white space that means nothing left aside (`Answer`).
        public var exact: Estimate
        /// The share of right tokens under teacher forcing, averaged over failures.
        public var tokens: Estimate
        public var bleu: Estimate
        public var chrF: Double
        public var rougeL: Estimate
        public var edit: Estimate
        /// Of the answers that should come, under the model.
        public var perplexity: Double
        /// The share of written answers that are well-formed; nil where that is not known.
        public var wellFormed: Estimate?
        /// The share of failures that come out right where they are put otherwise, of those that are fixed, by variant
        /// and over all; of the original model, the share of all failures.
        public var carried: [String: Estimate]
        public var carriedOver: Estimate
        /// What a repair moves elsewhere: nats a token, and the share of other most likely tokens. Of fixed failures only;
        /// nil where there are none.
        public var unrelated: Estimate?
        public var changedTop: Estimate?
        public var related: Estimate?
        /// The share of questions near a repaired one, averaged over repairs, that are right before and wrong after, or have
        /// the repaired answer where it is wrong.
        public var falsePositives: Estimate?
        /// EM-APD and BLEU-RPD: how a repair changes the share of right tokens and, relatively, BLEU on questions that are
        /// held out; nil where that is not studied.
        public var heldOutTokens: Estimate?
        public var heldOutBLEU: Estimate?
        /// Medians over fixed failures.
        public var neurons: Double
        public var numbers: Double
        public var norm: Double
        /// Of every attempt; `passes` is told in forward and backward passes of the prompt.
        public var seconds: Estimate
        public var passes: Estimate
    }

    /// Sums up a log, as far as it goes.
    public init(_ log: EvaluationLog) {
        settings = log.settings
        let names = log.settings.labels
        tasks = log.settings.tasks.indices.map { task in
            let all = log.asked.values.filter { $0.task == task }.sorted { $0.question < $1.question }
            let failures = all.filter { !$0.isRight && $0.unasked == nil }
            let original = Row(original: failures)
            let methods = log.settings.methods.enumerated().map { index, method in
                Row(
                    names[index], method.options,
                    failures.compactMap { asked in
                        log.repairs[.init(task: task, question: asked.question, method: index)].map { (asked, $0) }
                    })
            }
            func repair(_ question: Int, _ method: Int) -> RepairRecord? {
                log.repairs[.init(task: task, question: question, method: method)]
            }
            let pairs = names.indices.dropFirst().map { other in
                Pair(
                    names[0], names[other],
                    failures.compactMap { asked in
                        repair(asked.question, 0).flatMap { own in repair(asked.question, other).map { (own, $0) } }
                    })
            }
            return Task(
                name: log.settings.tasks[task].name, asked: all.count, right: all.count(where: \.isRight),
                unasked: all.count { $0.unasked != nil }, rows: [original] + methods, pairs: pairs,
                strata: Stratum.all(of: failures).map { name, failures in
                    Stratum(name, failures, names) { question, method in repair(question, method) }
                },
                successions: names.enumerated().compactMap { index, name in
                    Succession(
                        name, log.successions.values.filter { $0.task == task && $0.method == index })
                },
                matrices: names.enumerated().compactMap { index, name in
                    Matrix(name, log.cells.values.filter { $0.task == task && $0.method == index })
                })
        }
    }
}

extension EvaluationSummary.Row {
    init(original failures: [AskedRecord]) {
        let nothing = Estimate(0, low: 0, high: 0)
        self.init(
            method: nil, options: [:],
            answers: failures.map { Answered(expected: $0.expected, written: $0.written, reading: $0.reading) },
            fixed: 0, variants: failures.map(\.variants), unrelated: nil, changedTop: nil, related: nil,
            abandoned: 0, sizes: [], seconds: nothing, passes: nothing)
    }

    init(_ method: String, _ options: [String: Double], _ pairs: [(asked: AskedRecord, repair: RepairRecord)]) {
        let fixed = pairs.map(\.repair).filter(\.isFixed)
        func mean(_ value: (RepairRecord) -> Double) -> Estimate? {
            fixed.isEmpty ? nil : Bootstrap.estimate(mean: fixed.map(value))
        }
        self.init(
            method: method, options: options,
            answers: pairs.map { pair in
                Answered(expected: pair.asked.expected, written: pair.repair.written, reading: pair.repair.reading)
            }, fixed: fixed.count, variants: fixed.map(\.variants), unrelated: mean(\.unrelated.mean),
            changedTop: mean(\.unrelated.changedShare), related: mean(\.related.mean),
            abandoned: pairs.count { $0.repair.abandoned != nil },
            sizes: fixed.map { (Double($0.neurons), Double($0.numbers), $0.norm) },
            seconds: Bootstrap.estimate(mean: pairs.map(\.repair.seconds)),
            passes: Bootstrap.estimate(
                mean: pairs.compactMap { pair in pair.asked.passSeconds.map { pair.repair.seconds / $0 } }))
        falsePositives = mean(\.neighbours.share)
        let heldOut = fixed.compactMap(\.heldOut)
        guard !heldOut.isEmpty else { return }
        heldOutTokens = Bootstrap.estimate(mean: heldOut.map(\.exactMatchChange))
        heldOutBLEU = Bootstrap.estimate(mean: heldOut.map(\.bleuChange))
    }

    /// An answer, right or wrong.
    private struct Answered {
        var expected: String
        var written: String
        var reading: AnswerReading
    }

    private init(
        method: String?, options: [String: Double], answers: [Answered], fixed: Int, variants: [[String: Double]],
        unrelated: Estimate?, changedTop: Estimate?, related: Estimate?, abandoned: Int,
        sizes: [(neurons: Double, numbers: Double, norm: Double)], seconds: Estimate, passes: Estimate
    ) {
        self.method = method
        self.options = options
        failures = answers.count
        self.abandoned = abandoned
        self.fixed = Estimate(fixed, of: answers.count)
        exact = Estimate(answers.count { Answer($0.written) == Answer($0.expected) }, of: answers.count)
        tokens = Bootstrap.estimate(mean: answers.map(\.reading.share))
        bleu = BLEU.estimate(answers.map { BLEU().counts($0.written, $0.expected) })
        chrF = ChrF.corpus(answers.map { ChrF.counts($0.written, $0.expected) })
        rougeL = Bootstrap.estimate(mean: answers.map { Similarity.rougeL($0.written, $0.expected) })
        edit = Bootstrap.estimate(mean: answers.map { Similarity.edit($0.written, $0.expected) })
        let tokens = answers.reduce(0) { $0 + $1.reading.tokens }
        perplexity = exp(-answers.reduce(0) { $0 + $1.reading.logProbability } / Double(max(1, tokens)))
        let formed = answers.compactMap(\.reading.isWellFormed)
        wellFormed = formed.isEmpty ? nil : Estimate(formed.count { $0 }, of: formed.count)
        carried = Set(variants.flatMap(\.keys)).reduce(into: [:]) { all, kind in
            let shares = variants.compactMap { $0[kind] }
            all[kind] = Estimate(shares.count { $0 == 1 }, of: shares.count)
        }
        carriedOver = Self.carriedOver(variants)
        self.unrelated = unrelated
        self.changedTop = changedTop
        self.related = related
        neurons = Bootstrap.median(sizes.map(\.neurons))
        numbers = Bootstrap.median(sizes.map(\.numbers))
        norm = Bootstrap.median(sizes.map(\.norm))
        self.seconds = seconds
        self.passes = passes
    }

    /// Variants of one failure come out right together: failures are counted, not variants. Their shares vary no more than
    /// yes or no would.
    static func carriedOver(_ variants: [[String: Double]]) -> Estimate {
        let shares = variants.filter { !$0.isEmpty }.map { each in
            Double(each.values.count { $0 == 1 }) / Double(each.count)
        }
        return Estimate(share: Bootstrap.mean(shares), of: shares.count)
    }
}
