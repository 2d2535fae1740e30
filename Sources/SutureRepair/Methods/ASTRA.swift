import SutureModels
import SutureTensor

/// Analytic Semantic Tailoring for Repair by Attribution (STAR's successor, github jianguda/astra), written from its
/// formulas: the gaps of all wrong tokens are closed together by a few neurons of a few layers, in closed form.
///
/// With c the contrast of a token's target and best rival as the head reads it, d = G^-1 c / (c . G^-1 c), r the last
/// norm's scale and k_l the keys of layer l, a neuron j contributes k_j (c . w_j) / r to the contrast. The layers with
/// the largest contributions are changed, in each the neurons M with the largest. A change
///
///     dW_l = sum_s lambda_s d_s (M D k_l,s)^T,   D = 1 / (E[k^2] + 1e-3 mean E[k^2])
///
/// moves the contrast of token t by A lambda, to first order and by the direct path, with
/// A_ts = (c_t . d_s) sum_l k_l,t^T M D k_l,s / r_t. A lambda = gap + margin is solved, what came of it measured by
/// replay, and the rest solved for again.
public struct ASTRA: JointRepairMethod {
    public let name = "astra"
    public var needsMargin: Bool { true }
    /// How far, in logits, the target should lie above every other token.
    public var margin = 5.0
    /// How often the rest is solved for.
    public var rounds = 10
    /// The share of layers that are changed.
    public var share = 0.25
    /// How many neurons for each token, over all layers; each layer has at least as many.
    public var neurons = 16
    /// The largest share of a layer's neurons that may change.
    public var limit = 0.04
    /// What is added to the diagonal of A, relative to its mean size.
    public var ridge = 0.01

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("margin", "how far above every other token the target should lie, in logits", 0...100, \.margin),
        .init("rounds", "how often the rest is solved for", 1...1000, \.rounds),
        .init("share", "the share of layers that are changed", 0...1, \.share),
        .init("neurons", "how many neurons for each token, over all layers", 1...1_000_000, \.neurons),
        .init("limit", "the largest share of a layer's neurons that may change", 0...1, \.limit),
        .init("ridge", "what is added to the diagonal of A, relative to its mean size", 0...1000, \.ridge)
    ]

    /// What steps are made of, how active neurons are on reference texts, and those that are left alone.
    public struct Preparation: Sendable {
        let basis: SemanticBasis
        let energies: KeyEnergies
        let reserved: Set<Neuron>
    }

    /// Reads how active neurons are on the reference texts.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        Preparation(
            basis: try SemanticBasis(material.model), energies: try KeyEnergies(material), reserved: material.reserved)
    }

    /// Closes the gaps of all wrong tokens together.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal {
        let model = asked[0].model
        let runs = try asked.map { try $0.changing(0..<model.architecture.layers) }
        let chosen = try masks(runs, preparation)
        let layers = chosen.map(\.layer)
        let spared = try SparedKeys(kept, on: model, layers: layers)
        let parts = try chosen.map { mask in
            try MaskedLayer(
                mask.layer, mask.neurons, preparation.energies.preconditioner(mask.layer), spared.keys[mask.layer])
        }
        // What is added to the columns of each layer's neurons, `[d, neurons]`.
        var columns = try parts.map {
            try Tensor.zeros([model.architecture.width, $0.neurons.count], device: model.device)
        }
        var steps = 0
        while true {
            let change = try WeightChange(
                matrices: zip(parts, columns).map { try $0.delta($1, width: model.architecture.hiddenWidth) })
            let measured = try runs.map { try $0.measured(steps == 0 ? WeightChange() : change, keysOf: layers) }
            let tokens = try open(measured.map(\.gaps), runs, preparation.basis)
            guard !tokens.isEmpty, steps < rounds else {
                var proposal = Proposal(change: try edits(parts, columns), steps: steps)
                for mask in chosen {
                    for (index, place) in zip(mask.neurons, mask.places) {
                        proposal.places[Neuron(layer: mask.layer, index: index)] = [place]
                    }
                }
                let isRight = measured.allSatisfy { $0.gaps.wrong.isEmpty }
                return isRight || runs.count > 1
                    ? proposal : proposal.abandoning("\(rounds) rounds did not bring the answer out")
            }
            let keys = try parts.map { part in
                try Tensor.stacked(
                    tokens.map { token in
                        guard let keys = measured[token.place.failure].keys[part.layer] else {
                            throw RepairError(.badRequest, "there are no keys of layer \(part.layer)")
                        }
                        return try keys.selected(0, token.place.token)
                    }
                ).indexSelected(1, at: part.neurons)
            }
            let readings = try zip(parts, keys).map { try $0.readings($1) }
            let sizes = try solve(tokens, keys, readings)
            for index in parts.indices {
                let written = try Tensor.stacked(tokens.map(\.direction)) * sizes.unsqueezed(1)
                columns[index] = try columns[index] + written.transposed().matmul(readings[index])
            }
            steps += 1
        }
    }

    /// The neurons of a layer that are changed, and the token to which each contributes most.
    private struct Mask {
        let layer: Int
        let neurons: [Int]
        let places: [Proposal.Place]
    }

    /// A token that does not lie as far above its rivals as it should.
    struct Token {
        let place: Proposal.Place
        let contrast: Tensor
        let direction: Tensor
        let scale: Double
        /// The gap to close, with the margin.
        let need: Double
    }

    /// The wrong tokens, and those that were repaired but fall short of the margin.
    private func open(_ gaps: [AnswerGaps], _ runs: [TeacherForcedRun], _ basis: SemanticBasis) throws -> [Token] {
        try gaps.enumerated().flatMap { failure, gaps in
            let first = try runs[failure].gaps()
            let answer = runs[failure].failure.answer
            return try answer.indices.filter { place in
                gaps.gaps[place] >= 0 || (first.gaps[place] >= 0 && gaps.gaps[place] + margin > 0)
            }.map { place in
                let contrast = try basis.contrast(answer[place], gaps.rivals[place])
                return Token(
                    place: .init(failure: failure, token: place), contrast: contrast,
                    direction: try basis.lift(contrast), scale: gaps.scales[place], need: gaps.gaps[place] + margin)
            }
        }
    }

    /// lambda `[tokens]` with A lambda = gap + margin.
    func solve(_ tokens: [Token], _ keys: [Tensor], _ readings: [Tensor]) throws -> Tensor {
        let count = tokens.count
        let contrasts = try Tensor.stacked(tokens.map(\.contrast))
        let directions = try Tensor.stacked(tokens.map(\.direction))
        var kernel = try Tensor.zeros([count, count], device: contrasts.device)
        for (keys, readings) in zip(keys, readings) { kernel = try kernel + keys.matmul(readings.transposed()) }
        let scales = try Tensor(tokens.map { Float($0.scale) }, shape: [count, 1], device: contrasts.device)
        var matrix = try (contrasts.matmul(directions.transposed()) * kernel / scales).elements(as: Double.self)
        let size = (0..<count).reduce(0) { $0 + abs(matrix[$1 * (count + 1)]) } / Double(count)
        for index in 0..<count { matrix[index * (count + 1)] += ridge * size }
        let needs = try Tensor(tokens.map(\.need), shape: [count, 1])
        return try needs.leastSquares(Tensor(matrix, shape: [count, count])).squeezed(1).to(.float32).to(
            contrasts.device)
    }

    /// The layers and, in each, the neurons that contribute most to the contrasts of the wrong tokens.
    private func masks(_ runs: [TeacherForcedRun], _ preparation: Preparation) throws -> [Mask] {
        let model = runs[0].trace.model
        let (depth, width) = (model.architecture.layers, model.architecture.hiddenWidth)
        var wrong: [Proposal.Place] = []
        // Of each layer, one row for each wrong token.
        var contributions = [[Tensor]](repeating: [], count: depth)
        for (failure, run) in runs.enumerated() {
            let (gaps, keys) = try run.measured(keysOf: Array(0..<depth))
            for place in gaps.wrong {
                wrong.append(.init(failure: failure, token: place))
                let contrast = try preparation.basis.contrast(run.failure.answer[place], gaps.rivals[place])
                for layer in 0..<depth {
                    guard let key = try keys[layer]?.selected(0, place) else {
                        throw RepairError(.badRequest, "there are no keys of layer \(layer)")
                    }
                    let written = try contrast.unsqueezed(0).matmul(model.writeVectors(layer: layer)).squeezed(0)
                    contributions[layer].append(try (key * written / gaps.scales[place]).abs())
                }
            }
        }
        guard !wrong.isEmpty else { return [] }
        let stacked = try contributions.map { try Tensor.stacked($0) }
        let totals = try stacked.map { try $0.sum().item() }
        let count = max(1, Int((share * Double(depth)).rounded()))
        let each = Int((Double(neurons * wrong.count) / Double(count)).rounded(.up))
        let limit = max(1, Int(limit * Double(width)))
        let layers = totals.indices.sorted { totals[$0] > totals[$1] }.prefix(count).sorted()
        return try layers.map { layer in
            let reserved = preparation.reserved.filter { $0.layer == layer }.map(\.index)
            let number = min(max(neurons, each), limit)
            let order = try stacked[layer].sum([0]).top(min(number + reserved.count, width)).indices.ints()
            let chosen = Array(order.filter { !reserved.contains($0) }.prefix(number))
            let strongest = try stacked[layer].argmax(0).ints()
            return Mask(layer: layer, neurons: chosen, places: chosen.map { wrong[strongest[$0]] })
        }
    }

    private func edits(_ parts: [MaskedLayer], _ columns: [Tensor]) throws -> WeightChange {
        WeightChange(
            neurons: try zip(parts, columns).flatMap { part, columns in
                try part.neurons.enumerated().map { index, neuron in
                    NeuronEdit(Neuron(layer: part.layer, index: neuron), delta: try columns.selected(1, index))
                }
            })
    }
}

/// Some neurons of a layer, and how much each may change.
struct MaskedLayer {
    let layer: Int
    let neurons: [Int]
    /// D of these neurons, `[neurons]`.
    private let preconditioner: Tensor
    /// The keys of these neurons that are to be answered as before, `[tokens, neurons]`.
    private let spared: Tensor?

    init(_ layer: Int, _ neurons: [Int], _ preconditioner: Tensor, _ spared: Tensor?) throws {
        self.layer = layer
        self.neurons = neurons
        self.preconditioner = try preconditioner.indexSelected(0, at: neurons).to(.float32)
        self.spared = try spared?.indexSelected(1, at: neurons)
    }

    /// D k of keys `[tokens, neurons]`, without what answers to the keys that are spared: q with K q = 0, nearest to D k
    /// in the metric of D.
    func readings(_ keys: Tensor) throws -> Tensor {
        let weighted = try keys * preconditioner
        guard let spared else { return weighted }
        let metric = try (spared * preconditioner).to(.float64)
        let answers = try spared.to(.float64).matmul(weighted.to(.float64).transposed())
        let coefficients = try answers.leastSquares(metric.matmul(spared.to(.float64).transposed()))
        return try (weighted.to(.float64) - coefficients.transposed().matmul(metric)).to(.float32)
    }

    /// Columns `[d, neurons]` as a change of the layer's matrix, of `width` neurons.
    func delta(_ columns: Tensor, width: Int) throws -> MatrixDelta {
        let picks = try Tensor(neurons, shape: [neurons.count, 1], device: columns.device)
        let places = try Tensor.arange(0..<width, device: columns.device).unsqueezed(0)
        return MatrixDelta(layer: layer, .lowRank(write: columns, read: try (places .== picks).to(.float32)))
    }
}
