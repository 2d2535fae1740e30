import SutureTensor

// Passes over many texts. Where all weights are at hand, one batch goes through after the other; where they are widened
// each time, all batches go through one layer before the next, so that each layer is widened, and read from its file, once.
// What is computed is the same to the bit, and handed over in the order of the batches.
extension LanguageModel {
    /// The values at sites in batches of prompts, `[batch, positions, width]`: those of one site in the order of the batches.
    ///
    /// No more is kept than one batch, or one layer, has. Throws ``ModelError`` for sites or prompts that do not fit.
    public func capture(
        _ sites: [Site], in batches: [[[Int]]], _ take: (_ batch: Int, Site, Tensor) throws -> Void
    ) throws {
        try check([], sites, lengths: [])
        let depth = sites.map(\.depth).max() ?? 0
        try pass(
            over: batches, to: .entering(min(depth, architecture.layers)), capturing: Set(sites),
            visitor: NoVisitor(),
            step: { batch, forward in
                for (site, value) in forward.captured.sorted(by: { $0.key.description < $1.key.description }) {
                    try take(batch, site, value)
                }
                forward.captured = [:]
            },
            finish: { batch, forward, stream, _ in
                _ = try forward.scores(stream.residual, .none, lasts: nil)
                for (site, value) in forward.captured { try take(batch, site, value) }
            })
    }

    /// What the MLP of a layer reads in batches of prompts, normed, `[batch, positions, width]`, and its hidden activations.
    ///
    /// Throws ``ModelError`` for a layer or prompts that do not fit.
    public func mlpReadings(
        _ layer: Int, of batches: [[[Int]]], _ take: (_ batch: Int, _ input: Tensor, _ hidden: Tensor) throws -> Void
    ) throws {
        try check(Neuron(layer: layer, index: 0))
        try pass(over: batches, to: Entry(layer: layer, stage: .mlp), visitor: NoVisitor()) { batch, _, stream, _ in
            let input = try mlpInput(layer: layer, stream: stream.read)
            try take(batch, input, intervened(.mlpHidden(layer), hidden(layer, input)))
        }
    }

    /// The traces of batches of prompts, as of ``trace(_:capturing:from:changing:)``, in their order.
    public func traces(
        _ batches: [[[Int]]], capturing sites: [Site] = [], from firstLayer: Int = 0,
        _ take: (_ batch: Int, Trace) throws -> Void
    ) throws {
        try check([], sites, lengths: [])
        try check(firstLayer: firstLayer)
        try pass(
            over: batches, to: .entering(architecture.layers), capturing: Set(sites),
            visitor: Trace.Record(of: self, from: firstLayer)
        ) { batch, forward, stream, record in
            try take(batch, traced(batches[batch], forward, stream.residual, record))
        }
    }

    private func pass<Visitor: LayerVisitor>(
        over batches: [[[Int]]], to end: Entry, capturing sites: Set<Site> = [], visitor: Visitor,
        step: (Int, Forward) throws -> Void = { _, _ in },
        finish: (Int, Forward, ResidualStream, Visitor) throws -> Void
    ) throws {
        for batch in batches { try check(tokens: batch) }
        /// A batch on its way.
        func begun(_ batch: [[Int]]) throws -> (forward: Forward, stream: ResidualStream, visitor: Visitor) {
            let length = batch.map(\.count).max() ?? 0
            let forward = try Forward(self, positions: 0..<length, capturing: sites)
            return (forward, ResidualStream(residual: try forward.embed(padded(batch))), visitor)
        }
        // The layers of other processes are one step.
        let distant = distantEnd.map { [0..<$0] } ?? []
        let own = max(0, distant.last?.upperBound ?? 0)..<max(distantEnd ?? 0, end.layer + (end.stage == .mlp ? 1 : 0))
        let steps = (end == .entering(0) ? [] : distant) + own.map { $0..<$0 + 1 }
        func advance(
            _ index: Int, _ run: inout (forward: Forward, stream: ResidualStream, visitor: Visitor),
            _ layers: Range<Int>
        ) throws {
            run.stream = try run.forward.run(
                .entering(layers.lowerBound)..<min(.entering(layers.upperBound), end), run.stream, visitor: &run.visitor
            )
            try step(index, run.forward)
        }
        guard !holdsWeights, batches.count > 1 else {
            for (index, batch) in batches.enumerated() {
                var run = try begun(batch)
                for step in steps { try advance(index, &run, step) }
                try finish(index, run.forward, run.stream, run.visitor)
            }
            return
        }
        var runs = try batches.map(begun)
        for step in steps {
            func all() throws { for index in runs.indices { try advance(index, &runs[index], step) } }
            if step.upperBound == distantEnd { try all() } else { try weights.layer(step.lowerBound).whileWidened(all) }
        }
        for (index, run) in runs.enumerated() { try finish(index, run.forward, run.stream, run.visitor) }
    }

    /// Whether all weights are float32 in memory, or will be when they were used once.
    private var holdsWeights: Bool { widening.all <= widening.limit }
}
