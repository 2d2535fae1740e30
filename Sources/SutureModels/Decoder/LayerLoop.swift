import SutureTensor

/// What a run does between the stages of its layers: it may let others join, hand in keys and values, and keep things.
protocol LayerVisitor {
    /// Before a stage. Returns what goes into it.
    mutating func enter(_ entry: Entry, _ stream: ResidualStream) throws -> ResidualStream
    /// What the heads of a layer read, `[batch, positions, heads x head width]`, where they do not read the stream.
    mutating func heads(_ layer: Int, _ forward: Forward, _ stream: Tensor) throws -> Tensor?
    /// The keys and values of the positions before the batch, for each of its rows.
    func prefix(_ layer: Int) throws -> KeyValues?
    /// The same of layers that other processes hold.
    func distantPrefix() throws -> DistantKeys?
    /// Where the keys and values of these layers are kept.
    mutating func keep(_ distant: DistantKeys)
    /// Whether they are kept.
    var keepsDistant: Bool { get }
    /// After attention: the keys and values that were seen, those of the prefix first.
    mutating func keep(_ seen: KeyValues, of layer: Int) throws
}

extension LayerVisitor {
    mutating func enter(_ entry: Entry, _ stream: ResidualStream) throws -> ResidualStream { stream }
    mutating func heads(_ layer: Int, _ forward: Forward, _ stream: Tensor) throws -> Tensor? { nil }
    func prefix(_ layer: Int) throws -> KeyValues? { nil }
    func distantPrefix() throws -> DistantKeys? { nil }
    mutating func keep(_ distant: DistantKeys) {}
    var keepsDistant: Bool { false }
    mutating func keep(_ seen: KeyValues, of layer: Int) throws {}
}

extension Forward {
    /// Takes a batch through attention and MLP of one layer after the other: the only loop over layers.
    ///
    /// With `lastOnly` just the last position goes on behind the last layer's keys and values.
    func run(
        _ stages: Range<Entry>, _ stream: ResidualStream, lastOnly: Bool = false, visitor: inout some LayerVisitor
    ) throws -> ResidualStream {
        var stream = stream
        var entry = stages.lowerBound
        while entry < stages.upperBound {
            // All work of models goes through here: what is given up ends within a layer.
            try Task.checkCancellation()
            if let end = model.distantEnd, entry.layer < end {
                stream = try distant(entry..<stages.upperBound, stream, visitor: &visitor)
                entry = .entering(end)
                continue
            }
            let layer = entry.layer
            stream = try visitor.enter(entry, stream)
            switch entry.stage {
            case .attention:
                if let heads = try visitor.heads(layer, self, stream.residual) {
                    stream = try writing(layer, heads, stream.residual)
                    entry = Entry(layer: layer, stage: .mlp)
                    continue
                }
                let isLast = layer == model.architecture.layers - 1
                let (next, seen) = try attention(
                    layer, stream.residual, prefix: visitor.prefix(layer), lastOnly: lastOnly && isLast)
                try visitor.keep(seen, of: layer)
                stream = next
                entry = Entry(layer: layer, stage: .mlp)
            case .mlp:
                stream = ResidualStream(residual: try mlp(layer, stream))
                entry = .entering(layer + 1)
            }
        }
        return stream
    }

    /// Takes a batch through the layers that other processes hold.
    private func distant(
        _ stages: Range<Entry>, _ stream: ResidualStream, visitor: inout some LayerVisitor
    ) throws -> ResidualStream {
        guard let ring = model.ring else { return stream }
        let end = Entry.entering(ring.held.lowerBound)
        let sites = wanted.union(changes.compactMap(\.site)).filter { $0.entry < end }
        if let site = sites.map(\.description).min() { throw ring.elsewhere(site) }
        let edited = changes.compactMap(\.layer).min() ?? end.layer
        guard edited >= end.layer else { throw ring.elsewhere("layer \(edited)") }
        guard stages.lowerBound == .entering(0), stages.upperBound >= end, !hasSeparateRows else {
            throw ring.elsewhere("layer \(stages.lowerBound.layer)")
        }
        guard !stream.residual.isTracked else {
            throw ModelError(
                .split, "gradients do not go through layers that other processes hold",
                expected: "a method that needs those of \(ring.heldWords) alone")
        }
        let (residual, keys) = try ring.run(
            self, stream.residual, prefix: visitor.distantPrefix(), keeping: visitor.keepsDistant)
        if let keys { visitor.keep(keys) }
        return ResidualStream(residual: residual)
    }

    /// The same of a batch that enters layer 0, with nothing to do on the way: what enters layer `depth`.
    func run(through depth: Int, _ residual: Tensor, lastOnly: Bool = false) throws -> Tensor {
        var nothing = NoVisitor()
        return try run(
            .entering(0)..<Entry.entering(depth), ResidualStream(residual: residual), lastOnly: lastOnly,
            visitor: &nothing
        ).residual
    }
}

/// A run that nothing is done to on its way.
struct NoVisitor: LayerVisitor {}
