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

    private let rotation, windowedRotation: Rotation?
    private let mask, windowedMask: Tensor?
    /// Where each row is at a position of its own, with one column.
    private let rows: SeparateRows?

    /// Whether each row is at a position of its own.
    var hasSeparateRows: Bool { rows != nil }

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
        rows = nil
        let architecture = model.architecture
        rotation = try Rotation(architecture.positions, positions, device: model.device)
        windowedRotation =
            try architecture.windowedPositions.flatMap { try Rotation($0, positions, device: model.device) } ?? rotation
        mask = try Forward.mask(positions, device: model.device)
        windowedMask =
            try architecture.window.flatMap {
                try Forward.mask(positions, window: $0, device: model.device)
            } ?? mask
    }

    /// One token in each row, all at positions of their own.
    init(_ model: LanguageModel, _ rows: SeparateRows) throws {
        (self.model, self.rows) = (model, rows)
        (first, end, changes, wanted) = (0, 1, [], [])
        let architecture = model.architecture
        rotation = try Rotation(architecture.positions, rows: rows.positions, device: model.device)
        windowedRotation =
            try architecture.windowedPositions.flatMap {
                try Rotation($0, rows: rows.positions, device: model.device)
            } ?? rotation
        (mask, windowedMask) = (nil, nil)
    }

    // MARK: - Stages

    /// Token embeddings `[batch, positions, width]` of right-padded prompts.
    func embed(_ ids: Tensor) throws -> Tensor {
        var tokens = try model.weights.embedding.rows(at: ids)
        let scale = model.architecture.embeddingScale
        if scale != 1 { tokens = try tokens * scale }
        if let positions = model.weights.positions {
            tokens =
                try tokens
                + (rows.map { try positions.rows(at: Tensor($0.positions, device: model.device)).unsqueezed(1) }
                    ?? positions.widened(rows: first..<end))
        }
        return try model.intervened(.residual(0), tokens)
    }

    /// The stream after attention of `layer`, and the keys and values that it saw: the prefix's, then the batch's own.
    ///
    /// `prefix` holds those of the positions before `first`. With `lastOnly` just the last position
    /// goes on: nothing else is needed of the last layer when only the next token is asked for.
    func attention(
        _ layer: Int, _ input: Tensor, prefix: KeyValues?, lastOnly: Bool = false
    ) throws -> (stream: ResidualStream, seen: KeyValues) {
        let architecture = model.architecture
        let weights = try model.weights.layer(layer)
        var residual = try visit(.residual(layer), input)
        let normed = try weights.attentionNorm?(residual) ?? residual
        let rotation = rotation(of: layer)
        let own = KeyValues(
            keys: try visitSplit(
                .keys(layer),
                rotation.turned(heads(of: weights.key(normed), architecture.keyValueHeads, weights.keyNorm))),
            values: try visitSplit(.values(layer), split(weights.value(normed), architecture.keyValueHeads)))

        var asking = normed
        var rotationFrom = 0
        var mask = mask(of: layer)
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
            rotation.turned(
                heads(of: weights.query(asking), architecture.heads, weights.queryNorm), from: rotationFrom))
        let seen = try prefix?.appending(own) ?? own
        let mixed =
            try rows.map { rows in
                try rows.mixed(layer, own) {
                    let mask = architecture.isWindowed(layer) ? try rows.windowedMask($0, model) : nil
                    return try mix(layer, queries.narrowed(0, $0..<$0 + 1), $1, mask)
                }
            } ?? mix(layer, queries, seen, mask)
        return (try writing(layer, merged(mixed), residual), seen)
    }

    /// The stream after attention, by what its heads read, `[batch, positions, heads x head width]`.
    func writing(_ layer: Int, _ mixed: Tensor, _ residual: Tensor) throws -> ResidualStream {
        let weights = try model.weights.layer(layer)
        let read = try visitHeads(layer, mixed)
        let written =
            concerns(.attentionOut(layer)) || !model.architecture.writesDirectly
            ? try residual + visit(.attentionOut(layer), model.scaled(weights.output(read), weights.attentionOutNorm))
            : try weights.output(read, plus: residual)
        return ResidualStream(residual: written, entering: model.architecture.isParallel ? residual : nil)
    }

    /// How a layer turns queries and keys.
    func rotation(of layer: Int) -> Rotation? {
        let architecture = model.architecture
        return architecture.rotates(layer) ? architecture.isWindowed(layer) ? windowedRotation : rotation : nil
    }

    /// Which keys its queries may see.
    func mask(of layer: Int) -> Tensor? { model.architecture.isWindowed(layer) ? windowedMask : mask }

    /// What queries read of the keys and values that they see, `[batch, heads, positions, width]`.
    func mix(_ layer: Int, _ queries: Tensor, _ seen: KeyValues, _ mask: Tensor?) throws -> Tensor {
        let scale = model.architecture.attentionScale(layer)
        if let cap = model.architecture.attentionCap {
            return try Tensor.attention(queries: queries, seen, mask: mask, scale: scale, cap: cap)
        }
        return try Tensor.attention(
            queries: queries, keys: seen.keys, values: seen.values, mask: mask,
            causal: mask == nil && queries.shape[2] > 1, scale: scale)
    }

    /// The residual stream after the MLP of `layer`.
    func mlp(_ layer: Int, _ stream: ResidualStream) throws -> Tensor {
        try model.intervened(.residual(layer + 1), written(layer, stream))
    }

    private func written(_ layer: Int, _ stream: ResidualStream) throws -> Tensor {
        let weights = try model.weights.layer(layer)
        let residual = stream.residual
        let normed = try weights.mlpNorm?(stream.read) ?? stream.read
        let hidden = try model.hidden(layer, normed)
        let edits = edits(in: layer)
        let visited = try visit(.mlpHidden(layer), rereading(edits, normed, hidden))
        let matrices = matrices(in: layer)
        guard concerns(.mlpOut(layer)) || !edits.isEmpty || !matrices.isEmpty || !model.architecture.writesDirectly
        else {
            return try weights.down(visited, plus: residual)
        }
        let out = try adding(matrices, to: adding(edits, to: weights.down(visited), hidden: visited), hidden: visited)
        return try residual + visit(.mlpOut(layer), model.scaled(out, weights.mlpOutNorm))
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

    /// Queries or keys as `[batch, heads, positions, width]`, normed where the model does that.
    private func heads(of projected: Tensor, _ count: Int, _ norm: Weights.Norm?) throws -> Tensor {
        if model.architecture.normsHeadsTogether { return try split(norm?(projected) ?? projected, count) }
        let heads = try split(projected, count)
        return try norm?(heads) ?? heads
    }

    /// `[batch, heads, positions, width]` to `[batch, positions, heads x width]`.
    func merged(_ input: Tensor) throws -> Tensor {
        let shape = input.shape
        return try input.transposed(1, 2).reshaped([shape[0], shape[2], shape[1] * shape[3]])
    }

    // MARK: - Positions

    /// Which keys each query may see, `[queries, keys]`; nil where plain causality or nothing hides any.
    static func mask(_ positions: Range<Int>, window: Int? = nil, device: Device) throws -> Tensor? {
        let window = window.flatMap { $0 < positions.upperBound ? $0 : nil }
        guard window != nil || (positions.lowerBound > 0 && positions.count > 1) else { return nil }
        let queries = try Tensor.arange(positions, device: device).unsqueezed(1)
        let keys = try Tensor.arange(0..<positions.upperBound, device: device).unsqueezed(0)
        let causal = try keys .<= queries
        guard let window else { return causal }
        return try causal.logicalAnd(queries .< keys + Double(window))
    }
}

extension Architecture {
    /// Whether queries and keys of a layer are rotated.
    fileprivate func rotates(_ layer: Int) -> Bool { !unrotatedLayers.contains(layer) }
}

extension Rotation? {
    func turned(_ input: Tensor, from column: Int = 0) throws -> Tensor {
        try self?.turned(input, from: column) ?? input
    }
}
