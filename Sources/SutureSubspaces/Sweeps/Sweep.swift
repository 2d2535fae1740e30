import SutureModels
import SutureTensor

/// Patches of one prompt from another, everywhere: a grid of effects that says where a difference lives.
///
/// The effect of a cell is its FLDD: 1 - LD patched / LD clean. All cells are replays of one recorded run, batched.
public struct Sweep: Sendable {
    public let model: LanguageModel
    public let pair: TokenizedPair
    public let trace: Trace
    /// The logit difference of the base.
    public let clean: Double
    let source: Trace

    /// Base and source must have equally many tokens.
    public init(_ model: LanguageModel, _ pair: TokenizedPair) throws {
        guard pair.base.count == pair.source.count else {
            throw SubspaceError(
                .badTokens, "a sweep needs prompts of equally many tokens", expected: "\(pair.base.count)",
                found: "\(pair.source.count)")
        }
        let layers = 0..<model.architecture.layers
        let sites = layers.flatMap { [Site.heads($0), .attentionOut($0), .mlpOut($0), .mlpHidden($0)] }
        self.model = model
        self.pair = pair
        (trace, source) = try Tensor.withoutGradients {
            (try model.trace([pair.base], capturing: sites), try model.trace([pair.source], capturing: sites))
        }
        clean = try PairOutputs(trace.logits, [pair]).difference[0]
        guard clean != 0 else { throw SubspaceError(.badRequest, "the base does not prefer either answer") }
    }

    /// What is patched in each layer, at each position.
    public enum Component: String, Sendable, CaseIterable {
        case residual, attention, mlp, hidden

        func site(_ layer: Int) -> Site {
            switch self {
            case .residual: .residual(layer)
            case .attention: .attentionOut(layer)
            case .mlp: .mlpOut(layer)
            case .hidden: .mlpHidden(layer)
            }
        }
    }

    /// Layers x positions.
    ///
    /// A cell whose value is the same in both prompts, such as all before the first token that differs, has no effect
    /// and is not run.
    public func positions(_ component: Component) throws -> [[Double]] {
        var grid = [[Double]](
            repeating: [Double](repeating: 0, count: pair.base.count), count: model.architecture.layers)
        var places: [(layer: Int, position: Int)] = []
        var cells: [Intervention] = []
        for layer in grid.indices {
            let site = component.site(layer)
            let changes = try (source[site] - trace[site]).abs().sum([0, 2]).elements(as: Double.self)
            for position in pair.base.indices where changes[position] != 0 {
                let value = try source[site].narrowed(1, position..<position + 1)
                cells.append(Intervention(site, at: .at([position]), .replace(value)))
                places.append((layer, position))
            }
        }
        for (place, effect) in zip(places, try effects(of: cells)) { grid[place.layer][place.position] = effect }
        return grid
    }

    /// Layers x heads, each at all positions or at one.
    public func heads(at position: Int? = nil) throws -> [[Double]] {
        let heads = model.architecture.heads
        let width = model.architecture.headWidth
        let cells = try (0..<model.architecture.layers).flatMap { layer in
            try (0..<heads).map { head in
                let all = try source[.heads(layer)].narrowed(2, head * width..<(head + 1) * width)
                let site = Site.head(layer: layer, index: head)
                guard let position else { return Intervention(site, .replace(all)) }
                return Intervention(site, at: .at([position]), .replace(try all.narrowed(1, position..<position + 1)))
            }
        }
        return try grid(cells, columns: heads)
    }

    /// Single neurons of a layer at a position, the strongest by attribution, each then patched: `[(neuron, effect)]`.
    public func neurons(layer: Int, at position: Int, count: Int) throws -> [(neuron: Neuron, effect: Double)] {
        let site = Site.mlpHidden(layer)
        let estimate = try attribution([site])[0].narrowed(0, position..<position + 1).squeezed(0)
        let chosen = try estimate.abs().top(min(count, estimate.count)).indices.ints()
        let values = try source[site].narrowed(1, position..<position + 1)
        let cells = try chosen.map {
            Intervention(site, at: .at([position]), units: [$0], .replace(try values.indexSelected(2, at: [$0])))
        }
        return zip(chosen, try effects(of: cells)).map { (Neuron(layer: layer, index: $0), $1) }.sorted {
            abs($0.effect) > abs($1.effect)
        }
    }

    /// Linear estimates of all cells of a component at once (attribution patching): one run and one gradient.
    public func attributed(_ component: Component) throws -> [[Double]] {
        let sites = (0..<model.architecture.layers).map(component.site)
        return try attribution(sites).map { try $0.sum([1]).elements() }
    }

    /// (source - base) * d FLDD / d value for each channel of sites, `[positions, width]` each.
    private func attribution(_ sites: [Site]) throws -> [Tensor] {
        let leaves = try sites.map { try Tensor.zeros(trace[$0].shape).tracked() }
        let changes = zip(sites, leaves).map { Intervention($0, .add($1)) }
        let logits = try trace.replay([Alternative(changes)]).logits.squeezed(0)
        let difference = try logits.selected(0, pair.answer) - logits.selected(0, pair.other)
        return try zip(sites, difference.gradients(of: leaves)).map { site, gradient in
            try ((source[site] - trace[site]) * gradient / -clean).squeezed(0)
        }
    }

    /// The effects of single interventions, in rows of `columns`.
    private func grid(_ cells: [Intervention], columns: Int) throws -> [[Double]] {
        let effects = try effects(of: cells)
        return stride(from: 0, to: effects.count, by: columns).map { Array(effects[$0..<$0 + columns]) }
    }

    func effects(of cells: [Intervention]) throws -> [Double] {
        guard !cells.isEmpty else { return [] }
        return try Tensor.withoutGradients {
            let logits = try trace.replay(
                cells.map { Alternative([$0]) }, logits: .lastOf([pair.answer, pair.other])
            ).logits
            let difference = try logits.selected(1, 0) - logits.selected(1, 1)
            return try difference.elements(as: Double.self).map { 1 - $0 / clean }
        }
    }
}

/// Causal tracing (Meng et al. 2022): noise on a subject's embeddings, then clean states put back one at a time.
public struct CausalTrace: Sendable {
    /// The probability of the answer without noise, and with it.
    public let clean: Double
    public let corrupted: Double
    /// How much of the difference each state of the residual stream brings back, layers x positions, averaged over noise.
    public let restored: [[Double]]

    /// `noise` is in units of the deviation of the prompt's own embeddings; Meng et al. use 3.
    public init(
        _ model: LanguageModel, _ prompt: [Int], subject: Range<Int>, answer: Int, noise: Double = 3, samples: Int = 4,
        seed: UInt64 = 0, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard subject.lowerBound >= 0, subject.upperBound <= prompt.count, !subject.isEmpty, samples > 0 else {
            throw SubspaceError(
                .badRequest, "the subject is not in the prompt", expected: "in 0..<\(prompt.count)", found: "\(subject)"
            )
        }
        func probability(_ logits: Tensor) throws -> [Double] { try logits.softmax().selected(1, answer).elements() }
        let layers = model.architecture.layers
        let random = try RandomSource(seed: seed)
        let found = try Tensor.withoutGradients {
            let trace = try model.trace([prompt])
            let embedded = try trace[.residual(0)]
            let deviation = try (embedded - embedded.mean()).square().mean().item().squareRoot()
            var sums = [Double](repeating: 0, count: layers * prompt.count)
            var low = 0.0
            for sample in 0..<samples {
                let added = try random.normal([subject.count, embedded.shape[2]]) * (noise * deviation)
                let disturbed = try model.trace([prompt]) {
                    try $0.adding(1, at: Tensor(Array(subject)), added.unsqueezed(0))
                }
                low += try probability(disturbed.logits)[0]
                let cells = try (0..<layers).flatMap { layer in
                    try prompt.indices.map { position in
                        let value = try trace[.residual(layer)].narrowed(1, position..<position + 1)
                        return Alternative([Intervention(.residual(layer), at: .at([position]), .replace(value))])
                    }
                }
                for (index, value) in try probability(disturbed.replay(cells).logits).enumerated() {
                    sums[index] += value
                }
                progress("sweeping", sample + 1, samples)
            }
            return (try probability(trace.logits)[0], low / Double(samples), sums.map { $0 / Double(samples) })
        }
        clean = found.0
        corrupted = found.1
        let gap = found.0 - found.1
        restored = stride(from: 0, to: found.2.count, by: prompt.count).map { start in
            found.2[start..<start + prompt.count].map { gap == 0 ? 0 : ($0 - found.1) / gap }
        }
    }
}
