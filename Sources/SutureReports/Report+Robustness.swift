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
    var columns: [(name: String, robustness: Robustness)] {
        let isOne = after.count == 1 && after[0].scale == 1
        return [(after.isEmpty ? "accuracy" : "before", before)]
            + after.map { (isOne ? "after" : "scale \(Numeral.short($0.scale))", $0.robustness) }
    }

    /// The kinds of corruption, in the order of the rows.
    var kinds: [Corruption.Kind] {
        before.corrupted.map(\.corruption.kind).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}

extension Report {
    /// The page of a test of robustness: accuracy clean and under each corruption, before and after.
    public init(_ comparison: RobustnessComparison, title: String) throws {
        let severities = Set(comparison.before.corrupted.map(\.corruption.severity)).sorted()
        var facts = [Fact("Images", "\(comparison.before.clean.count)")]
        if !comparison.signatures.isEmpty {
            facts.append(Fact("Signatures", comparison.signatures.joined(separator: ", ")))
        }
        var blocks: [Block] = [
            .facts(facts), .table(Self.summary(comparison)), .table(Self.rows(comparison)),
            .barChart(Self.kinds(comparison))
        ]
        if comparison.after.count > 1 { blocks.append(.onPages([.plot(Self.scales(comparison))])) }
        if severities.count > 1 { blocks.append(.onPages([.plot(Self.severities(comparison, severities))])) }
        try self.init(
            title: title, verdict: comparison.verdict, schema: "suture.robustness/1", data: RobustnessData(comparison),
            blocks: blocks)
    }

    /// One line for each variant.
    private static func summary(_ comparison: RobustnessComparison) -> Table {
        let baseline = comparison.baseline
        return Table(
            caption: "Right answers in %, with 95% intervals",
            columns: ["", .number("clean"), .number("corrupted")] + (baseline == nil ? [] : [.number("mCE")]),
            rows: comparison.columns.map { name, robustness in
                let relative = baseline.map { baseline -> Table.Cell in
                    .init(robustness.meanCorruptionError(relativeTo: baseline).map(share) ?? "not defined")
                }
                return [
                    .init(name), .init(percent(robustness.clean.estimate)), .init(percent(robustness.accuracy()))
                ] + (relative.map { [$0] } ?? [])
            })
    }

    private static func rows(_ comparison: RobustnessComparison) -> Table {
        func row(_ label: String, _ evaluation: (Robustness) -> Evaluation) -> [Table.Cell] {
            [.init(label)] + comparison.columns.map { .init(percent(evaluation($0.robustness).estimate)) }
        }
        return Table(
            caption: "By corruption and severity",
            columns: ["corruption"] + comparison.columns.map { .number($0.name) },
            rows: [row("none") { $0.clean }]
                + comparison.before.corrupted.enumerated().map { index, before in
                    row("\(before.corruption.kind.rawValue) \(before.corruption.severity)") {
                        $0.corrupted[index].evaluation
                    }
                })
    }

    /// `61.2 ±3.1`: with the larger side of the interval.
    static func percent(_ estimate: Estimate) -> String {
        let side = max(estimate.high - estimate.value, estimate.value - estimate.low)
        return String(format: "%.1f ±%.1f", 100 * estimate.value, 100 * side)
    }

    private static func kinds(_ comparison: RobustnessComparison) -> BarChart {
        let isOne = comparison.after.isEmpty
        let bars = ([nil] + comparison.kinds.map(Optional.some)).flatMap { kind in
            comparison.columns.enumerated().map { group, column -> BarChart.Bar in
                let estimate = column.robustness.estimate(of: kind)
                return .init(
                    (kind?.rawValue ?? "clean") + (isOne ? "" : ", \(column.name)"), 100 * estimate.value,
                    low: 100 * estimate.low, high: 100 * estimate.high, group: isOne ? nil : group)
            }
        }
        return BarChart(
            caption: "Right answers under each corruption, mean of all severities", axis: "right, %", bars: bars,
            groups: isOne ? [] : comparison.columns.map(\.name))
    }

    private static func scales(_ comparison: RobustnessComparison) -> Plot {
        let points = ([(0, comparison.before)] + comparison.after.filter { $0.scale != 0 }).sorted { $0.0 < $1.0 }
        func line(_ name: String, _ value: (Robustness) -> Estimate) -> Plot.Series {
            Plot.Series(name, points: points.map { point($0.0, value($0.1)) }, isLine: true)
        }
        // As many lines as have marks of their own.
        let kinds = comparison.kinds.count <= 4 ? comparison.kinds : []
        return Plot(
            caption: "How much of the signatures", x: .init("scale"), y: .init("right, %"),
            series: [line("clean") { $0.clean.estimate }]
                + (kinds.count == 1 ? [] : [line("mean of corruptions") { $0.accuracy() }])
                + kinds.map { kind in line(kind.rawValue) { $0.estimate(of: kind) } })
    }

    private static func severities(_ comparison: RobustnessComparison, _ severities: [Int]) -> Plot {
        Plot(
            caption: "Mean of all corruptions by severity; 0 is clean", x: .init("severity"), y: .init("right, %"),
            series: comparison.columns.map { column in
                let points = severities.map { severity in
                    point(Double(severity), column.robustness.accuracy { $0.severity == severity })
                }
                return Plot.Series(
                    column.name, points: [point(0, column.robustness.clean.estimate)] + points, isLine: true)
            })
    }

    private static func point(_ x: Double, _ estimate: Estimate) -> Plot.Point {
        Plot.Point(x, 100 * estimate.value, low: 100 * estimate.low, high: 100 * estimate.high)
    }

    /// A share of images to a hundredth of a percent, which is one of ten thousand.
    static func share(_ value: Double) -> String { String(format: "%.2f%%", 100 * value) }
}

extension Robustness {
    /// What was reached under one kind of corruption, over its severities; nil for none.
    fileprivate func estimate(of kind: Corruption.Kind?) -> Estimate {
        kind.map { kind in accuracy { $0.kind == kind } } ?? clean.estimate
    }
}
