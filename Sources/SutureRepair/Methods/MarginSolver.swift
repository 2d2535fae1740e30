import SutureCore
import SutureModels
import SutureTensor

/// Sizes what some neurons write so that answers lie above all other tokens by a margin, behind several prompts at once.
///
/// With z_t the logit of an answer's token and z_r those of its rivals, it minimizes the squared hinge
///
///     (1/n) sum max(0, margin - (z_t - z_r))^2 + sum |G^(1/2) v|^2 / (vocabulary r^2)
///
/// over the answers' tokens behind all n prompts, as a function of the neurons' write vectors v and through all layers
/// above them. The second sum is the mean square of what the neurons add to all logits by the direct path, r being the
/// scale of the last norm there (``SemanticBasis``): a margin that can only be had by shouting is given up.
struct MarginSolver {
    /// An answer behind a prompt.
    struct Row {
        let run: TeacherForcedRun
        /// How active each neuron is where the answer's tokens are written, `[answer, neurons]`.
        let activations: Tensor
        /// The places of the answer's tokens that should lie above all others, and how far, in logits.
        let (places, margins): ([Int], [Double])
        /// The tokens at these places.
        let wanted: [Int]
        /// The tokens that those have to lie above, themselves among them.
        fileprivate var rivals: [Int] = []

        /// With nil for margins of tokens that nothing is asked of.
        init(_ run: TeacherForcedRun, activations: Tensor, margins: [Double?]) {
            (self.run, self.activations) = (run, activations)
            places = margins.indices.filter { margins[$0] != nil }
            self.margins = margins.compactMap(\.self)
            wanted = places.map { run.failure.answer[$0] }
        }
    }

    /// Rows whose answers stand at about the same positions: run together, so that weights are read once for all of them.
    private struct Bundle {
        let trace: Trace
        /// Their places among all rows, in the order of the trace's prompts.
        let rows: [Int]
    }

    private let layer: Int
    private let bundles: [Bundle]
    private let basis: SemanticBasis
    private var rows: [Row]
    /// The sum of the squared logits, before the last norm's scale, of a vector that moves each by one on average.
    private let energyUnit: Double
    /// How often the most likely tokens are looked at anew.
    var rounds = 5

    /// One or more rows, of which something is asked.
    init(_ rows: [Row], layer: Int, _ basis: SemanticBasis) throws {
        (self.rows, self.layer, self.basis) = (rows, layer, basis)
        let scales = try rows.map { row in
            let model = row.run.model
            let stream = try row.run.trace[.residual(model.architecture.layers)].squeezed(0)
            let written = try stream.narrowed(0, row.run.failure.places).indexSelected(0, at: row.places)
            return try model.finalScale(written).square().mean().item()
        }
        bundles = try Self.bundles(rows, layer: layer)
        energyUnit = Bootstrap.mean(scales) * Double(rows[0].run.model.architecture.vocabulary)
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

    /// How many positions rows that are run together may have to be computed at.
    private static let width = 16

    private static func bundles(_ rows: [Row], layer: Int) throws -> [Bundle] {
        func start(_ row: Int) -> Int { rows[row].run.failure.places.lowerBound }
        func end(_ row: Int) -> Int { rows[row].run.failure.forced.count }
        var groups: [[Int]] = []
        for row in rows.indices.sorted(by: { (start($0), $0) < (start($1), $1) }) {
            if let last = groups.last, (last + [row]).map(end).max() ?? 0 <= start(last[0]) + width {
                groups[groups.count - 1].append(row)
            } else {
                groups.append([row])
            }
        }
        return try groups.map { group in
            let run = rows[group[0]].run
            let prompts = group.map { rows[$0].run.failure.forced }
            return Bundle(
                trace: try group.count == 1 ? run.trace : run.model.trace(prompts, from: layer), rows: group)
        }
    }

    /// The streams before the last norm at the places of some rows, `[places, d]` each, if the neurons write this.
    func residuals(
        _ written: Tensor, of isAsked: (Row) -> Bool = { _ in true }
    ) throws -> [(row: Int, stream: Tensor)] {
        let last = Site.residual(rows[0].run.model.architecture.layers)
        return try bundles.flatMap { bundle in
            let asked = bundle.rows.enumerated().filter { isAsked(rows[$0.element]) }
            guard let first = asked.map({ rows[$0.element].run.failure.places.lowerBound }).min() else {
                return [(row: Int, stream: Tensor)]()
            }
            let pushes = try asked.map { prompt, place in
                let row = rows[place]
                return Alternative(
                    prompt: prompt,
                    [
                        Intervention(
                            .mlpOut(layer), at: .at(Array(row.run.failure.places)),
                            .add(try row.activations.matmul(written).unsqueezed(0)))
                    ])
            }
            let streams = try bundle.trace.replay(pushes, capturing: [last], logits: .none)[last]
            return try asked.enumerated().map { place, one in
                let row = rows[one.element]
                let offset = row.run.failure.places.lowerBound - first
                let stream = try streams.selected(0, place).indexSelected(0, at: row.places.map { $0 + offset })
                return (one.element, stream)
            }
        }
    }

    /// Takes in the most likely tokens of rows whose margins do not hold. False where all hold.
    private mutating func addRivals(_ written: Tensor, _ count: Int) throws -> Bool {
        var isOpen = false
        for (index, residual) in try Tensor.withoutGradients({ try residuals(written) }) {
            let (row, model) = (rows[index], rows[index].run.model)
            let gaps = try AnswerGaps(model, residual: residual, answer: row.wanted).gaps
            guard zip(gaps, row.margins).contains(where: { -$0 < 0.8 * $1 }) else { continue }
            isOpen = true
            let logits = try model.logits(ofResidual: residual)
            let top = try logits.top(min(count, logits.shape[1])).indices.ints()
            rows[index].rivals = Set(row.rivals + top + row.wanted).sorted()
        }
        return isOpen
    }

    /// The loss and its gradient by what the neurons write.
    private func loss(_ written: Tensor) throws -> (value: Double, gradient: Tensor) {
        let leaf = try written.detached().tracked()
        let losses = try residuals(leaf, of: { !$0.rivals.isEmpty }).map { place, stream in
            let row = rows[place]
            let model = row.run.model
            let logits = try model.logits(ofResidual: stream, of: row.rivals)
            let own = row.wanted.compactMap { row.rivals.firstIndex(of: $0) }
            let targets = try Tensor(own, shape: [own.count, 1], device: model.device)
            let margins = try Tensor(row.margins, shape: [own.count, 1], device: model.device).to(.float32)
            let shortfall = try (logits - logits.gathered(1, at: targets) + margins).clamped(to: 0...Double.infinity)
            // Each token lies short of itself by its whole margin: a constant.
            return try shortfall.square().sum() - margins.square().sum()
        }
        let loss = try Tensor.stacked(losses).sum() / Double(rows.count)
        let total = try loss + basis.energy(of: leaf.transposed()).sum() / energyUnit
        return (try total.item(), try total.gradients(of: [leaf])[0])
    }
}
