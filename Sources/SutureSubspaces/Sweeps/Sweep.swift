import SutureModels
import SutureTensor

/// Patches of one prompt from another, everywhere: a grid of effects that says where a difference lives.
///
/// The effect of a cell is by default its FLDD: 1 - LD patched / LD clean. All cells are replays of one recorded run,
/// batched.
public struct Sweep: Sendable {
    public let model: LanguageModel
    public let pair: TokenizedPair
    /// What is patched, from where, and how an effect is measured.
    public let measure: Measure
    /// The run that is patched.
    public let trace: Trace
    /// The logit difference of the base.
    public let clean: Double
    /// The positions that are patched.
    public let places: [Place]
    /// The run that lends its activations.
    let source: Trace
    /// The logit difference of the run that is patched, and how far patches can be expected to move it.
    let start, span: Double

    /// A position that is patched, and the one of the other prompt that its values come from.
    public struct Place: Hashable, Sendable {
        /// The role of the token there; nil where prompts are as long and positions are told by number.
        public var role: String?
        public var position: Int
        public var origin: Int
    }

    /// Records both runs. `roles` are the tokens that are patched, for prompts of different length: names of
    /// ``TokenizedPair``'s roles, and `last`. Without them base and source must have equally many tokens, and all are
    /// patched.
    ///
    /// Throws ``SubspaceError`` for prompts that cannot be swept so, and `ModelError` for scores that are no numbers.
    public init(
        _ model: LanguageModel, _ pair: TokenizedPair, _ measure: Measure = Measure(), roles: [String]? = nil
    ) throws {
        guard !pair.hasEqualPrompts else {
            throw SubspaceError(.badTokens, "the two prompts are the same: nothing differs between their runs")
        }
        let isDenoising = measure.direction == .denoising
        let layers = 0..<model.architecture.layers
        let sites = layers.flatMap { [Site.heads($0), .attentionOut($0), .mlpOut($0), .mlpHidden($0)] }
        self.model = model
        self.pair = pair
        self.measure = measure
        places = try Self.places(pair, roles: roles, isDenoising: isDenoising)
        let (base, other) = try Tensor.withoutGradients {
            (try model.trace([pair.base], capturing: sites), try model.trace([pair.source], capturing: sites))
        }
        (trace, source) = isDenoising ? (other, base) : (base, other)
        for run in [base, other] { try run.logits.requireFinite("the scores of the next token") }
        clean = try PairOutputs(base.logits, [pair]).difference[0]
        start = try PairOutputs(trace.logits, [pair]).difference[0]
        span = isDenoising ? clean - start : -clean
        guard span != 0 || measure.metric != .logitDifference else {
            throw SubspaceError(
                .badRequest,
                isDenoising
                    ? "base and source prefer the answers alike: there is nothing to restore"
                    : "the base does not prefer either answer")
        }
    }

    /// What is patched in each layer, at each position.
    public enum Component: String, Sendable, CaseIterable {
        case residual, attention, mlp, hidden, heads

        func site(_ layer: Int) -> Site {
            switch self {
            case .residual: .residual(layer)
            case .attention: .attentionOut(layer)
            case .mlp: .mlpOut(layer)
            case .hidden: .mlpHidden(layer)
            case .heads: .heads(layer)
            }
        }
    }

    /// Layers x places.
    ///
    /// A cell whose value is the same in both prompts, such as all before the first token that differs, has no effect
    /// and is not run.
    public func positions(_ component: Component) throws -> [[Double]] {
        var grid = [[Double]](
            repeating: [Double](repeating: 0, count: places.count), count: model.architecture.layers)
        var changed: [(layer: Int, column: Int)] = []
        var cells: [Intervention] = []
        for layer in grid.indices {
            let site = component.site(layer)
            let sizes = try changes(site, at: places).abs().sum([0, 2]).elements(as: Double.self)
            for (column, place) in places.enumerated() where sizes[column] != 0 {
                let value = try source[site].narrowed(1, place.origin..<place.origin + 1)
                cells.append(Intervention(site, at: .at([place.position]), .replace(value)))
                changed.append((layer, column))
            }
        }
        for (cell, effect) in zip(changed, try effects(of: cells)) { grid[cell.layer][cell.column] = effect }
        return grid
    }

    /// Layers x heads, each at all places or at one position.
    public func heads(at position: Int? = nil) throws -> [[Double]] {
        let heads = model.architecture.heads
        let width = model.architecture.headWidth
        let unique = try uniquePlaces
        let chosen = position.map { position in unique.filter { $0.position == position } } ?? unique
        let positions: Intervention.Positions =
            position == nil && isAligned ? .all : .at(chosen.map(\.position))
        let cells = try (0..<model.architecture.layers).flatMap { layer in
            let lent = try source[.heads(layer)].indexSelected(1, at: chosen.map(\.origin))
            return try (0..<heads).map { head in
                Intervention(
                    .head(layer: layer, index: head), at: positions,
                    .replace(try lent.narrowed(2, head * width..<(head + 1) * width)))
            }
        }
        return try rows(effects(of: cells), of: heads)
    }

    /// Single neurons of a layer at a position, the strongest by attribution, each then patched: `[(neuron, effect)]`.
    public func neurons(layer: Int, at position: Int, count: Int) throws -> [(neuron: Neuron, effect: Double)] {
        let site = Site.mlpHidden(layer)
        try model.check(Neuron(layer: layer, index: 0))
        guard let column = places.firstIndex(where: { $0.position == position }) else {
            throw SubspaceError(.badRequest, "nothing is patched at this position", found: "\(position)")
        }
        let estimate = try attribution([site])[0].selected(0, column)
        let chosen = try estimate.abs().top(min(count, estimate.count)).indices.ints()
        let origin = places[column].origin
        let values = try source[site].narrowed(1, origin..<origin + 1)
        let cells = try chosen.map {
            Intervention(site, at: .at([position]), units: [$0], .replace(try values.indexSelected(2, at: [$0])))
        }
        return zip(chosen, try effects(of: cells)).map { (Neuron(layer: layer, index: $0), $1) }.sorted {
            abs($0.effect) > abs($1.effect)
        }
    }

    /// Chosen neurons x places, each patched alone.
    public func neurons(_ neurons: [Neuron]) throws -> [[Double]] {
        for neuron in neurons { try model.check(neuron) }
        let cells = try neurons.flatMap { neuron in
            let site = Site.mlpHidden(neuron.layer)
            return try places.map { place in
                let value = try source[site].narrowed(1, place.origin..<place.origin + 1)
                return Intervention(
                    site, at: .at([place.position]), units: [neuron.index],
                    .replace(try value.indexSelected(2, at: [neuron.index])))
            }
        }
        return try rows(effects(of: cells), of: places.count)
    }

    /// Linear estimates of all cells of a component at once (attribution patching): one run and one gradient. Layers x
    /// places; of `heads` layers x heads, over all places.
    public func attributed(_ component: Component) throws -> [[Double]] {
        let estimates = try attribution((0..<model.architecture.layers).map(component.site))
        guard component != .heads else {
            _ = try uniquePlaces
            let shape = [-1, model.architecture.heads, model.architecture.headWidth]
            return try estimates.map { try $0.reshaped(shape).sum([0, 2]).elements() }
        }
        return try estimates.map { try $0.sum([1]).elements() }
    }

    /// (source - base) * d effect / d value for each channel of sites, `[places, width]` each.
    private func attribution(_ sites: [Site]) throws -> [Tensor] {
        let leaves = try sites.map { try Tensor.zeros(trace[$0].shape).tracked() }
        let interventions = zip(sites, leaves).map { Intervention($0, .add($1)) }
        let logits = try trace.replay([Alternative(interventions)]).logits.squeezed(0)
        let gap = try logits.selected(0, pair.answer) - logits.selected(0, pair.other)
        return try zip(sites, gap.gradients(of: leaves)).map { site, gradient in
            try (changes(site, at: places) * gradient.indexSelected(1, at: places.map(\.position)) / span).squeezed(0)
        }
    }

    /// Effects in rows of `columns`.
    private func rows(_ effects: [Double], of columns: Int) -> [[Double]] {
        stride(from: 0, to: effects.count, by: columns).map { Array(effects[$0..<$0 + columns]) }
    }
}

// MARK: - Places

extension Sweep {
    /// Whether every position is patched from the same one of the other prompt.
    private var isAligned: Bool { places.allSatisfy { $0.role == nil } }

    /// Each position once, for what is patched at all of them together.
    ///
    /// Throws where two roles stand at one position, and at two in the prompt that lends.
    var uniquePlaces: [Place] {
        get throws {
            var seen: [Int: Place] = [:]
            return try places.filter { place in
                guard let other = seen.updateValue(place, forKey: place.position) else { return true }
                guard other.origin == place.origin else {
                    throw SubspaceError(
                        .badTokens, "two roles stand at one token of a prompt, and at two of the other",
                        subject: "\(other.role ?? "") and \(place.role ?? "")", hint: "leave one of the roles out")
                }
                return false
            }
        }
    }

    /// How the lent values at a site differ from those of the run at each of some places, `[1, places, width]`.
    private func changes(_ site: Site, at places: [Place]) throws -> Tensor {
        if isAligned { return try source[site] - trace[site] }
        return try source[site].indexSelected(1, at: places.map(\.origin))
            - trace[site].indexSelected(1, at: places.map(\.position))
    }

    /// The same at each position, `[1, positions, width]`; 0 where nothing is patched.
    func difference(_ site: Site) throws -> Tensor {
        guard !isAligned else { return try changes(site, at: places) }
        let places = try uniquePlaces
        return try Tensor.zeros(trace[site].shape, device: model.device).adding(
            1, at: Tensor(places.map(\.position), device: model.device), changes(site, at: places))
    }

    private static func places(_ pair: TokenizedPair, roles: [String]?, isDenoising: Bool) throws -> [Place] {
        guard let roles else {
            guard pair.base.count == pair.source.count else {
                throw SubspaceError(
                    .badTokens, "a sweep needs prompts of equally many tokens", expected: "\(pair.base.count)",
                    found: "\(pair.source.count)",
                    hint: "put them into a file of pairs, with roles for the words that stand for one another")
            }
            return pair.base.indices.map { Place(position: $0, origin: $0) }
        }
        return try roles.map { role in
            let base = role == "last" ? pair.base.count - 1 : pair.baseRoles[role]
            let source = role == "last" ? pair.source.count - 1 : pair.sourceRoles[role]
            guard let base, let source else {
                throw SubspaceError(.badTokens, "a prompt has no word of this role", subject: role)
            }
            return isDenoising
                ? Place(role: role, position: source, origin: base) : Place(role: role, position: base, origin: source)
        }
    }
}
