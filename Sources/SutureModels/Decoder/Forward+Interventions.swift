import SutureTensor

/// Where a run changes activations, and keeps them.
extension Forward {
    /// Whether the values at a site are asked for or changed.
    func concerns(_ site: Site) -> Bool {
        wanted.contains(site) || model.intervenes(at: site) || changes.contains { $0.site == site }
    }

    func visit(_ site: Site, _ value: Tensor) throws -> Tensor {
        let changed = try intervene(site, value)
        if wanted.contains(site) { captured[site] = changed }
        return changed
    }

    /// Scores at the last position of each row alone, `[batch, 1, vocabulary]`: what speaks of others changes nothing.
    func visitLastScores(_ value: Tensor, at lasts: [Int]) throws -> Tensor {
        var value = value
        for change in changes {
            guard case .intervention(let intervention) = change.kind, intervention.site == .logits else { continue }
            let rows = change.row.map { [$0] } ?? Array(lasts.indices)
            let columns = rows.enumerated().map { intervention.positions.column(of: lasts[$1], row: $0) }
            // Together where all rows agree, since a function may look at the whole batch.
            if change.row == nil, let column = columns[0], Set(columns).count == 1 {
                value = try intervention.narrowed(column: column).applied(to: value)
                continue
            }
            for (index, row) in rows.enumerated() {
                guard let column = columns[index] else { continue }
                let own = try intervention.narrowed(row: index, column: column)
                let part = try own.applied(to: value.narrowed(0, row..<row + 1))
                value = try value.replacing(0, at: Tensor([row], device: model.device), with: part)
            }
        }
        if wanted.contains(.logits) { captured[.logits] = value }
        return value
    }

    /// Queries, keys or values, `[batch, heads, positions, width]`.
    func visitSplit(_ site: Site, _ value: Tensor) throws -> Tensor {
        guard concerns(site) else { return value }
        return try split(visit(site, merged(value)), value.shape[1])
    }

    /// All heads as one site, and each alone: `[batch, positions, heads x head width]`. What changes each run comes
    /// before what changes this one, at both.
    func visitHeads(_ layer: Int, _ value: Tensor) throws -> Tensor {
        let width = model.architecture.headWidth
        var value = try model.intervened(.heads(layer), value)
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

    /// Whether the values at a site have had what changes each run before they come here: the stream where it was made, so
    /// that a replay which resumes there does not change it again, and the heads before each of them.
    private func wasIntervened(_ site: Site) -> Bool {
        switch site {
        case .residual, .heads: true
        default: false
        }
    }

    private func intervene(_ site: Site, _ value: Tensor) throws -> Tensor {
        var value = wasIntervened(site) ? value : try model.intervened(site, value)
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
        case .all: return try intervention.applied(to: value)
        case .at(let positions): columns = positions.map { $0 - first }
        case .last:
            guard Set(lasts).count == 1 else { return try scattered(intervention, value, at: lasts) }
            columns = [lasts[0] - first]
        case .each(let positions):
            guard Set(positions).count == 1 else { return try scattered(intervention, value, at: positions) }
            columns = [positions[0] - first]
        }
        if columns == [0], value.shape[1] == 1 { return try intervention.applied(to: value) }
        let indices = try Tensor(columns, device: model.device)
        return try value.replacing(1, at: indices, with: intervention.applied(to: value.indexSelected(1, at: indices)))
    }

    /// One position of each row, another one in each.
    private func scattered(_ intervention: Intervention, _ value: Tensor, at positions: [Int]) throws -> Tensor {
        let columns = positions.map { $0 - first }
        let shape = [value.shape[0], 1, value.shape[2]]
        let indices = try Tensor(columns.map { max(0, $0) }, shape: [shape[0], 1, 1], device: model.device)
        let picked = try intervention.applied(to: value.gathered(1, at: indices.expanded(shape)))
        let places = try Tensor.arange(0..<value.shape[1], device: model.device).reshaped([1, value.shape[1], 1])
        let isPlace = try places .== Tensor(columns, shape: [shape[0], 1, 1], device: model.device)
        return try picked.where(isPlace, else: value)
    }
}

extension Intervention {
    /// The same for one column of those that it speaks of, and for one of its rows.
    fileprivate func narrowed(row: Int? = nil, column: Int) throws -> Intervention {
        func part(_ tensor: Tensor) throws -> Tensor {
            var part = tensor
            if let row, part.rank == 3, part.shape[0] > 1 { part = try part.narrowed(0, row..<row + 1) }
            let axis = part.rank - 2
            return axis >= 0 && part.shape[axis] > 1 ? try part.narrowed(axis, column..<column + 1) : part
        }
        var narrowed = self
        switch change {
        case .replace(let value): narrowed.change = .replace(try part(value))
        case .add(let value): narrowed.change = .add(try part(value))
        case .swap(let read, let write, let source):
            narrowed.change = .swap(read: read, write: write, from: try part(source))
        case .scale, .clamp, .projectOut, .map: break
        }
        return narrowed
    }
}

extension Intervention.Positions {
    /// Which of the columns that are spoken of is the last position of a row's prompt; nil where none is.
    fileprivate func column(of last: Int, row: Int) -> Int? {
        switch self {
        case .all: last
        case .last: 0
        case .at(let positions): positions.firstIndex(of: last)
        case .each(let positions): positions[row] == last ? 0 : nil
        }
    }
}

extension Forward.Change {
    var site: Site? {
        guard case .intervention(let intervention) = kind else { return nil }
        return intervention.site
    }
}
