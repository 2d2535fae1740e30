import SutureModels
import SutureSubspaces
import SutureTensor
import Testing

@Suite("Pathways of patches, on tiny models")
struct PathwayTests {
    static let prompts: [[Int]] = [[5, 17, 42, 8, 60], [9, 3, 77, 21, 14, 30, 2], [81, 64, 50]]

    static func material(_ model: LanguageModel) throws -> PatchPathway.Material {
        var random = SeededGenerator(seed: 8)
        let reference = (0..<12).map { index in (0..<6 + index % 4).map { _ in random.below(96) } }
        var material = PatchPathway.Material(cases: prompts.map { ($0, 33) }, reference: reference)
        material.contexts = [[1, 2, 3], [50, 60]]
        material.reworded = [([7, 17, 42, 8, 60], 33)]
        return material
    }

    /// The margin of token 33 over the original's favorite, by full runs.
    static func margin(_ model: LanguageModel, _ original: LanguageModel) throws -> Double {
        try prompts.map { prompt in
            let before = try original.run([prompt]).logits.top(2).indices.ints()
            let logits = try model.run([prompt]).logits.squeezed(0)
            return try logits.selected(0, 33).item()
                - logits.selected(0, before[0] == 33 ? before[1] : before[0]).item()
        }.reduce(0, +) / Double(prompts.count)
    }

    enum Kind: String, CaseIterable { case writes, rereads, rankOne, attention, queries }

    /// A model with one kind of change.
    static func changed(_ model: LanguageModel, _ name: String, _ kind: Kind) throws -> LanguageModel {
        let random = try RandomSource(seed: 4)
        let architecture = model.architecture
        let neuron = Neuron(layer: 1, index: 6)
        let push = try model.head.selected(0, 33) * 3.0
        switch kind {
        case .writes: return try model.editing([NeuronEdit(neuron, delta: push)])
        case .rereads:
            let read = try random.normal([architecture.width])
            return try model.editing([
                NeuronEdit(
                    neuron, delta: push, read: .init(gate: architecture.isGated ? read : nil, up: read))
            ])
        case .rankOne:
            let edit = RankOneEdit(layer: 2, write: push, read: try random.normal([architecture.hiddenWidth]) * 0.3)
            return try model.editing(edit.neuronEdits)
        case .attention, .queries:
            let tensors =
                name == "gpt2"
                ? ["transformer.h.1.attn.c_proj.weight", "transformer.h.1.attn.c_attn.weight"]
                : ["model.layers.1.self_attn.o_proj.weight", "model.layers.1.self_attn.q_proj.weight"]
            let shape = kind == .queries && name == "gpt2" ? [32, 96] : [32, 32]
            return try model.replacing([tensors[kind == .attention ? 0 : 1]: random.normal(shape) * 0.5])
        }
    }

    @Test(
        "every kind of change is examined: alone and without are full runs, routes add up where nothing lies between",
        arguments: SubspaceTests.models, Kind.allCases)
    func kinds(name: String, kind: Kind) throws {
        let model = try SubspaceTests.model(name)
        let patched = try Self.changed(model, name, kind)
        let study = try PatchPathway(model, patched, on: Self.material(model), modelName: name)
        #expect(study.parts.count == 1 && study.unexamined.isEmpty)
        let part = try #require(study.parts.first)
        #expect(abs(study.before.value - (try Self.margin(model, model))) < 1e-4)
        #expect(abs(study.after.value - (try Self.margin(patched, model))) < 1e-4)
        #expect(abs(part.alone - study.after.value) < 1e-4)
        #expect(abs(part.without - study.before.value) < 1e-4)
        #expect(study.generalisation.map(\.prompts) == [6, 1])
        #expect(part.push > 0 && part.specificity > 0 && part.neighborRatio > 0)
        switch kind {
        case .writes:
            #expect(part.name == "mlp.1" && part.rank == 1 && part.rangeExit == nil)
            let writing = try #require(try model.writing(.mlpHidden(1)))
            // A neuron's axis has the share of its row in the projector.
            let axis = try Tensor.zeros([writing.shape[1]]).adding(0, at: Tensor([6]), Tensor([1] as [Float]))
            let share = try RowSpace(of: writing).row(axis).square().sum().item()
            #expect(abs(try #require(part.rowShare) - share) < 1e-5)
            #expect(abs(try #require(study.routes[.oldOutputs]) - study.before.value) < 1e-4)
        case .rereads: #expect(part.name == "mlp.1" && part.rank == 1 && part.rangeExit != nil)
        case .rankOne: #expect(part.name == "mlp.2" && part.rank == 1)
        case .attention: #expect(part.name == "attn.1" && part.rowShare != nil)
        case .queries:
            #expect(part.name == "attn.1" && part.rank == 0 && part.rowShare == nil && part.rangeExit != nil)
            #expect(abs(try #require(study.routes[.oldOutputs]) - study.after.value) < 1e-4)
            #expect(abs(try #require(study.routes[.readsKernel]) - study.before.value) < 1e-4)
        }
    }

    @Test("an edit that reads the kernel alone acts by that route alone, and is dormant")
    func kernel() throws {
        let model = try SubspaceTests.model("llama")
        let writing = try #require(try model.writing(.mlpHidden(1)))
        let space = try RowSpace(of: writing)
        let hidden = try model.run([Self.prompts[0]], capturing: [.mlpHidden(1)])[.mlpHidden(1)].selected(1, 4)
        for (part, route) in [
            (try space.null(hidden), PatchPathway.Route.readsKernel), (try space.row(hidden), .readsRow)
        ] {
            let read = try part.to(.float32).squeezed(0)
            let edit = RankOneEdit(
                layer: 1, write: try model.head.selected(0, 33) * 2.0, read: try read / read.square().sum())
            let study = try PatchPathway(
                model, model.editing(edit.neuronEdits), on: Self.material(model), modelName: "llama")
            #expect(abs(study.share(route) - 1) < 0.05, "\(route)")
            for other in PatchPathway.Route.allCases where other != route { #expect(abs(study.share(other)) < 0.05) }
            #expect(abs(try #require(study.parts.first?.rowShare) - (route == .readsRow ? 1 : 0)) < 1e-3)
        }
    }

    @Test("nothing to examine is an error")
    func refused() throws {
        let model = try SubspaceTests.model("llama")
        #expect(throws: SubspaceError.self) {
            try PatchPathway(model, model, on: Self.material(model), modelName: "llama")
        }
        var material = try Self.material(model)
        material.cases = []
        let patched = try Self.changed(model, "llama", .writes)
        #expect(throws: SubspaceError.self) { try PatchPathway(model, patched, on: material, modelName: "llama") }
    }
}
