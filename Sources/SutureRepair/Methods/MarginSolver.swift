import SutureModels
import SutureTensor

/// Sizes what some neurons write so that answers lie above all other tokens by a margin, behind several prompts at once.
///
/// With z_t the logit of an answer's token and z_r those of its rivals, it minimizes the squared hinge
///
///     sum max(0, margin - (z_t - z_r))^2
///
/// over the answers' tokens behind all prompts, as a function of the neurons' write vectors and through all layers above
/// them. Steps are measured by what they do to all logits (``SemanticBasis``), so that little else moves.
struct MarginSolver {
    /// An answer behind a prompt.
    struct Row {
        let run: TeacherForcedRun
        /// How active each neuron is where the answer's tokens are written, `[answer, neurons]`.
        let activations: Tensor
        /// How far, in logits, each token should lie above every other one.
        let margins: [Double]
        /// The tokens that the answer's have to lie above, among them the answer's own.
        fileprivate var rivals: [Int] = []

        init(_ run: TeacherForcedRun, activations: Tensor, margins: [Double]) {
            (self.run, self.activations, self.margins) = (run, activations, margins)
        }
    }

    let layer: Int
    let basis: SemanticBasis
    private(set) var rows: [Row]
    /// How often the most likely tokens are looked at anew.
    var rounds = 5

    init(_ rows: [Row], layer: Int, _ basis: SemanticBasis) {
        (self.rows, self.layer, self.basis) = (rows, layer, basis)
    }

    /// How many tokens are rivals at first, and how many more each time, for each token of an answer.
    private static let (first, more) = (32, 8)

    /// What the neurons should write, `[neurons, d]`.
    mutating func solve() throws -> Tensor {
        let model = rows[0].run.model
        var written = try Tensor.zeros(
            [rows[0].activations.shape[1], model.architecture.width], device: model.device)
        let search = QuasiNewton(inverse: { [basis] in try basis.lifted($0) })
        for round in 0..<rounds {
            guard try addRivals(written, Self.first * (round == 0 ? 1 : 0) + Self.more) || round == 0 else { break }
            written = try search.minimum(from: written, loss)
        }
        return written
    }

    /// The streams before the last norm where the answer of a row is written, `[answer, d]`, if the neurons write this.
    private func residual(_ row: Row, _ written: Tensor) throws -> Tensor {
        let (trace, places) = (row.run.trace, row.run.failure.places)
        let push = Intervention(
            .mlpOut(layer), at: .at(Array(places)), .add(try row.activations.matmul(written).unsqueezed(0)))
        let last = Site.residual(trace.model.architecture.layers)
        return try trace.replay([Alternative([push])], capturing: [last], logits: .none)[last].squeezed(0)
    }

    /// Takes in the most likely tokens of rows whose margins do not hold. False where all hold.
    private mutating func addRivals(_ written: Tensor, _ count: Int) throws -> Bool {
        var isOpen = false
        for index in rows.indices {
            let (row, answer) = (rows[index], rows[index].run.failure.answer)
            let model = row.run.model
            let residual = try Tensor.withoutGradients { try self.residual(row, written) }
            let gaps = try AnswerGaps(model, residual: residual, answer: answer).gaps
            guard zip(gaps, row.margins).contains(where: { -$0 < 0.8 * $1 }) else { continue }
            isOpen = true
            let logits = try model.logits(ofResidual: residual)
            let top = try logits.top(min(count, logits.shape[1])).indices.ints()
            rows[index].rivals = Set(row.rivals + top + answer).sorted()
        }
        return isOpen
    }

    /// The loss and its gradient by what the neurons write.
    private func loss(_ written: Tensor) throws -> (value: Double, gradient: Tensor) {
        let leaf = try written.detached().tracked()
        let losses = try rows.filter { !$0.rivals.isEmpty }.map { row in
            let (model, answer) = (row.run.model, row.run.failure.answer)
            let logits = try model.logits(ofResidual: residual(row, leaf), of: row.rivals)
            let own = answer.compactMap { row.rivals.firstIndex(of: $0) }
            let targets = try Tensor(own, shape: [own.count, 1], device: model.device)
            let margins = try Tensor(row.margins, shape: [own.count, 1], device: model.device).to(.float32)
            let shortfall = try (logits - logits.gathered(1, at: targets) + margins).clamped(to: 0...Double.infinity)
            // Each token lies short of itself by its whole margin: a constant.
            return try shortfall.square().sum() - margins.square().sum()
        }
        let loss = try Tensor.stacked(losses).sum() / Double(rows.count)
        return (try loss.item(), try loss.gradients(of: [leaf])[0])
    }
}
