import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureRepair
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Patches of changes")
struct ChangePatchTests {
    /// Neurons, factors and all elements, in layers of their own and together.
    private static func change(_ architecture: Architecture) throws -> WeightChange {
        let random = try RandomSource(seed: 3)
        let (d, m) = (architecture.width, architecture.hiddenWidth)
        let gate = architecture.isGated ? try random.normal([d]) : nil
        return WeightChange(
            neurons: [
                NeuronEdit(Neuron(layer: 1, index: 4), delta: try random.normal([d])),
                NeuronEdit(
                    Neuron(layer: 1, index: 2), delta: try random.normal([d]),
                    read: .init(gate: gate, up: try random.normal([d])))
            ],
            matrices: [
                MatrixDelta(layer: 1, .lowRank(write: try random.normal([d, 2]), read: try random.normal([2, m]))),
                MatrixDelta(layer: 2, .dense(try random.normal([d, m])))
            ])
    }

    @Test(
        "a checkpoint with the patch is the changed model, and without it the base",
        arguments: ["llama", "gpt2", "phi3"])
    func laws(name: String) throws {
        let checkpoint = try Checkpoint(Goldens.url("models/\(name)"))
        let model = try LanguageModel.load(checkpoint)
        let change = try Self.change(model.architecture)
        let patch = try Patch(
            change.edits(model.architecture), of: checkpoint, method: .init(name: "test"))
        let patched = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)])
        let expected = try model.applying(change).run([RepairTests.prompt], logits: .all).logits
        func logits(_ checkpoint: PatchedCheckpoint) throws -> Tensor {
            try LanguageModel.load(checkpoint.checkpoint, replacing: checkpoint.data)
                .run([RepairTests.prompt], logits: .all).logits
        }
        #expect(try (logits(patched) - expected).abs().max().item() < 1e-4)
        let original = try model.run([RepairTests.prompt], logits: .all).logits
        #expect(try (expected - original).abs().max().item() > 0.1)
        #expect(try logits(patched.removing(patch.id)).floats() == original.floats())
        let kinds = Set(patch.edits.map(\.kind))
        #expect(kinds.isSuperset(of: [.lowRank, .dense]))
    }
}
