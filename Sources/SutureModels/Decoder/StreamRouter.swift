import SutureTensor

/// A part of the network that reads the residual stream.
package enum StreamReader: Hashable, Sendable {
    /// The queries, keys or values of each head of a layer.
    case queries(Int)
    case keys(Int)
    case values(Int)
    /// The MLP of a layer.
    case mlp(Int)
    /// The output head.
    case logits
}

/// Decides what each reader reads in place of the residual stream, and is told what each part of a layer writes.
package protocol StreamRouter {
    /// What a reader reads, `[parts, batch, positions, width]`: one for each head, or one for all. `stream` `[batch,
    /// positions, width]` is what it would read.
    mutating func input(of reader: StreamReader, _ stream: Tensor) throws -> Tensor
    /// Whether what a layer's attention or MLP writes is wanted; what is not is not computed apart.
    var listens: Bool { get }
    /// What the heads of a layer wrote, or its MLP, `[parts, batch, positions, width]`.
    mutating func wrote(_ part: LayerPart, _ value: Tensor) throws
}

extension Trace {
    /// Runs prompts again from a position on, from embeddings `[rows, positions, width]`, with a router between writers and
    /// readers, and returns the scores of some tokens behind each, `[rows, tokens]`.
    ///
    /// `rows` say whose earlier positions each row has. Gradients flow through all of it.
    package func scores(
        of tokens: [Int], rows: [Int], from first: Int, _ embeddings: Tensor, through router: inout some StreamRouter
    ) throws -> Tensor {
        let layers = model.architecture.layers
        let sites = router.listens ? (0..<layers).map(Site.mlpOut) : []
        let forward = try Forward(model, positions: first..<length, capturing: Set(sites))
        var visitor = Routed(router: router, forward: forward, trace: self, rows: rows, first: first)
        let stream = try forward.run(
            .entering(0)..<Entry.entering(layers), ResidualStream(residual: embeddings), visitor: &visitor)
        try visitor.tell(layers - 1)
        router = visitor.router
        let input = try router.input(of: .logits, stream.residual).squeezed(0)
        return try model.logits(ofResidual: input.selected(1, length - first - 1), of: tokens)
    }

    /// What one head reads when its queries, keys or values read other streams, `[alternatives, positions, head width]`.
    ///
    /// `inputs` are such streams of one prompt from position `first` on, `[alternatives, positions, width]`.
    package func head(
        _ layer: Int, _ index: Int, prompt: Int, from first: Int, reading reader: StreamReader, _ inputs: Tensor
    ) throws -> Tensor {
        let forward = try Forward(model, positions: first..<length)
        let heads = index..<index + 1
        let count = inputs.shape[0]
        let clean = try self[.residual(layer)].narrowed(0, prompt..<prompt + 1).narrowed(1, first..<length)
            .unsqueezed(0)
        let other = try inputs.unsqueezed(0)
        func all(_ value: Tensor) throws -> Tensor { try value.expanded([count, -1, -1, -1]) }
        let prefix = first > 0 ? try keyValues(layer).prefix(first, rows: Array(repeating: prompt, count: count)) : nil
        let queries = try forward.queries(layer, heads, reading: reader == .queries(layer) ? other : clean)
        let keys = try forward.keys(layer, heads, reading: reader == .keys(layer) ? other : clean)
        let values = try forward.values(layer, heads, reading: reader == .values(layer) ? other : clean)
        return try forward.read(
            layer, heads, queries: all(queries), keys: all(keys), values: all(values), prefix: prefix
        ).squeezed(1)
    }
}

/// Hands each reader what a router says.
private struct Routed<Router: StreamRouter>: LayerVisitor {
    var router: Router
    let forward: Forward
    let trace: Trace
    let rows: [Int]
    let first: Int

    mutating func heads(_ layer: Int, _ forward: Forward, _ stream: Tensor) throws -> Tensor? {
        if layer > 0 { try tell(layer - 1) }
        let heads = 0..<forward.model.architecture.heads
        let queries = try forward.queries(layer, heads, reading: router.input(of: .queries(layer), stream))
        let keys = try forward.keys(layer, heads, reading: router.input(of: .keys(layer), stream))
        let values = try forward.values(layer, heads, reading: router.input(of: .values(layer), stream))
        let prefix = first > 0 ? try trace.keyValues(layer).prefix(first, rows: rows) : nil
        let read = try forward.merged(
            forward.read(layer, heads, queries: queries, keys: keys, values: values, prefix: prefix))
        if router.listens, !forward.model.architecture.isParallel { try tellHeads(layer, read) } else { pending = read }
        return read
    }

    mutating func enter(_ entry: Entry, _ stream: ResidualStream) throws -> ResidualStream {
        guard entry.stage == .mlp else { return stream }
        let input = try router.input(of: .mlp(entry.layer), stream.read).squeezed(0)
        // In a parallel layer the MLP does not see the heads.
        if router.listens, let read = pending { try tellHeads(entry.layer, read) }
        pending = nil
        return ResidualStream(residual: stream.residual, entering: input)
    }

    /// What heads read whose writing is not told yet.
    private var pending: Tensor?

    private mutating func tellHeads(_ layer: Int, _ read: Tensor) throws {
        try router.wrote(LayerPart(.attention, layer: layer), forward.model.written(layer, heads: read))
    }

    /// Tells what the MLP of a layer wrote.
    mutating func tell(_ layer: Int) throws {
        guard let written = forward.captured.removeValue(forKey: .mlpOut(layer)) else { return }
        try router.wrote(LayerPart(.mlp, layer: layer), written.unsqueezed(0))
    }

    init(router: Router, forward: Forward, trace: Trace, rows: [Int], first: Int) {
        (self.router, self.forward, self.trace, self.rows, self.first) = (router, forward, trace, rows, first)
    }
}
