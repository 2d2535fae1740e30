import SutureModels
import SutureTensor

extension Repair {
    /// What the neurons that have a place in the answer write, more than before, where its token is written.
    ///
    /// `original` is a run of the model as it was before all repairs.
    func describe(
        _ change: WeightChange, _ original: TeacherForcedRun, _ places: [Neuron: Int]
    ) throws -> [RepairReport.ChangedNeuron] {
        let run = try original.changing(Set(places.keys.map(\.layer)))
        return try change.neurons.compactMap { edit in
            try places[edit.neuron].map {
                try describe(edit, run.trace, position: run.failure.places.lowerBound + $0)
            }
        }
    }

    private func describe(_ edit: NeuronEdit, _ trace: Trace, position: Int) throws -> RepairReport.ChangedNeuron {
        let layer = edit.neuron.layer
        let before = try model.writeVector(edit.neuron)
        let old = try trace[.mlpHidden(layer)].selected(1, position).selected(1, edit.neuron.index).item()
        let new =
            try edit.read.map { change in
                let read = try model.readVectors(edit.neuron) + change
                return try model.activation(of: edit.neuron, reading: read, trace.mlpInput(layer).selected(1, position))
                    .item()
            } ?? old
        let written = try (before + edit.delta) * new - before * old
        let pushed = try model.headProducts(with: written * model.finalGain)
        return RepairReport.ChangedNeuron(
            neuron: edit.neuron, rereads: edit.read != nil, change: try edit.delta.norm().item(),
            length: try before.norm().item(), activation: new, promotes: try pushed.top(6).indices.ints().map(text),
            demotes: try (-pushed).top(6).indices.ints().map(text))
    }

    func describe(_ delta: MatrixDelta) throws -> RepairReport.ChangedMatrix {
        RepairReport.ChangedMatrix(
            layer: delta.layer, rank: delta.rank, change: try delta.energy.squareRoot(),
            length: try model.writeVectors(layer: delta.layer).square().sum().item().squareRoot())
    }

    func text(_ token: Int) -> String { tokenizer.decode([token]) }
}
