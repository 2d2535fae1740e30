import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureRepair
import SutureTensor
import SutureTestSupport
import SutureVariants
import Testing

@Suite("Changes that a model's files can hold")
struct StorableTests {
    /// What a new neuron adds may be off by so much, relative to what it adds, over random inputs.
    private static let types: [(GGUFType, Double)] = [
        (.f16, 0.002), (.bf16, 0.01), (.q8_0, 0.03), (.q5_1, 0.12), (.q5_0, 0.12), (.q4_1, 0.22), (.q4_0, 0.22),
        (.iq4_NL, 0.22)
    ]

    /// A tiny model whose MLPs are stored in a type, in a file.
    private func withModel(
        _ type: GGUFType, seed: String = "llama", _ body: (Checkpoint, LanguageModel, URL) throws -> Void
    ) throws {
        var draft = try GGUFDraft.seed(seed, hasTokenizer: false)
        var random = SplitMix64(state: 5)
        for index in draft.tensors.indices
        where draft.tensors[index].name.wholeMatch(of: /.*ffn_.*(up|gate|down)\.weight/) != nil {
            let count = Int(draft.tensors[index].sizes.reduce(1, *))
            draft.tensors[index].type = type.rawValue
            draft.tensors[index].bytes = try (0..<count / type.blockLength).flatMap { _ -> [UInt8] in
                var block = [UInt8](repeating: 0, count: type.blockWidth)
                let values = (0..<type.blockLength).map { _ in Float.random(in: -0.3...0.3, using: &random) }
                try block.withUnsafeMutableBytes { block in
                    try values.withUnsafeBufferPointer { try type.rewrite(block, to: $0) }
                }
                return block
            }
        }
        try withQuickDirectory { directory in
            let url = directory.appending(path: "model.gguf")
            try Data(draft.serialized()).write(to: url)
            let checkpoint = try Checkpoint(url)
            try body(checkpoint, LanguageModel.load(checkpoint), directory)
        }
    }

    private func vector(_ count: Int, _ size: Float, _ random: inout SplitMix64) throws -> Tensor {
        try Tensor((0..<count).map { _ in Float.random(in: -size...size, using: &random) })
    }

    @Test("a new neuron is rounded once, does nearly the same, and is then applied exactly", arguments: types)
    func neuron(type: GGUFType, limit: Double) throws {
        try withModel(type) { checkpoint, model, directory in
            var random = SplitMix64(state: 11)
            let (width, neuron) = (model.architecture.width, Neuron(layer: 1, index: 7))
            // Far outside of what the blocks reach, as the neuron of a repair writes.
            let (written, gate, up) = (
                try vector(width, 40, &random), try vector(width, 1.5, &random), try vector(width, 0.2, &random)
            )
            let old = try model.readVectors(neuron)
            let change = WeightChange(neurons: [
                NeuronEdit(
                    neuron, delta: try written - model.writeVector(neuron),
                    read: try .init(gate: old.gate.map { try gate - $0 }, up: up - old.up))
            ])
            let rounded = try #require(try model.storable(change))
            let changed = try model.applying(rounded)
            // What it adds to the stream for some inputs, beside what it would have.
            let inputs = try vector(64 * width, 1, &random).reshaped([64, width])
            func added(_ model: LanguageModel) throws -> Tensor {
                let activations = try model.activation(of: neuron, reading: model.readVectors(neuron), inputs)
                return try activations.unsqueezed(1) * model.writeVector(neuron)
            }
            let (wanted, found) = (try added(model.applying(change)), try added(changed))
            let error = try (wanted - found).square().sum().item() / wanted.square().sum().item()
            #expect(error.squareRoot() < limit, "\(type.name): \(error.squareRoot())")
            // Rounding what is rounded changes nothing.
            let again = try #require(try model.storable(rounded))
            for (a, b) in zip(again.neurons, rounded.neurons) {
                #expect(try (a.delta - b.delta).abs().max().item() < 1e-5)
            }
            // The patch is held as it is.
            let patch = try Patch(rounded.edits(model.architecture), of: checkpoint, method: .init(name: "by hand"))
            let url = directory.appending(path: "new.gguf")
            let rounding = try #require(
                try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)]).write(to: url))
            #expect(rounding.rounded == 0, "\(type.name): \(rounding)")
            let tokens = [[3, 90, 7, 7, 41]]
            let (one, two) = (
                try changed.run(tokens, logits: .all).logits,
                try LanguageModel.load(Checkpoint(url)).run(tokens, logits: .all).logits
            )
            #expect(try (one - two).abs().max().item() < 1e-4)
        }
    }

    @Test(
        "a neuron that is only changed keeps its scale, and so does one whose activation is not linear in what it reads"
    )
    func scale() throws {
        for seed in ["llama", "gpt2"] {
            try withModel(.q8_0, seed: seed) { _, model, _ in
                let neuron = Neuron(layer: 0, index: 3)
                let old = try model.readVectors(neuron)
                // Nearer to nothing: between the levels that there are.
                let delta = try model.writeVector(neuron) * -0.3
                let read = seed == "gpt2" ? NeuronEdit.Read(gate: nil, up: try old.up * 0.5) : nil
                let change = WeightChange(neurons: [NeuronEdit(neuron, delta: delta, read: read)])
                let rounded = try #require(try model.storable(change)).neurons[0]
                #expect(try (rounded.delta - delta).abs().max().item() < 0.003)
                if let read, let found = rounded.read {
                    #expect(try (found.up - read.up).abs().max().item() < 0.003)
                } else {
                    #expect(rounded.read == nil)
                }
            }
        }
    }

    @Test("where every number can be held, nothing is rounded")
    func exact() throws {
        let model = try LanguageModel.load(Checkpoint(Goldens.url("models/llama")))
        let delta = try Tensor.zeros([model.architecture.width]) + 1e-9
        #expect(
            try model.storable(WeightChange(neurons: [NeuronEdit(Neuron(layer: 0, index: 0), delta: delta)])) == nil)
    }
}
