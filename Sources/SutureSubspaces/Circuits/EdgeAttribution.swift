import SutureModels
import SutureTensor

/// How edges get their scores.
public enum CircuitMethod: String, Codable, Sendable, CaseIterable {
    /// Edge attribution patching: a linear estimate from one gradient (Syed et al. 2023, arXiv 2310.10348).
    case eap
    /// The same with gradients that are means over points between both prompts (Hanna et al. 2024, arXiv 2403.17806).
    case eapIG = "eap-ig"
    /// Each edge patched by itself.
    case exact
}

extension CircuitRuns {
    /// Edge attribution patching: (what the sender writes in the corrupted run - what it writes in the clean run) . the
    /// gradient of the logit difference where the receiver reads, summed over positions, a mean over pairs.
    public func attributed(progress: ProgressHandler = { _, _, _ in }) throws -> EdgeScores {
        try attributed(at: [1], progress)
    }

    /// The same with integrated gradients: means over `steps` runs whose embeddings are those of the corrupted prompt and
    /// k / steps of the way to the clean one, k = 0 ..< steps, as in the authors' program.
    public func integrated(steps: Int = 5, progress: ProgressHandler = { _, _, _ in }) throws -> EdgeScores {
        guard steps > 0 else {
            throw SubspaceError(.badRequest, "gradients need points", expected: "1 step at least", found: "\(steps)")
        }
        return try attributed(at: (0..<steps).map { Double($0) / Double(steps) }, progress)
    }

    /// Scores by gradients at some points from the corrupted embeddings (0) to the clean ones (1).
    private func attributed(at points: [Double], _ progress: ProgressHandler) throws -> EdgeScores {
        var sums: [Tensor?] = graph.groups.map { _ in nil }
        var done = 0
        progress("scoring the edges", 0, pairs.count)
        for batch in batches {
            let changes = try Tensor.withoutGradients { try batch.changes() }
            let numbers = changes.count / graph.senderCount
            let flat = try changes.reshaped([graph.senderCount, numbers])
            var gradients: [Tensor] = []
            for part in try parts(of: points, batch) {
                let own = try self.gradients(batch, at: part)
                gradients = try gradients.isEmpty ? own : zip(gradients, own).map { try $0 + $1 }
            }
            for (index, group) in graph.groups.enumerated() {
                let gradient = try gradients[index].reshaped([group.parts, numbers])
                let scores = try gradient.matmul(flat.narrowed(0, 0..<group.senders).transposed())
                sums[index] = try sums[index].map { try $0 + scores } ?? scores
            }
            done += batch.pairs.count
            progress("scoring the edges", done, pairs.count)
        }
        let count = Double(pairs.count * points.count)
        return EdgeScores(graph, try sums.compactMap(\.self).flatMap { try ($0 / count).floats() })
    }

    /// The points, as many in one run as memory for their gradients allows.
    private func parts(of points: [Double], _ batch: CircuitBatch) throws -> [[Double]] {
        // What is kept for the gradients of one row: some copies of what all heads read.
        let readers = graph.groups.reduce(0) { $0 + $1.parts }
        let row = 4 * readers * batch.columns.count * model.architecture.width * batch.pairs.count
        let size = max(1, Self.gradientBudget / row)
        return stride(from: 0, to: points.count, by: size).map { Array(points[$0..<min($0 + size, points.count)]) }
    }

    private static let gradientBudget = 1 << 28

    /// The gradients of the logit difference where each group reads, summed over points, `[parts, pairs, positions, width]`.
    private func gradients(_ batch: CircuitBatch, at points: [Double]) throws -> [Tensor] {
        let count = batch.pairs.count
        let (clean, corrupted) = (
            try batch.stream(.queries(0), in: batch.clean), try batch.stream(.queries(0), in: batch.corrupted)
        )
        let rows = try points.map { try corrupted + (clean - corrupted) * $0 }
        var router = GradientRouter(heads: graph.heads)
        let scores = try batch.clean.scores(
            of: batch.answers, rows: points.flatMap { _ in 0..<count }, from: batch.first,
            Tensor.concatenated(rows, 0).tracked(), through: &router)
        let inputs = router.inputs
        let gradients = try batch.differences(ofAnswers: scores).sum().gradients(of: inputs)
        return try gradients.map { gradient in
            let shape = gradient.shape
            return try gradient.reshaped([shape[0], points.count, count, shape[2], shape[3]]).sum([1])
        }
    }
}

/// Lets all read the stream, and keeps what each head reads apart, so that gradients there can be told from one another.
private struct GradientRouter: StreamRouter {
    let heads: Int
    /// In the order of a graph's groups.
    var inputs: [Tensor] = []
    let listens = false

    init(heads: Int) { self.heads = heads }

    mutating func input(of reader: StreamReader, _ stream: Tensor) throws -> Tensor {
        let parts =
            switch reader {
            case .queries, .keys, .values: heads
            case .mlp, .logits: 1
            }
        let input = try stream.unsqueezed(0).expanded([parts, -1, -1, -1])
        inputs.append(input)
        return input
    }

    func wrote(_ part: LayerPart, _ value: Tensor) {}
}
