import SutureTensor

/// One batch on its way through the layers: the only forward code there is for decoders.
///
/// A full run starts at position 0, a decoding step at the end of what is cached, a replay where its
/// change is. The batch may grow on the way (``Trace/replay(_:capturing:logits:)``). It applies the
/// changes and keeps the values that are asked for.
final class Forward {
    let model: LanguageModel
    /// The position of the first column of the batch in its prompts.
    private(set) var first: Int
    /// One past the position of the last column.
    let end: Int
    let changes: [Change]
    let wanted: Set<Site>
    /// The values kept, `[batch, positions, width]`.
    var captured: [Site: Tensor] = [:]

    private let rotation: Rotation?
    private var mask: Tensor?

    /// What happens to one row of the batch, or to all if nil.
    struct Change {
        var row: Int?
        /// The last position of that row's prompt, or of every row's.
        var lasts: [Int]
        var kind: Kind
        enum Kind {
            case intervention(Intervention)
            case edit(NeuronEdit)
            case matrix(MatrixDelta)
        }
    }

    init(
        _ model: LanguageModel, positions: Range<Int>, changes: [Change] = [], capturing wanted: Set<Site> = []
    ) throws {
        self.model = model
        first = positions.lowerBound
        end = positions.upperBound
        self.changes = changes
        self.wanted = wanted
        rotation = try Rotation(model, positions)
        mask = try Forward.mask(model, positions)
    }

    // MARK: - Stages

    /// Token embeddings `[batch, positions, width]` of right-padded prompts.
    func embed(_ ids: Tensor) throws -> Tensor {
        var tokens = try model.weights.embedding.embedding(ids)
        let scale = model.architecture.embeddingScale
        if scale != 1 { tokens = try tokens * scale }
        guard let positions = model.weights.positions else { return tokens }
        return try tokens + positions.narrowed(0, first..<end)
    }

    /// The stream after attention of `layer`, and the keys and values that it saw: the prefix's, then the batch's own.
    ///
    /// `prefix` holds those of the positions before `first`. With `lastOnly` just the last position
    /// goes on: nothing else is needed of the last layer when only the next token is asked for.
    func attention(
        _ layer: Int, _ input: Tensor, prefix: KeyValues?, lastOnly: Bool = false
    ) throws -> (stream: ResidualStream, seen: KeyValues) {
        let architecture = model.architecture
        let weights = model.weights.layers[layer]
        var residual = try visit(.residual(layer), input)
        let normed = try weights.attentionNorm(residual)
        let own = KeyValues(
            keys: try visitSplit(
                .keys(layer), rotate(heads(of: weights.key(normed), architecture.keyValueHeads, weights.keyNorm))),
            values: try visitSplit(.values(layer), split(weights.value(normed), architecture.keyValueHeads)))

        var asking = normed
        var rotationFrom = 0
        var mask = mask
        if lastOnly, end - first > 1 {
            let columns = end - first
            asking = try normed.narrowed(1, columns - 1..<columns)
            residual = try residual.narrowed(1, columns - 1..<columns)
            rotationFrom = columns - 1
            first = end - 1
            mask = try mask?.narrowed(0, columns - 1..<columns)
        }
        let queries = try visitSplit(
            .queries(layer),
            rotate(heads(of: weights.query(asking), architecture.heads, weights.queryNorm), from: rotationFrom))
        let seen = try prefix?.appending(own) ?? own
        let columns = queries.shape[2]
        let mixed = try Tensor.attention(
            queries: queries, keys: seen.keys, values: seen.values, mask: mask,
            causal: mask == nil && columns > 1, scale: architecture.attentionScale(layer))
        let read = try visitHeads(layer, merged(mixed))
        let written =
            concerns(.attentionOut(layer))
            ? try residual + visit(.attentionOut(layer), weights.output(read))
            : try weights.output(read, plus: residual)
        return (ResidualStream(residual: written, entering: architecture.isParallel ? residual : nil), seen)
    }

    /// The residual stream after the MLP of `layer`.
    func mlp(_ layer: Int, _ stream: ResidualStream) throws -> Tensor {
        let weights = model.weights.layers[layer]
        let residual = stream.residual
        let normed = try weights.mlpNorm(stream.read)
        let hidden = try model.hidden(layer, normed)
        let edits = edits(in: layer)
        let visited = try visit(.mlpHidden(layer), rereading(edits, normed, hidden))
        let matrices = matrices(in: layer)
        guard concerns(.mlpOut(layer)) || !edits.isEmpty || !matrices.isEmpty else {
            return try weights.down(visited, plus: residual)
        }
        let out = try adding(matrices, to: adding(edits, to: weights.down(visited), hidden: visited), hidden: visited)
        return try residual + visit(.mlpOut(layer), out)
    }

    /// Scores of the next token where `positions` asks for them, from the stream that leaves the last layer:
    /// `[batch, positions, vocabulary]`, or `[batch, vocabulary]` at each row's last position, given in
    /// `lasts` where rows differ.
    func scores(_ input: Tensor, _ positions: LogitPositions, lasts: [Int]?) throws -> Tensor {
        guard positions != .none else { return try finish(input) }
        let residual = try visit(.residual(model.architecture.layers), input)
        guard positions != .all else { return try visit(.logits, model.logits(ofResidual: residual)) }
        let last: Tensor
        if let lasts {
            let columns = try Tensor(lasts.map { $0 - first }, shape: [lasts.count, 1, 1], device: model.device)
            last = try residual.gathered(1, at: columns.expanded([lasts.count, 1, residual.shape[2]]))
        } else {
            last = try narrowToLast(residual)
        }
        guard case .lastOf(let tokens) = positions else {
            let places = lasts ?? Array(repeating: end - 1, count: last.shape[0])
            return try visitLastScores(model.logits(ofResidual: last), at: places).squeezed(1)
        }
        guard !wanted.contains(.logits), !changes.contains(where: { $0.site == .logits }) else {
            throw ModelError(.invalidReplay, "the scores of all tokens are needed for this", subject: "\(Site.logits)")
        }
        return try model.logits(ofResidual: last, of: tokens).squeezed(1)
    }

    /// The end of a run that stops after ``depth(_:)`` layers: no scores, `[batch, 0]`.
    private func finish(_ residual: Tensor) throws -> Tensor {
        _ = try visit(.residual(depth(.none)), residual)
        return try Tensor.zeros([residual.shape[0], 0])
    }

    /// The number of layers to compute: all of them where scores are asked for, else as many as the captures need.
    func depth(_ positions: LogitPositions) -> Int {
        let layers = model.architecture.layers
        return positions == .none ? min(wanted.map(\.depth).max() ?? 0, layers) : layers
    }

    /// Whether nothing but the last position matters behind the last layer's keys and values, when only
    /// the next token is asked for: so unless a change or a capture there speaks of other positions.
    var needsLastOnly: Bool {
        let last = model.architecture.layers - 1
        let sites = wanted.union(changes.compactMap(\.site))
        return !sites.contains { $0 != .logits && $0 != .residual(last) && $0.entry.layer >= last }
    }

    /// Only the last position goes on.
    func narrowToLast(_ input: Tensor) throws -> Tensor {
        guard end - first > 1 else { return input }
        let columns = end - first
        first = end - 1
        return try input.narrowed(1, columns - 1..<columns)
    }

    /// `[batch, positions, heads x width]` to `[batch, heads, positions, width]`.
    func split(_ input: Tensor, _ heads: Int) throws -> Tensor {
        try input.reshaped([input.shape[0], input.shape[1], heads, model.architecture.headWidth]).transposed(1, 2)
    }

    /// Queries or keys as `[batch, heads, positions, width]`, each head's normed where the model does that.
    private func heads(of projected: Tensor, _ count: Int, _ norm: Weights.Norm?) throws -> Tensor {
        let heads = try split(projected, count)
        return try norm?(heads) ?? heads
    }

    /// `[batch, heads, positions, width]` to `[batch, positions, heads x width]`.
    func merged(_ input: Tensor) throws -> Tensor {
        let shape = input.shape
        return try input.transposed(1, 2).reshaped([shape[0], shape[2], shape[1] * shape[3]])
    }

    // MARK: - Positions

    private func rotate(_ input: Tensor, from column: Int = 0) throws -> Tensor {
        try rotation?.turned(input, from: column) ?? input
    }

    /// Which keys each query may see, `[queries, keys]`; nil where plain causality or nothing hides any.
    private static func mask(_ model: LanguageModel, _ positions: Range<Int>) throws -> Tensor? {
        let window = model.architecture.window.flatMap { $0 < positions.upperBound ? $0 : nil }
        guard window != nil || (positions.lowerBound > 0 && positions.count > 1) else { return nil }
        let queries = try Tensor.arange(positions, device: model.device).unsqueezed(1)
        let keys = try Tensor.arange(0..<positions.upperBound, device: model.device).unsqueezed(0)
        let causal = try keys .<= queries
        guard let window else { return causal }
        return try causal.logicalAnd(queries .< keys + Double(window))
    }
}
