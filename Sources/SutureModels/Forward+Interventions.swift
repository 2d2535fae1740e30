import SutureTensor

/// Where a run changes activations, and keeps them.
extension Forward {
    /// Whether the values at a site are asked for or changed.
    func concerns(_ site: Site) -> Bool {
        wanted.contains(site) || changes.contains { $0.site == site }
    }

    func visit(_ site: Site, _ value: Tensor) throws -> Tensor {
        let changed = try intervene(site, value)
        if wanted.contains(site) { captured[site] = changed }
        return changed
    }

    /// Queries, keys or values, `[batch, heads, positions, width]`.
    func visitSplit(_ site: Site, _ value: Tensor) throws -> Tensor {
        guard concerns(site) else { return value }
        return try split(visit(site, merged(value)), value.shape[1])
    }

    /// All heads as one site, and each alone: `[batch, positions, heads x head width]`.
    func visitHeads(_ layer: Int, _ value: Tensor) throws -> Tensor {
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
}

extension Forward.Change {
    var site: Site? {
        guard case .intervention(let intervention) = kind else { return nil }
        return intervention.site
    }
}
