import SutureTensor

/// Keys and values of one layer, `[batch, key-value heads, positions, head width]`, keys already rotated.
struct KeyValues: Sendable {
    var keys: Tensor
    var values: Tensor

    /// The first `count` positions for some rows of the batch; a batch of one serves any number of rows.
    func prefix(_ count: Int, rows: [Int]) throws -> KeyValues {
        func pick(_ tensor: Tensor) throws -> Tensor {
            let part = try tensor.narrowed(2, 0..<count)
            return tensor.shape[0] == 1 ? try part.expanded([rows.count, -1, -1, -1]) : try part.gathered(0, at: rows)
        }
        return KeyValues(keys: try pick(keys), values: try pick(values))
    }

    func appending(_ next: KeyValues) throws -> KeyValues {
        KeyValues(
            keys: try Tensor.concatenated([keys, next.keys], 2),
            values: try Tensor.concatenated([values, next.values], 2))
    }
}

/// The residual stream on its way through a layer, `[batch, positions, width]`.
struct ResidualStream: Sendable {
    var residual: Tensor
    /// The stream as it entered the layer: between attention and MLP where these are parallel, so that the MLP reads it.
    var entering: Tensor?

    /// What the MLP reads.
    var read: Tensor { entering ?? residual }

    /// The streams of several batches as one batch.
    static func joined(_ streams: [ResidualStream]) throws -> ResidualStream {
        let entering = streams.compactMap(\.entering)
        return ResidualStream(
            residual: try Tensor.concatenated(streams.map(\.residual), 0),
            entering: entering.isEmpty ? nil : try Tensor.concatenated(entering, 0))
    }
}

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
    private let changes: [Change]
    private let wanted: Set<Site>
    /// The values kept, `[batch, positions, width]`.
    private(set) var captured: [Site: Tensor] = [:]

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

    /// The stream after attention of `layer`, and the keys and values of this batch.
    ///
    /// `prefix` holds those of the positions before `first`. With `lastOnly` just the last position
    /// goes on: nothing else is needed of the last layer when only the next token is asked for.
    func attention(
        _ layer: Int, _ input: Tensor, prefix: KeyValues?, lastOnly: Bool = false
    ) throws -> (stream: ResidualStream, own: KeyValues) {
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
        return (ResidualStream(residual: written, entering: architecture.isParallel ? residual : nil), own)
    }

    /// The residual stream after the MLP of `layer`.
    func mlp(_ layer: Int, _ stream: ResidualStream) throws -> Tensor {
        let weights = model.weights.layers[layer]
        let residual = stream.residual
        let normed = try weights.mlpNorm(stream.read)
        let hidden: Tensor =
            if let gate = weights.gate {
                try weights.up(normed, times: model.activate(gate, normed))
            } else {
                try model.activate(weights.up, normed)
            }
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
            last = try residual.taking(1, at: columns.expanded([lasts.count, 1, residual.shape[2]]))
        } else {
            last = try narrowToLast(residual)
        }
        guard case .lastOf(let tokens) = positions else {
            return try visit(.logits, model.logits(ofResidual: last)).squeezed(1)
        }
        guard !wanted.contains(.logits), !changes.contains(where: { $0.site == .logits }) else {
            throw ModelError(.invalidReplay, "the scores of all tokens are needed for this", subject: "\(Site.logits)")
        }
        return try model.logits(ofResidual: last, of: tokens).squeezed(1)
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
    private func split(_ input: Tensor, _ heads: Int) throws -> Tensor {
        try input.reshaped([input.shape[0], input.shape[1], heads, model.architecture.headWidth]).transposed(1, 2)
    }

    /// Queries or keys as `[batch, heads, positions, width]`, each head's normed where the model does that.
    private func heads(of projected: Tensor, _ count: Int, _ norm: Weights.Norm?) throws -> Tensor {
        let heads = try split(projected, count)
        return try norm?(heads) ?? heads
    }

    /// `[batch, heads, positions, width]` to `[batch, positions, heads x width]`.
    private func merged(_ input: Tensor) throws -> Tensor {
        let shape = input.shape
        return try input.transposed(1, 2).reshaped([shape[0], shape[2], shape[1] * shape[3]])
    }

    // MARK: - Positions

    /// Rotates queries or keys, pair by pair: (a, b) becomes (a cos - b sin, b cos + a sin).
    private func rotate(_ input: Tensor, from column: Int = 0) throws -> Tensor {
        guard let rotation else { return input }
        let columns = column..<column + input.shape[2]
        let (rotated, width) = (rotation.cos.shape[1], input.shape[3])
        let turning = rotated == width ? input : try input.narrowed(3, 0..<rotated)
        let turned =
            try turning * rotation.cos.narrowed(0, columns)
            + swapped(turning, rotation.pairing) * rotation.sin.narrowed(0, columns)
        return rotated == width
            ? turned : try Tensor.concatenated([turned, input.narrowed(3, rotated..<width)], 3)
    }

    /// Each pair of channels (a, b) as (-b, a).
    private func swapped(_ input: Tensor, _ pairing: Architecture.Pairing) throws -> Tensor {
        let shape = input.shape
        let half = shape[3] / 2
        switch pairing {
        case .halves:
            return try Tensor.concatenated([-input.narrowed(3, half..<2 * half), input.narrowed(3, 0..<half)], 3)
        case .neighbors:
            let pairs = try input.reshaped(shape.dropLast() + [half, 2])
            return try Tensor.concatenated([-pairs.narrowed(4, 1..<2), pairs.narrowed(4, 0..<1)], 4).reshaped(shape)
        }
    }

    /// Cosines and sines of the angles `[positions, channels]` by which the channels of a head are rotated.
    private struct Rotation {
        let cos, sin: Tensor
        let pairing: Architecture.Pairing

        init?(_ model: LanguageModel, _ positions: Range<Int>) throws {
            guard case .rotary(let frequencies, let pairing) = model.architecture.positions else { return nil }
            let channels = pairing == .halves ? frequencies + frequencies : frequencies.flatMap { [$0, $0] }
            let rates = try Tensor(channels.map(Float.init), device: model.device).unsqueezed(0)
            let angles = try Tensor.arange(positions, device: model.device).to(.float32).unsqueezed(1) * rates
            (cos, sin) = (try angles.cos(), try angles.sin())
            self.pairing = pairing
        }
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

    // MARK: - Changes and captures

    /// The end of a run that stops after ``depth(_:)`` layers: no scores, `[batch, 0]`.
    private func finish(_ residual: Tensor) throws -> Tensor {
        _ = try visit(.residual(depth(.none)), residual)
        return try Tensor.zeros([residual.shape[0], 0])
    }

    /// Whether the values at a site are asked for or changed.
    private func concerns(_ site: Site) -> Bool {
        wanted.contains(site) || changes.contains { $0.site == site }
    }

    private func visit(_ site: Site, _ value: Tensor) throws -> Tensor {
        let changed = try intervene(site, value)
        if wanted.contains(site) { captured[site] = changed }
        return changed
    }

    /// Queries, keys or values, `[batch, heads, positions, width]`.
    private func visitSplit(_ site: Site, _ value: Tensor) throws -> Tensor {
        guard concerns(site) else { return value }
        return try split(visit(site, merged(value)), value.shape[1])
    }

    /// All heads as one site, and each alone: `[batch, positions, heads x head width]`.
    private func visitHeads(_ layer: Int, _ value: Tensor) throws -> Tensor {
        let width = model.architecture.headWidth
        var value = value
        for head in 0..<model.architecture.heads {
            let site = Site.head(layer: layer, index: head)
            guard concerns(site) else { continue }
            let columns = head * width..<(head + 1) * width
            let part = try value.narrowed(2, columns)
            let changed = try intervene(site, part)
            if changed !== part {
                let indices = try Tensor.arange(columns, device: model.device)
                value = try value.replacing(2, at: indices, with: changed)
            }
            if wanted.contains(site) { captured[site] = changed }
        }
        return try visit(.heads(layer), value)
    }

    private func intervene(_ site: Site, _ value: Tensor) throws -> Tensor {
        var value = value
        var byRow: [Int: Tensor] = [:]
        for change in changes {
            guard case .intervention(let intervention) = change.kind, intervention.site == site else { continue }
            if let row = change.row {
                let part = try byRow[row] ?? value.narrowed(0, row..<row + 1)
                byRow[row] = try apply(intervention, part, lasts: change.lasts)
            } else {
                value = try apply(intervention, value, lasts: change.lasts)
            }
        }
        guard !byRow.isEmpty else { return value }
        let rows = byRow.keys.sorted()
        let parts = rows.compactMap { byRow[$0] }
        if rows.count == value.shape[0] { return try Tensor.concatenated(parts, 0) }
        return try value.replacing(0, at: Tensor(rows, device: model.device), with: Tensor.concatenated(parts, 0))
    }

    private func apply(_ intervention: Intervention, _ value: Tensor, lasts: [Int]) throws -> Tensor {
        let columns: [Int]
        switch intervention.positions {
        case .all: return try changed(value, intervention)
        case .at(let positions): columns = positions.map { $0 - first }
        case .last:
            guard Set(lasts).count == 1 else { return try scattered(intervention, value, at: lasts) }
            columns = [lasts[0] - first]
        case .each(let positions):
            guard Set(positions).count == 1 else { return try scattered(intervention, value, at: positions) }
            columns = [positions[0] - first]
        }
        // Positions that were left behind no longer matter to what is asked for.
        let present = columns.filter { $0 >= 0 }
        guard !present.isEmpty else { return value }
        if columns == [0], value.shape[1] == 1 { return try changed(value, intervention) }
        let indices = try Tensor(present, device: model.device)
        return try value.replacing(1, at: indices, with: changed(value.gathered(1, at: indices), intervention))
    }

    /// One position of each row, another one in each.
    private func scattered(_ intervention: Intervention, _ value: Tensor, at positions: [Int]) throws -> Tensor {
        let columns = positions.map { $0 - first }
        let shape = [value.shape[0], 1, value.shape[2]]
        let indices = try Tensor(columns.map { max(0, $0) }, shape: [shape[0], 1, 1], device: model.device)
        let picked = try changed(value.taking(1, at: indices.expanded(shape)), intervention)
        let places = try Tensor.arange(0..<value.shape[1], device: model.device).reshaped([1, value.shape[1], 1])
        let isPlace = try places .== Tensor(columns, shape: [shape[0], 1, 1], device: model.device)
        return try picked.where(isPlace, else: value)
    }

    private func changed(_ value: Tensor, _ intervention: Intervention) throws -> Tensor {
        guard let units = intervention.units else { return try changed(value, intervention.change) }
        let indices = try Tensor(units, device: model.device)
        return try value.replacing(2, at: indices, with: changed(value.gathered(2, at: indices), intervention.change))
    }

    private func changed(_ value: Tensor, _ change: Intervention.Change) throws -> Tensor {
        let device = model.device
        switch change {
        case .replace(let other): return try other.to(device).expanded(value.shape)
        case .add(let other): return try value + other.to(device)
        case .scale(let factor): return try value * factor
        case .clamp(let range): return try value.clamped(to: range)
        case .projectOut(let basis):
            let basis = try basis.to(device)
            return try value - value.matmul(basis).matmul(basis.transposed())
        case .swap(let read, let write, let source):
            let seen = try (source.to(device) - value).matmul(read.to(device))
            return try value + seen.matmul(write.to(device).transposed())
        case .map(let function): return try function(value)
        }
    }

    /// The hidden activations with those of neurons that read otherwise.
    private func rereading(
        _ edits: [(row: Int?, edit: NeuronEdit)], _ normed: Tensor, _ hidden: Tensor
    ) throws -> Tensor {
        var hidden = hidden
        for (row, edit) in edits {
            guard let change = edit.read else { continue }
            let read = try model.readVectors(edit.neuron) + change
            let rows = row.map { $0..<$0 + 1 } ?? 0..<hidden.shape[0]
            let activations = try model.activation(of: edit.neuron, reading: read, normed.narrowed(0, rows)).unsqueezed(
                2)
            let column = try Tensor([edit.neuron.index], device: model.device)
            let part = try hidden.narrowed(0, rows).replacing(2, at: column, with: activations)
            hidden =
                row == nil ? part : try hidden.replacing(0, at: Tensor(Array(rows), device: model.device), with: part)
        }
        return hidden
    }

    /// A neuron's edit changes the MLP's output at every position by its activation there times `delta`.
    private func adding(_ edits: [(row: Int?, edit: NeuronEdit)], to out: Tensor, hidden: Tensor) throws -> Tensor {
        var out = out
        let shared = edits.filter { $0.row == nil }.map(\.edit)
        if !shared.isEmpty {
            let activations = try hidden.gathered(2, at: shared.map(\.neuron.index))
            out = try out + activations.matmul(Tensor.stacked(shared.map(\.delta)))
        }
        let single = edits.compactMap { edit in edit.row.map { ($0, edit.edit) } }
        guard !single.isEmpty else { return out }
        let byRow = Dictionary(grouping: single) { $0.0 }.sorted { $0.key < $1.key }
        let contributions = try byRow.map { row, edits in
            let activations = try hidden.selected(0, row).gathered(1, at: edits.map(\.1.neuron.index))
            return try activations.matmul(Tensor.stacked(edits.map(\.1.delta)))
        }
        return try out.adding(0, at: Tensor(byRow.map(\.key), device: model.device), Tensor.stacked(contributions))
    }

    /// A change of the output projection adds its product with the hidden activations.
    private func adding(_ deltas: [(row: Int?, delta: MatrixDelta)], to out: Tensor, hidden: Tensor) throws -> Tensor {
        var out = out
        for (row, delta) in deltas {
            guard let row, hidden.shape[0] > 1 else {
                out = try out + delta.output(hidden)
                continue
            }
            let contribution = try delta.output(hidden.narrowed(0, row..<row + 1))
            out = try out.adding(0, at: Tensor([row], device: model.device), contribution)
        }
        return out
    }

    private func matrices(in layer: Int) -> [(row: Int?, delta: MatrixDelta)] {
        changes.compactMap { change in
            guard case .matrix(let delta) = change.kind, delta.layer == layer else { return nil }
            return (change.row, delta)
        }
    }

    private func edits(in layer: Int) -> [(row: Int?, edit: NeuronEdit)] {
        changes.compactMap { change in
            guard case .edit(let edit) = change.kind, edit.neuron.layer == layer else { return nil }
            return (change.row, edit)
        }
    }
}

extension Forward.Change {
    var site: Site? {
        guard case .intervention(let intervention) = kind else { return nil }
        return intervention.site
    }
}
