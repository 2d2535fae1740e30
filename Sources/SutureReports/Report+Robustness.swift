import Foundation
import SutureFormats
import SutureVision

/// The robustness of a classifier, and of the same classifier with signatures.
public struct RobustnessComparison: Sendable {
    public var before: Robustness
    /// With the signatures, at each scale that was asked for.
    public var after: [(scale: Double, robustness: Robustness)]
    /// What the mean corruption error is relative to.
    public var baseline: Robustness?
    /// The names of the signatures' files.
    public var signatures: [String]

    /// What a classifier does, and with signatures at some scales.
    public init(
        before: Robustness, after: [(scale: Double, robustness: Robustness)] = [], baseline: Robustness? = nil,
        signatures: [String] = []
    ) {
        self.before = before
        self.after = after
        self.baseline = baseline
        self.signatures = signatures
    }

    /// All that is compared, with the name of its column.
    fileprivate var columns: [(name: String, robustness: Robustness)] {
        let isOne = after.count == 1 && after[0].scale == 1
        return [(after.isEmpty ? "accuracy" : "before", before)]
            + after.map { (isOne ? "after" : "scale \(Numeral.short($0.scale))", $0.robustness) }
    }

    /// The kinds of corruption, in the order of the rows.
    fileprivate var kinds: [Corruption.Kind] {
        before.corrupted.map(\.corruption.kind).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}

extension Report {
    /// The page of a test of robustness: accuracy clean and under each corruption, before and after.
    public init(_ comparison: RobustnessComparison, title: String) throws {
        let severities = Set(comparison.before.corrupted.map(\.corruption.severity)).sorted()
        var blocks: [Block] = [
            .facts(Self.facts(comparison)), .table(Self.rows(comparison)), .barChart(Self.kinds(comparison))
        ]
        if comparison.after.count > 1 { blocks.append(.plot(Self.scales(comparison))) }
        if severities.count > 1 { blocks.append(.plot(Self.severities(comparison, severities))) }
        try self.init(
            title: title, schema: "suture.robustness/1", data: RobustnessData(comparison), blocks: blocks)
    }

    private static func facts(_ comparison: RobustnessComparison) -> [Fact] {
        var facts = [Fact("Images", "\(comparison.before.clean.count)")]
        if !comparison.signatures.isEmpty {
            facts.append(Fact("Signatures", comparison.signatures.joined(separator: ", ")))
        }
        func all(_ text: (Robustness) -> String) -> String {
            comparison.columns.map {
                comparison.after.isEmpty ? text($0.robustness) : "\($0.name) \(text($0.robustness))"
            }
            .joined(separator: ", ")
        }
        facts.append(Fact("Clean accuracy", all { share($0.clean.accuracy) }))
        facts.append(Fact("Mean corruption error", all { share($0.meanCorruptionError) }))
        if let baseline = comparison.baseline {
            let text = all { robustness in
                robustness.meanCorruptionError(relativeTo: baseline).map(share) ?? "not defined"
            }
            facts.append(Fact("... relative to the baseline", text))
        }
        return facts
    }

    private static func rows(_ comparison: RobustnessComparison) -> Table {
        func row(_ label: String, _ severity: String, _ evaluation: (Robustness) -> Evaluation) -> [Table.Cell] {
            [.init(label), .init(severity)]
                + comparison.columns.flatMap { column -> [Table.Cell] in
                    let result = evaluation(column.robustness)
                    let interval = result.interval
                    return [
                        .init(share(result.accuracy)), .init("\(share(interval.low)) … \(share(interval.high))")
                    ]
                }
        }
        return Table(
            caption: "Right answers, with 95% intervals",
            columns: ["corruption", .number("severity")]
                + comparison.columns.flatMap { [.number($0.name), .number("95%")] },
            rows: [row("none", "") { $0.clean }]
                + comparison.before.corrupted.enumerated().map { index, before in
                    row(before.corruption.kind.rawValue, "\(before.corruption.severity)") {
                        $0.corrupted[index].evaluation
                    }
                })
    }

    private static func kinds(_ comparison: RobustnessComparison) -> BarChart {
        let bars = ([nil] + comparison.kinds.map(Optional.some)).flatMap { kind in
            comparison.columns.map { column -> BarChart.Bar in
                let label = comparison.after.isEmpty ? "" : ", \(column.name)"
                let evaluations = column.robustness.evaluations(of: kind)
                let one = evaluations.count == 1 ? evaluations[0].interval : nil
                return .init(
                    (kind?.rawValue ?? "clean") + label, 100 * evaluations.meanAccuracy,
                    low: one.map { 100 * $0.low }, high: one.map { 100 * $0.high })
            }
        }
        return BarChart(
            caption: "Right answers under each corruption, mean of all severities", axis: "right, %", bars: bars)
    }

    private static func scales(_ comparison: RobustnessComparison) -> Plot {
        let points = ([(0, comparison.before)] + comparison.after.filter { $0.scale != 0 }).sorted { $0.0 < $1.0 }
        func line(_ name: String, _ value: (Robustness) -> Double) -> Plot.Series {
            Plot.Series(name, points: points.map { Plot.Point($0.0, 100 * value($0.1)) }, isLine: true)
        }
        // As many lines as have marks of their own.
        let kinds = comparison.kinds.count <= 4 ? comparison.kinds : []
        return Plot(
            caption: "How much of the signatures", x: .init("scale"), y: .init("right, %"),
            series: [line("clean") { $0.clean.accuracy }]
                + (kinds.count == 1 ? [] : [line("mean of corruptions") { 1 - $0.meanCorruptionError }])
                + kinds.map { kind in line(kind.rawValue) { $0.evaluations(of: kind).meanAccuracy } })
    }

    private static func severities(_ comparison: RobustnessComparison, _ severities: [Int]) -> Plot {
        Plot(
            caption: "Mean of all corruptions by severity; 0 is clean", x: .init("severity"), y: .init("right, %"),
            series: comparison.columns.map { column in
                let clean = Plot.Point(0, 100 * column.robustness.clean.accuracy)
                let points = severities.map { severity in
                    let rows = column.robustness.corrupted.filter { $0.corruption.severity == severity }
                    return Plot.Point(Double(severity), 100 * rows.map(\.evaluation).meanAccuracy)
                }
                return Plot.Series(column.name, points: [clean] + points, isLine: true)
            })
    }

    /// A share of images to a hundredth of a percent, which is one of ten thousand.
    static func share(_ value: Double) -> String { String(format: "%.2f%%", 100 * value) }
}

extension Robustness {
    /// What was reached under one kind of corruption, each severity by itself; nil for none.
    fileprivate func evaluations(of kind: Corruption.Kind?) -> [Evaluation] {
        kind.map { kind in corrupted.filter { $0.corruption.kind == kind }.map(\.evaluation) } ?? [clean]
    }
}

extension [Evaluation] {
    fileprivate var meanAccuracy: Double { reduce(0) { $0 + $1.accuracy } / Double(Swift.max(1, count)) }
}

/// What the JSON says.
struct RobustnessData: Codable, Sendable {
    struct Result: Codable, Sendable {
        /// Of the signatures; none for the classifier as it is.
        var scale: Double?
        var clean: Accuracy
        var corrupted: [Row]
        var meanCorruptionError: Double
        var relativeMeanCorruptionError: Double?
    }
    struct Accuracy: Codable, Sendable {
        var right, images: Int
        var accuracy: Double
        var interval: [Double]

        init(_ evaluation: Evaluation) {
            (right, images, accuracy) = (evaluation.right, evaluation.count, evaluation.accuracy)
            interval = [evaluation.interval.low, evaluation.interval.high]
        }
    }
    struct Row: Codable, Sendable {
        var corruption: String
        var severity: Int
        var result: Accuracy
    }
    var signatures: [String]
    var before: Result
    var after: [Result]
    var baseline: Result?

    /// What was compared. Of which class an image was taken for which, the JSON keeps no more than whether it was right.
    func comparison(source: String) throws -> RobustnessComparison {
        func evaluation(_ found: Accuracy) throws -> Evaluation {
            guard (0...1 << 48).contains(found.images), (0...found.images).contains(found.right) else {
                throw FormatError(
                    .wrongJSONType, "not a count of right answers", subject: source,
                    found: "\(found.right) of \(found.images)")
            }
            return Evaluation(confusion: [[found.right, found.images - found.right], [0, 0]], loss: 0)
        }
        func robustness(_ result: Result) throws -> Robustness {
            let rows = try result.corrupted.map { row -> Robustness.Row in
                guard let kind = Corruption.Kind(rawValue: row.corruption), (1...5).contains(row.severity) else {
                    throw FormatError(
                        .wrongJSONType, "there is no such corruption", subject: source,
                        found: "\(row.corruption):\(row.severity)")
                }
                return try .init(
                    corruption: Corruption(kind, severity: row.severity), evaluation: evaluation(row.result))
            }
            return try Robustness(clean: evaluation(result.clean), corrupted: rows)
        }
        let (first, others) = (try robustness(before), try after.map { ($0.scale ?? 1, try robustness($0)) })
        let base = try baseline.map(robustness)
        // Rows of one are held against those of another by their places.
        let places = first.corrupted.map(\.corruption)
        guard (others.map(\.1) + [base].compactMap(\.self)).allSatisfy({ $0.corrupted.map(\.corruption) == places })
        else {
            throw FormatError(.wrongJSONType, "the classifiers were tested on different corruptions", subject: source)
        }
        return RobustnessComparison(before: first, after: others, baseline: base, signatures: signatures)
    }

    init(_ comparison: RobustnessComparison) {
        func result(_ robustness: Robustness, scale: Double? = nil) -> Result {
            Result(
                scale: scale, clean: Accuracy(robustness.clean),
                corrupted: robustness.corrupted.map {
                    Row(
                        corruption: $0.corruption.kind.rawValue, severity: $0.corruption.severity,
                        result: Accuracy($0.evaluation))
                },
                meanCorruptionError: robustness.meanCorruptionError,
                relativeMeanCorruptionError: comparison.baseline.flatMap(robustness.meanCorruptionError(relativeTo:)))
        }
        signatures = comparison.signatures
        before = result(comparison.before)
        after = comparison.after.map { result($0.robustness, scale: $0.scale) }
        baseline = comparison.baseline.map { result($0) }
    }
}
