import SutureModels
import SutureTensor
import Testing

@Suite("Changes of weights")
struct WeightChangeTests {
    static let models = ["llama", "gpt2", "qwen2", "phi"]

    /// Changes of every kind: factors, all elements, neurons, and neurons of a layer whose matrix is changed too.
    private static func changes(_ model: LanguageModel) throws -> [WeightChange] {
        let random = try RandomSource(seed: 4)
        let (d, m) = (model.architecture.width, model.architecture.hiddenWidth)
        func lowRank(_ layer: Int, _ rank: Int) throws -> MatrixDelta {
            MatrixDelta(
                layer: layer, .lowRank(write: try random.normal([d, rank]), read: try random.normal([rank, m]) * 0.1))
        }
        func dense(_ layer: Int) throws -> MatrixDelta {
            MatrixDelta(layer: layer, .dense(try random.normal([d, m]) * 0.1))
        }
        func edit(_ layer: Int, _ index: Int) throws -> NeuronEdit {
            NeuronEdit(Neuron(layer: layer, index: index), delta: try random.normal([d]))
        }
        return [
            WeightChange(matrices: [try lowRank(1, 1)]), WeightChange(matrices: [try dense(2), try lowRank(0, 3)]),
            WeightChange(neurons: [try edit(1, 3), try edit(1, 5)], matrices: [try dense(1)]),
            WeightChange(neurons: [try edit(2, 0)], matrices: [try lowRank(2, 2), try dense(0)]), WeightChange()
        ]
    }

    @Test("a replay equals a run of the changed model", arguments: models)
    func replay(name: String) throws {
        let model = try TinyModel(name).model
        let changes = try Self.changes(model)
        let full = try changes.map { try model.applying($0).run([TinyModel.promptA], logits: .all).logits }
        for capturing in [[], (0..<3).map(Site.mlpHidden)] {
            let trace = try model.trace([TinyModel.promptA], capturing: capturing)
            let together = try trace.replay(changes.map { Alternative(change: $0) }, logits: .all).logits
            #expect(try distance(together, Tensor.concatenated(full, 0)) < 5e-5)
            for (change, expected) in zip(changes, full) where !change.isEmpty {
                #expect(try distance(trace.replay([Alternative(change: change)], logits: .all).logits, expected) < 5e-5)
                let next = try trace.applying(change)
                #expect(try distance(next.logits, expected.selected(1, TinyModel.promptA.count - 1)) < 5e-5)
            }
        }
    }

    @Test("one change of all prompts equals runs of the changed model", arguments: models)
    func sharedReplay(name: String) throws {
        let model = try TinyModel(name).model
        let prompts = [TinyModel.promptA, Array(TinyModel.promptA.prefix(3))]
        let trace = try model.trace(prompts)
        for change in try Self.changes(model) {
            let changed = try model.applying(change)
            let last = Site.residual(model.architecture.layers)
            let replay = try trace.replay(prompts: [1, 0], change: change, capturing: [last])
            for (row, prompt) in [1, 0].enumerated() {
                let run = try changed.run([prompts[prompt]], capturing: [last])
                #expect(try distance(replay.logits.narrowed(0, row..<row + 1), run.logits) < 5e-5)
                guard !change.isEmpty else { continue }
                let residual = try replay[last].narrowed(0, row..<row + 1).narrowed(1, 0..<prompts[prompt].count)
                #expect(try distance(residual, run[last]) < 5e-4)
            }
        }
        let above = try model.trace(prompts, from: 1)
        let below = WeightChange(neurons: [
            NeuronEdit(Neuron(layer: 0, index: 0), delta: try .zeros([model.architecture.width]))
        ])
        #expect(throws: ModelError.self) { _ = try above.replay(prompts: [0], change: below) }
    }

    @Test("the sum of two changes is one after the other", arguments: models)
    func sum(name: String) throws {
        let model = try TinyModel(name).model
        let changes = try Self.changes(model)
        func logits(_ model: LanguageModel) throws -> Tensor { try model.run([TinyModel.promptA]).logits }
        for first in changes {
            for second in changes {
                let both = try first.adding(second)
                #expect(Set(both.neurons.map(\.neuron)).count == both.neurons.count)
                #expect(Set(both.matrices.map(\.layer)).count == both.matrices.count)
                let expected = try logits(model.applying(first).applying(second))
                #expect(try distance(logits(model.applying(both)), expected) < 5e-5)
            }
        }
        let few = try Self.changes(model)[0].matrices[0]
        #expect(try few.adding(few).rank == 2)
    }

    @Test("the norm is that of the weights' difference", arguments: models)
    func norm(name: String) throws {
        let model = try TinyModel(name).model
        for change in try Self.changes(model) {
            let changed = try model.applying(change)
            let squares = try (0..<3).map { layer in
                try (changed.writeVectors(layer: layer) - model.writeVectors(layer: layer)).square().sum().item()
            }
            let expected = squares.reduce(0, +).squareRoot()
            #expect(abs(try change.norm - expected) <= 1e-4 * max(1, expected))
        }
    }

    @Test("gradients of a replay with respect to factors and elements are finite differences", arguments: models)
    func gradients(name: String) throws {
        let model = try TinyModel(name).model
        let trace = try model.trace([TinyModel.promptA], capturing: [.mlpHidden(1)])
        let change = try Self.changes(model)[1]
        guard case .dense(let matrix) = change.matrices[0].form, case .lowRank(let b, let a) = change.matrices[1].form
        else { return }
        func loss(_ values: [Tensor]) throws -> Tensor {
            let matrices = [
                MatrixDelta(layer: 2, .dense(values[0])),
                MatrixDelta(layer: 1, .lowRank(write: values[1], read: values[2]))
            ]
            let logits = try trace.replay([Alternative(change: WeightChange(matrices: matrices))]).logits
            return try -logits.logSoftmax().selected(1, 7).sum()
        }
        let leaves = try [matrix, b, a].map { try $0.tracked() }
        let gradients = try loss(leaves).gradients(of: leaves)
        let random = try RandomSource(seed: 9)
        for index in leaves.indices {
            let direction = try random.normal(leaves[index].shape) / Double(leaves[index].count).squareRoot()
            func moved(_ step: Double) throws -> Double {
                var values = [matrix, b, a]
                values[index] = try values[index] + direction * step
                return try loss(values).item()
            }
            let difference = try (moved(5e-2) - moved(-5e-2)) / 0.1
            let slope = try (gradients[index] * direction).sum().item()
            #expect(abs(difference - slope) < 2e-2 * max(0.1, abs(slope)), "\(index): \(difference), \(slope)")
        }
    }

    @Test("a change that does not fit the model is refused")
    func misfits() throws {
        let model = try TinyModel("llama").model
        let (d, m) = (model.architecture.width, model.architecture.hiddenWidth)
        let zeros = try Tensor.zeros([d, m])
        let narrow = try Tensor.zeros([d, 2])
        let misfits = [
            MatrixDelta(layer: 3, .dense(zeros)), MatrixDelta(layer: -1, .dense(zeros)),
            MatrixDelta(layer: 0, .dense(try zeros.transposed())),
            MatrixDelta(layer: 0, .lowRank(write: narrow, read: try .zeros([3, m])))
        ]
        let trace = try model.trace([TinyModel.promptA])
        for misfit in misfits {
            let change = WeightChange(matrices: [misfit])
            #expect(throws: ModelError.self) { _ = try model.applying(change) }
            #expect(throws: ModelError.self) { _ = try trace.replay([Alternative(change: change)]) }
        }
    }
}
