import SutureTensor

/// What a run does between the stages of its layers: it may let others join, hand in keys and values, and keep things.
protocol LayerVisitor {
    /// Before a stage. Returns what goes into it.
    mutating func enter(_ entry: Entry, _ stream: ResidualStream) throws -> ResidualStream
    /// The keys and values of the positions before the batch, for each of its rows.
    func prefix(_ layer: Int) throws -> KeyValues?
    /// After attention: the keys and values that were seen, those of the prefix first.
    mutating func keep(_ seen: KeyValues, of layer: Int) throws
}

extension LayerVisitor {
    mutating func enter(_ entry: Entry, _ stream: ResidualStream) throws -> ResidualStream { stream }
    func prefix(_ layer: Int) throws -> KeyValues? { nil }
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
            let layer = entry.layer
            stream = try visitor.enter(entry, stream)
            switch entry.stage {
            case .attention:
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

    /// The same of a batch that enters layer 0, with nothing to do on the way: what enters layer `depth`.
    func run(through depth: Int, _ residual: Tensor, lastOnly: Bool = false) throws -> Tensor {
        var nothing = NoVisitor()
        return try run(
            .entering(0)..<Entry.entering(depth), ResidualStream(residual: residual), lastOnly: lastOnly,
            visitor: &nothing
        ).residual
    }

}

/// Does nothing on the way.
struct NoVisitor: LayerVisitor {}
