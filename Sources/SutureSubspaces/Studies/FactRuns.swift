import SutureModels
import SutureTensor

/// Pairs of facts, run once, to be patched in the MLPs of some layers at the last token of their subjects.
struct FactRuns {
    let model: LanguageModel
    let pairs: [TokenizedPair]
    let clean: FactScores
    private let trace: Trace
    private let places: [Int]
    private let bases: [Int: Tensor]
    private let sources: [Int: Tensor]

    init(_ model: LanguageModel, _ pairs: [TokenizedPair], layers: [Int]) throws {
        func place(_ roles: [String: Int]) throws -> Int {
            guard let place = roles["subject"] else {
                throw SubspaceError(.badRequest, "a prompt has no word in this role", subject: "subject")
            }
            return place
        }
        let places = try pairs.map { try place($0.baseRoles) }
        let sourcePlaces = try pairs.map { try place($0.sourceRoles) }
        let sites = layers.map(Site.mlpHidden)
        let (trace, bases, sources) = try Tensor.withoutGradients {
            let trace = try model.trace(
                pairs.map(\.base), capturing: sites + layers.map(Site.mlpOut), from: layers.min() ?? 0)
            let run = try model.run(pairs.map(\.source), capturing: sites, logits: .none)
            func picked(_ value: (Site) throws -> Tensor, _ places: [Int]) throws -> [Int: Tensor] {
                var picked: [Int: Tensor] = [:]
                for layer in layers { picked[layer] = try Self.pick(value(.mlpHidden(layer)), places) }
                return picked
            }
            return (trace, try picked({ try trace[$0] }, places), try picked({ try run[$0] }, sourcePlaces))
        }
        self.model = model
        self.pairs = pairs
        self.trace = trace
        self.places = places
        self.bases = bases
        self.sources = sources
        clean = try FactScores(trace.logits, pairs)
    }

    /// One position of each prompt: `[prompts, positions, width]` to `[prompts, width]`.
    private static func pick(_ values: Tensor, _ places: [Int]) throws -> Tensor {
        let shape = [values.shape[0], 1, values.shape[2]]
        return try values.gathered(1, at: Tensor(places, shape: [shape[0], 1, 1]).expanded(shape)).squeezed(1)
    }

    /// Hidden activations at the subjects of bases and sources, `[pairs, m]`.
    func hidden(_ layer: Int) throws -> (base: Tensor, source: Tensor) {
        guard let base = bases[layer], let source = sources[layer] else {
            throw SubspaceError(.badRequest, "these runs kept nothing of this layer", found: "\(layer)")
        }
        return (base, source)
    }

    private func logits(_ change: Intervention) throws -> Tensor {
        try trace.replay(prompts: Array(pairs.indices), [change]).logits
    }

    // MARK: - Patches

    /// Under the 1-d patch of each pair along a unit direction of its own, `[pairs, m]`.
    func patched(_ layer: Int, along v: Tensor) throws -> Tensor {
        let (base, source) = try hidden(layer)
        let amount = try (v * (source - base)).sum([1], keepingDims: true)
        return try replaced(layer, with: base + v * amount)
    }

    /// With other hidden activations at the subjects, `[pairs, m]`.
    func replaced(_ layer: Int, with values: Tensor) throws -> Tensor {
        try logits(Intervention(.mlpHidden(layer), at: .each(places), .replace(values.unsqueezed(1))))
    }

    /// With a value added to what the MLP writes at the subjects, `[pairs, d]`.
    func added(_ layer: Int, _ value: Tensor) throws -> Tensor {
        try logits(Intervention(.mlpOut(layer), at: .each(places), .add(value.unsqueezed(1))))
    }

    /// What the MLP writes at the subjects, `[pairs, d]`.
    func written(_ layer: Int) throws -> Tensor { try Self.pick(trace[.mlpOut(layer)], places) }

    /// Each pair under a rank-1 edit of its own, which acts at every token.
    func edited(_ layer: Int, _ edits: [RankOneEdit]) throws -> Tensor {
        let reads = try Tensor.stacked(edits.map(\.read)).unsqueezed(1)
        let writes = try Tensor.stacked(edits.map(\.write)).unsqueezed(1)
        let amounts = try (trace[.mlpHidden(layer)] * reads).sum([2], keepingDims: true)
        return try logits(Intervention(.mlpOut(layer), .add(amounts * writes)))
    }

    /// Each pair with x - (v.x) v in place of every token's hidden activation x, v of its own, `[pairs, m]`.
    func projectedOut(_ layer: Int, _ directions: Tensor) throws -> Tensor {
        let v = try directions.unsqueezed(1)
        let amounts = try (trace[.mlpHidden(layer)] * v).sum([2], keepingDims: true)
        return try logits(Intervention(.mlpHidden(layer), .add(-(amounts * v))))
    }

    // MARK: - Learning

    /// A direction for each pair whose patch lowers its logit difference most, `[pairs, m]`; all are learned at once.
    ///
    /// Adam on unit vectors; the best step of all restarts is kept, as in the authors' code.
    func directions(_ layer: Int, steps: Int, rate: Double, restarts: Int, seed: UInt64) throws -> Tensor {
        let random = try RandomSource(seed: seed)
        let shape = try hidden(layer).base.shape
        func unit(_ rows: Tensor) throws -> Tensor { try rows / rows.norm(1, keepingDims: true) }
        var best = try Tensor.zeros(shape)
        var least = [Double](repeating: .infinity, count: pairs.count)
        for _ in 0..<restarts {
            let optimizer = try Optimizer([unit(random.normal(shape))], .adam(rate: rate))
            for step in 0..<steps {
                try optimizer.setRate(rate * (1 - 0.9 * Double(step) / Double(steps)))
                try optimizer.step { parameters in
                    let v = try unit(parameters[0])
                    let differences = try Self.differences(patched(layer, along: v), pairs)
                    let values = try differences.elements(as: Double.self)
                    let isBetter = zip(values, least).map { $0 < $1 }
                    for (row, value) in values.enumerated() where isBetter[row] { least[row] = value }
                    let mask = try Tensor(isBetter.map { $0 ? 1 : 0 }, shape: [pairs.count, 1]) .> 0
                    best = try v.detached().where(mask, else: best)
                    return try differences.sum()
                }
            }
        }
        return best
    }

    /// The value to add at each subject so that the model says the source's object, `[pairs, d]`.
    ///
    /// As in ROME, but without its divergence term and its random prefixes: Adam on the cross-entropy, and no longer than
    /// four times what is written there.
    func values(_ layer: Int, steps: Int) throws -> Tensor {
        let own = try written(layer)
        let length = try own.norm(1, keepingDims: true)
        let scale = try length / Double(own.shape[1]).squareRoot()
        func limited(_ free: Tensor) throws -> Tensor {
            let value = try free * scale
            let shrink = try (length * 4 / (value.norm(1, keepingDims: true) + 1e-12)).clamped(to: 0...1)
            return try value * shrink
        }
        let targets = try Tensor(pairs.map(\.other))
        let optimizer = try Optimizer([Tensor.zeros(own.shape)], .adam(rate: 0.1))
        for _ in 0..<steps {
            try optimizer.step { try added(layer, limited($0[0])).crossEntropy(targets) }
        }
        return try limited(optimizer.parameters[0].detached())
    }

    /// Logit of the base's object less that of the source's, `[pairs]`.
    private static func differences(_ logits: Tensor, _ pairs: [TokenizedPair]) throws -> Tensor {
        func pick(_ tokens: [Int]) throws -> Tensor {
            try logits.gathered(1, at: Tensor(tokens, shape: [tokens.count, 1])).squeezed(1)
        }
        return try pick(pairs.map(\.answer)) - pick(pairs.map(\.other))
    }
}

/// What the model says of each pair's base.
struct FactScores {
    /// Logit of the base's object less that of the source's.
    var difference: [Double]
    /// Whether the source's object is the most likely token.
    var flips: [Bool]
    /// The probability of the source's object.
    var probability: [Double]

    init(_ logits: Tensor, _ pairs: [TokenizedPair]) throws {
        let outcome = try PairOutputs(logits, pairs)
        difference = outcome.difference
        flips = zip(outcome.top, pairs).map { $0 == $1.other }
        let tokens = try Tensor(pairs.map(\.other), shape: [pairs.count, 1])
        probability = try logits.softmax().gathered(1, at: tokens).squeezed(1).elements(as: Double.self)
    }
}
