import SutureTensor

/// Changes of weights, as the MLP of a layer computes with them.
extension Forward {
    /// The hidden activations with those of neurons that read otherwise.
    func rereading(
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
    func adding(_ edits: [(row: Int?, edit: NeuronEdit)], to out: Tensor, hidden: Tensor) throws -> Tensor {
        var out = out
        let shared = edits.filter { $0.row == nil }.map(\.edit)
        if !shared.isEmpty {
            let activations = try hidden.indexSelected(2, at: shared.map(\.neuron.index))
            out = try out + activations.matmul(Tensor.stacked(shared.map(\.delta)))
        }
        let single = edits.compactMap { edit in edit.row.map { ($0, edit.edit) } }
        guard !single.isEmpty else { return out }
        let byRow = Dictionary(grouping: single) { $0.0 }.sorted { $0.key < $1.key }
        let contributions = try byRow.map { row, edits in
            let activations = try hidden.selected(0, row).indexSelected(1, at: edits.map(\.1.neuron.index))
            return try activations.matmul(Tensor.stacked(edits.map(\.1.delta)))
        }
        return try out.adding(0, at: Tensor(byRow.map(\.key), device: model.device), Tensor.stacked(contributions))
    }

    /// A change of the output projection adds its product with the hidden activations.
    func adding(_ deltas: [(row: Int?, delta: MatrixDelta)], to out: Tensor, hidden: Tensor) throws -> Tensor {
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

    func matrices(in layer: Int) -> [(row: Int?, delta: MatrixDelta)] {
        changes.compactMap { change in
            guard case .matrix(let delta) = change.kind, delta.layer == layer else { return nil }
            return (change.row, delta)
        }
    }

    func edits(in layer: Int) -> [(row: Int?, edit: NeuronEdit)] {
        changes.compactMap { change in
            guard case .edit(let edit) = change.kind, edit.neuron.layer == layer else { return nil }
            return (change.row, edit)
        }
    }
}
