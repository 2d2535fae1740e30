import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import SutureVariants
import Testing

@testable import SutureModels

@Suite("Weights as they are stored")
struct StoredWeightTests {
    static let names = TinyModel.names.filter { !["llama-sharded", "llama-bf16"].contains($0) }

    /// Room for all weights, for some of them, and for none.
    private static let rooms = [1 << 30, 20_000, 0]

    private static let prompts = [TinyModel.promptA, TinyModel.promptB]

    /// A tiny model's snapshot with its weights cut to another type.
    private func withSnapshot<Result>(
        _ name: String, _ type: StorageType, _ body: (Checkpoint) throws -> Result
    ) throws -> Result {
        let original = try Checkpoint(Goldens.url("models/\(name)"))
        return try withQuickDirectory { directory in
            let sources = try original.tensors.map { tensor in
                let data = try original.data(of: tensor)
                let floats = try Tensor(data, of: tensor).to(.float32).floats()
                let bytes = floats.flatMap { value -> [UInt8] in
                    let bits =
                        type == .bfloat16 ? UInt16(value.bitPattern >> 16) : UInt16(Self.half(value))
                    return [UInt8(bits & 255), UInt8(bits >> 8)]
                }
                return SafetensorsSource(tensor.name, type, tensor.shape, bytes: bytes)
            }
            try Data(original.config.value.serialized()).write(to: directory.appending(path: "config.json"))
            try SafetensorsWriter.write(sources, to: directory.appending(path: "model.safetensors"))
            return try body(Checkpoint(directory))
        }
    }

    /// The bits of a half near a number between 2^-14 and 2^15, or of zero.
    private static func half(_ value: Float) -> UInt32 {
        let bits = value.bitPattern
        let exponent = Int((bits >> 23) & 255) - 127 + 15
        let sign = (bits >> 31) << 15
        guard exponent > 0 else { return sign }
        return sign | UInt32(exponent) << 10 | (bits >> 13) & 1023
    }

    /// The model as it was before weights could stay stored: all of them are float32, made when it is loaded.
    private func widened(_ checkpoint: Checkpoint) throws -> LanguageModel {
        try LanguageModel(Architecture(checkpoint), tensors: checkpoint.weights { _, _ in nil })
    }

    private func stored(_ checkpoint: Checkpoint, room: Int) throws -> LanguageModel {
        let memory = WeightMemory(limit: room, spare: 1 << 20)
        let model = try LanguageModel(
            Architecture(checkpoint),
            tensors: checkpoint.storedWeights(in: memory, on: .cpu) { _, _ in nil }, device: .cpu, memory: memory)
        // What a run finds must not depend on what was held before it.
        _ = try model.run(Self.prompts)
        return model
    }

    /// All that depends on weights, as bits.
    private func results(_ model: LanguageModel) throws -> [String: [UInt32]] {
        var found: [String: [UInt32]] = [:]
        func note(_ what: String, _ tensor: Tensor) throws { found[what] = try tensor.floats().map(\.bitPattern) }
        let (width, layer) = (model.architecture.width, 1)
        try note("all scores", model.run(Self.prompts, logits: .all).logits)
        try note("some scores", model.run(Self.prompts, logits: .lastOf([3, 42])).logits)

        let trace = try model.trace(Self.prompts, capturing: [.mlpHidden(layer)])
        try note("trace", trace.logits)
        let random = try RandomSource(seed: 3)
        let neuron = Neuron(layer: layer, index: 5)
        let read = try model.readVectors(neuron)
        let edit = NeuronEdit(
            neuron, delta: try random.normal([width]),
            read: NeuronEdit.Read(gate: try read.gate.map { try $0 * 0.5 }, up: try read.up * 0.5))
        let matrix = MatrixDelta(
            layer: 0,
            .lowRank(
                write: try random.normal([width, 1]), read: try random.normal([1, model.architecture.hiddenWidth])))
        for (name, change) in [
            ("a neuron", WeightChange(neurons: [edit])), ("a matrix", WeightChange(neurons: [edit], matrices: [matrix]))
        ] {
            try note("replay of \(name)", trace.replay([Alternative(prompt: 1, change: change)], logits: .all).logits)
            try note("model with \(name)", model.applying(change).run(Self.prompts).logits)
            found["norm of \(name)"] = [Float(try model.relativeNorm(of: change)).bitPattern]
        }
        try note("read vector", read.up)
        try note("write vector", model.writeVector(neuron))
        try note("head", model.head)
        try note("rows of the head", model.headRows(of: [7, 0, 7]))
        try note("products with the head", model.headProducts(with: random.normal([width])))
        try note("gram", model.headGram())
        try note("embedding", model.embedding(42))
        try note("queries", model.queryReading(layer: layer, head: 1))

        let leaf = try random.normal([Self.prompts[0].count, width]).unsqueezed(0).tracked()
        let run = try model.run(
            [Self.prompts[0]],
            [Intervention(.residual(0), .replace(leaf))])
        let loss = try run.logits.logSoftmax().selected(1, 7).sum()
        try note("gradient", loss.gradients(of: [leaf])[0])
        return found
    }

    private func compare(_ checkpoint: Checkpoint) throws {
        let expected = try results(widened(checkpoint))
        for room in Self.rooms {
            let model = try stored(checkpoint, room: room)
            let found = try results(model)
            #expect(found.count == expected.count)
            for (what, bits) in expected { #expect(found[what] == bits, "\(what), room for \(room) bytes") }
            #expect(model.memory.heldBytes <= room)
            #expect(room == 0 || model.memory.heldBytes > 0)
        }
    }

    @Test("bfloat16 held or widened again gives the bits of float32", arguments: names)
    func bfloat16(name: String) throws { try withSnapshot(name, .bfloat16, compare) }

    @Test("float16, too", arguments: ["llama", "gpt2", "gpt-neox"])
    func float16(name: String) throws { try withSnapshot(name, .float16, compare) }

    @Test("the blocks of a GGUF file, too", arguments: GGUFDraft.names)
    func blocks(name: String) throws {
        try GGUFDraft.seed(name, hasTokenizer: false).withFile { try compare(Checkpoint($0)) }
    }

    @Test("what is held is given back with the last model that has it")
    func heldIsGivenBack() throws {
        try withSnapshot("llama", .bfloat16) { checkpoint in
            var model: LanguageModel? = try stored(checkpoint, room: 1 << 30)
            let memory = try #require(model).memory
            let all = memory.heldBytes
            let width = try #require(model).architecture.width
            var changed: LanguageModel? = try #require(model).applying(
                WeightChange(neurons: [NeuronEdit(Neuron(layer: 1, index: 0), delta: .full([width], 1))]))
            _ = try #require(changed).run(Self.prompts)
            #expect(memory.heldBytes == all)
            model = nil
            #expect(memory.heldBytes < all && memory.heldBytes > 0)
            changed = nil
            #expect(memory.heldBytes == 0)
        }
    }

    @Test("a head that is read in blocks gives the bits of one that is read as a whole", arguments: [1, 3, 40])
    func headInBlocks(rows: Int) throws {
        let random = try RandomSource(seed: 8)
        let narrow = try random.normal([5000, 48]).to(.bfloat16)
        let (input, bias) = (try random.normal([2, rows, 48]), try random.normal([5000]))
        func head(_ room: Int) throws -> OutputHead {
            OutputHead(
                stored: try StoredTensor(narrow, on: .cpu, WeightMemory(limit: room, spare: 1 << 20)), bias: bias,
                limit: 4)
        }
        let (held, again) = (try head(1 << 30), try head(0))
        #expect(OutputHead.blocks(of: [5000, 48], limit: 4).count == 5)
        let scores = try input.linear(narrow.to(.float32), bias: bias)
        let vector = try random.normal([48])
        let wide = try narrow.to(.float64)
        let gram = try wide.transposed().matmul(wide)
        let exact = try wide.linear(vector.to(.float64).unsqueezed(0)).squeezed(1)
        let leaf = try input.tracked()
        var gradients: [[Float]] = []
        for head in [held, again] {
            #expect(try distance(head(input), scores) < 1e-4)
            #expect(try distance(head.products(with: vector).to(.float64), exact) < 1e-4)
            #expect(try distance(head.gram().to(.float64), gram) < 0.05)
            gradients.append(try head(leaf).square().sum().gradients(of: [leaf])[0].floats())
        }
        #expect(gradients[0] == gradients[1])
        #expect(try held(input).floats() == again(input).floats())
        #expect(try held.products(with: vector).floats() == again.products(with: vector).floats())
        #expect(try held.gram().floats() == again.gram().floats())
    }

    /// What passes over batches hand over, as bits, in order.
    private func passes(_ model: LanguageModel) throws -> [(String, [UInt32])] {
        var found: [(String, [UInt32])] = []
        func note(_ what: String, _ tensor: Tensor) throws {
            found.append((what, try tensor.floats().map(\.bitPattern)))
        }
        let batches = [[TinyModel.promptB, TinyModel.promptA], [[5, 9]], [TinyModel.promptA]]
        let last = Site.residual(model.architecture.layers)
        var captured: [Site: [(Int, Tensor)]] = [:]
        try model.capture([.mlpHidden(0), .attentionOut(1), last], in: batches) {
            captured[$1, default: []].append(($0, $2))
        }
        for (site, values) in captured.sorted(by: { $0.key.description < $1.key.description }) {
            #expect(values.map(\.0) == Array(batches.indices))
            for (batch, value) in values { try note("\(site) \(batch)", value) }
        }
        #expect(captured.count == 3)
        try model.mlpReadings(1, of: batches) { batch, input, hidden in
            try note("input \(batch)", input)
            try note("hidden \(batch)", hidden)
        }
        try model.traces(batches, capturing: [.mlpHidden(1)], from: 1) { batch, trace in
            try note("logits \(batch)", trace.logits)
            try note("traced \(batch)", trace[.mlpHidden(1)])
            try note("stream \(batch)", trace[.residual(1)])
            let replay = try trace.replay([Alternative([Intervention(.mlpOut(1), at: .last, .scale(0.5))])])
            try note("replay \(batch)", replay.logits)
        }
        return found
    }

    @Test("passes over texts give the same bits layer by layer and text by text", arguments: ["llama", "gpt2", "phi"])
    func layerByLayer(name: String) throws {
        try withSnapshot(name, .bfloat16) { checkpoint in
            let byText = try passes(stored(checkpoint, room: 1 << 30))
            let byLayer = try passes(stored(checkpoint, room: 0))
            #expect(byText.map(\.0) == byLayer.map(\.0))
            for (a, b) in zip(byText, byLayer) { #expect(a.1 == b.1, "\(a.0)") }
            // Beside single runs, which know of no passes.
            let model = try widened(checkpoint)
            let batch = [TinyModel.promptB, TinyModel.promptA]
            let run = try model.run(batch, capturing: [.attentionOut(1)])
            #expect(try byLayer.first { $0.0 == "attn.1.out 0" }?.1 == run[.attentionOut(1)].floats().map(\.bitPattern))
            let trace = try model.trace(batch, capturing: [.mlpHidden(1)])
            #expect(try byLayer.first { $0.0 == "logits 0" }?.1 == trace.logits.floats().map(\.bitPattern))
            #expect(try byLayer.first { $0.0 == "input 0" }?.1 == trace.mlpInput(1).floats().map(\.bitPattern))
            #expect(
                try byLayer.first { $0.0 == "hidden 0" }?.1 == trace[.mlpHidden(1)].floats().map(\.bitPattern))
        }
    }

    @Test("a model that does not fit the bound is refused before it is loaded")
    func bound() throws {
        let url = Goldens.url("models/llama-bf16")
        #expect(throws: ModelError.self) { try LanguageModel.load(url, memory: 1 << 20) }
        #expect(try LanguageModel.load(url, memory: 1 << 30).memory.limit > 0)
    }
}
