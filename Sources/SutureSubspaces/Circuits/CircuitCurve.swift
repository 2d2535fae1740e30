import SutureCore

/// Faithfulness over fractions of edges, and the areas that MIB takes of it.
struct CircuitCurve {
    let faithfulness: [Estimate]
    let cpr, cmd: Estimate

    /// From the logit differences of pairs, of circuits at each fraction and of both prompts.
    init(
        clean: [Double], corrupted: [Double], differences: [[Double]], fractions: [Double] = CircuitReport.fractions
    ) {
        /// How near to the clean runs means are.
        func shares(_ means: [Double]) -> [Double] {
            let span = means[0] - means[1]
            return means.dropFirst(2).map { span == 0 ? 0 : ($0 - means[1]) / span }
        }
        faithfulness = differences.map { values in
            Bootstrap.estimate([clean, corrupted, values]) { shares($0)[0] }
        }
        cpr = Bootstrap.estimate([clean, corrupted] + differences) { Self.area(under: shares($0), fractions) }
        cmd = Bootstrap.estimate([clean, corrupted] + differences) {
            Self.area(under: shares($0).map { abs(1 - $0) }, fractions)
        }
    }

    /// By trapezoids, from the first fraction to the last.
    static func area(under values: [Double], _ fractions: [Double]) -> Double {
        var area = 0.0
        for index in fractions.indices.dropLast() {
            area += (fractions[index + 1] - fractions[index]) * (values[index] + values[index + 1]) / 2
        }
        return area
    }
}
