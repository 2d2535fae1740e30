import SutureCore
import SutureModels

/// How well circuits of growing size do what the whole model does: the curve of faithfulness, and what lies below it.
public struct CircuitReport: Codable, Sendable {
    /// How edges are scored and chosen.
    public struct Settings: Sendable {
        public var method = CircuitMethod.eapIG
        /// The points of integrated gradients.
        public var steps = 5
        public var choice = Circuit.Choice.top

        /// The default settings.
        public init() {}
    }

    /// Circuits of one size.
    public struct Point: Codable, Sendable {
        /// The share of all edges.
        public var fraction: Double
        public var edges: Int
        /// How many of them can matter: they lead from the input to the output.
        public var connected: Int
        /// (the circuit's logit difference - the corrupted one) / (the clean one - the corrupted one), of means over pairs.
        public var faithfulness: Estimate
    }

    /// An edge and its score.
    public struct Edge: Codable, Sendable {
        public var edge: String
        public var score: Double
    }

    public var model: String
    public var method: CircuitMethod
    /// Of integrated gradients.
    public var steps: Int?
    public var choice: Circuit.Choice
    /// The first pair that was scored.
    public var prompt, source, answer, other: String
    /// How many pairs edges were scored on, and circuits measured on.
    public var pairs, testPairs: Int
    /// Whether circuits were measured on pairs that edges were not scored on.
    public var isHeldOut: Bool
    /// The number of edges of the model.
    public var edges: Int
    /// Mean logit differences of the pairs that circuits were measured on.
    public var clean, corrupted: Estimate
    public var points: [Point]
    /// The area under the curve of faithfulness over the fractions.
    public var cpr: Estimate
    /// The area between that curve and 1: the lower, the better.
    public var cmd: Estimate
    /// The curve of circuits of randomly chosen edges, and its two areas.
    public var control: Control
    /// The edges with the largest scores.
    public var strongest: [Edge]
    /// The sum of the sizes of scores from the parts of one layer (columns, the input first) to those of another (rows, the
    /// output last).
    public var flow: [[Double]]

    /// What edges in random order come to.
    public struct Control: Codable, Sendable {
        public var faithfulness: [Double]
        public var cpr, cmd: Estimate
    }

    /// The fractions of edges that the benchmark MIB measures circuits at (Mueller et al. 2025, arXiv 2504.13151).
    public static let fractions = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
}

extension CircuitReport {
    /// Measures circuits of the strongest edges.
    ///
    /// - Parameters:
    ///   - runs: the pairs that edges were scored on.
    ///   - test: what circuits are measured on; the same pairs if nil.
    ///   - scores: the scores of the edges.
    ///   - settings: how they were found, and how edges are chosen by them.
    ///   - first: the first pair, as text.
    ///   - modelName: what the model is called.
    ///   - progress: is told how far it is.
    /// - Throws: ``SubspaceError`` where clean and corrupted prompts do not differ in what the model answers.
    public init(
        _ runs: CircuitRuns, test: CircuitRuns? = nil, scores: EdgeScores, _ settings: Settings = Settings(),
        first: PromptPair, modelName: String, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        let (graph, measured) = (runs.graph, test ?? runs)
        let (clean, corrupted) = (try measured.clean(), try measured.corrupted())
        let span = Bootstrap.estimate(mean: zip(clean, corrupted).map { $0 - $1 })
        guard span.low > 0 || span.high < 0 else {
            throw SubspaceError(
                .badRequest, "the model answers clean and corrupted prompts alike, so that no circuit can be told",
                expected: "a mean logit difference that corrupting changes",
                found: "\(span.value), between \(span.low) and \(span.high)",
                hint: "choose sources behind which the model prefers the other answer")
        }
        var random = SeededGenerator(seed: 0)
        let shuffled = EdgeScores(graph, random.shuffled((0..<graph.edgeCount).map(Float.init)))
        let counts = Self.fractions.map { Int($0 * Double(graph.edgeCount)) }
        let total = 2 * counts.count
        func curve(_ scores: EdgeScores, done: Int) throws -> (circuits: [Circuit], differences: [[Double]]) {
            let circuits = counts.map { Circuit($0, by: settings.choice, of: scores) }
            return (
                circuits,
                try circuits.enumerated().map { index, circuit in
                    progress("measuring circuits", done + index, total)
                    return try measured.differences(of: circuit)
                }
            )
        }
        let (circuits, found) = try curve(scores, done: 0)
        let control = try curve(shuffled, done: counts.count).differences
        progress("measuring circuits", total, total)
        let areas = CircuitCurve(clean: clean, corrupted: corrupted, differences: found)
        let controlAreas = CircuitCurve(clean: clean, corrupted: corrupted, differences: control)
        (model, method, choice) = (modelName, settings.method, settings.choice)
        steps = settings.method == .eapIG ? settings.steps : nil
        (prompt, source, answer, other) = (first.base.text, first.source.text, first.answer, first.other)
        (pairs, testPairs, isHeldOut) = (runs.pairs.count, measured.pairs.count, test != nil)
        edges = graph.edgeCount
        self.clean = Bootstrap.estimate(mean: clean)
        self.corrupted = Bootstrap.estimate(mean: corrupted)
        points = zip(zip(Self.fractions, circuits), areas.faithfulness).map {
            Point(fraction: $0.0, edges: $0.1.count, connected: $0.1.pruned.count, faithfulness: $1)
        }
        (cpr, cmd) = (areas.cpr, areas.cmd)
        self.control = Control(
            faithfulness: controlAreas.faithfulness.map(\.value), cpr: controlAreas.cpr, cmd: controlAreas.cmd)
        strongest = scores.ranked.prefix(50).map {
            Edge(edge: "\(graph.edge($0))", score: Double(scores.values[$0]))
        }
        flow = scores.flow
    }

    /// Whether the parts that a page draws fit together.
    public var isWhole: Bool {
        !points.isEmpty && control.faithfulness.count == points.count && !flow.isEmpty
            && flow.allSatisfy { $0.count == flow[0].count }
    }
}

extension EdgeScores {
    /// The sum of sizes from layer to layer: the input first among senders, the output last among receivers.
    fileprivate var flow: [[Double]] {
        var cells = [[Double]](
            repeating: [Double](repeating: 0, count: graph.layers + 1), count: graph.layers + 1)
        for group in graph.groups {
            let row =
                switch group.reader {
                case .queries(let layer), .keys(let layer), .values(let layer), .mlp(let layer): layer
                case .logits: graph.layers
                }
            for edge in group.edges {
                let sender = (edge - group.start) % group.senders
                let column = sender == 0 ? 0 : 1 + (sender - 1) / (graph.heads + 1)
                cells[row][column] += Double(abs(values[edge]))
            }
        }
        return cells
    }
}

extension CircuitRuns {
    /// Scores of all edges, found as settings say.
    public func scores(
        _ settings: CircuitReport.Settings, progress: ProgressHandler = { _, _, _ in }
    ) throws -> EdgeScores {
        switch settings.method {
        case .eap: try attributed(progress: progress)
        case .eapIG: try integrated(steps: settings.steps, progress: progress)
        case .exact: try patched(progress: progress)
        }
    }
}
