import SutureModels
import SutureSubspaces
import SutureTensor
import SutureTestSupport
import Testing

@Suite("What parts write toward an answer")
struct LensTests {
    static let models = ["llama-bias", "gpt2", "gptj", "gpt-neox", "qwen3", "gemma", "phi"]
    static let prompt = [5, 60, 23, 91, 7, 42, 88, 3]

    @Test("all parts add up to the logit difference; heads and neurons to theirs, less biases", arguments: models)
    func sums(name: String) throws {
        let model = try SubspaceTests.model(name)
        let logits = try model.run([Self.prompt]).logits.squeezed(0)
        let difference = try logits.selected(0, 7).item() - logits.selected(0, 31).item()
        let whole = try DirectAttribution(model, Self.prompt, answer: 7, less: 31, strongest: .max)
        #expect(abs(whole.total - difference) < 1e-4 * max(1, abs(difference)))
        let parts = whole.attention.reduce(0, +) + whole.mlp.reduce(0, +) + whole.embedding + whole.constant
        #expect(abs(parts - whole.total) < 1e-4 * max(1, abs(difference)))
        let alone = try DirectAttribution(model, Self.prompt, answer: 7)
        #expect(try abs(alone.total - logits.selected(0, 7).item()) < 1e-3)

        // Switching a head off takes its own part out of what attention writes; so does a neuron of the MLP.
        let direction = try model.scoreReading(of: 7, less: 31).direction
        let top = model.architecture.layers
        let last = Self.prompt.count - 1
        let final = try model.run([Self.prompt], capturing: [.residual(top)])[.residual(top)].selected(1, last)
            .squeezed(0)
        let scale = try model.finalScale(of: final)
        func written(_ site: Site, _ changes: [Intervention] = []) throws -> Double {
            let value = try model.run([Self.prompt], changes, capturing: [site], logits: .all)[site].selected(1, last)
            return try (value.squeezed(0).to(.float64) * direction).sum().item() * scale
        }
        let heads = try #require(whole.heads)
        for layer in 0..<top {
            for head in 0..<model.architecture.heads {
                let without = try written(
                    .attentionOut(layer), [Intervention(.head(layer: layer, index: head), .scale(0))])
                #expect(try abs(written(.attentionOut(layer)) - without - heads[layer][head]) < 1e-4)
            }
        }
        for share in try #require(whole.neurons).prefix(5) {
            let (layer, index) = (share.neuron.layer, share.neuron.index)
            let without = try written(.mlpOut(layer), [Intervention(.mlpHidden(layer), units: [index], .scale(0))])
            #expect(try abs(written(.mlpOut(layer)) - without - share.effect) < 1e-4)
        }
    }

    @Test(
        "where a norm or a factor lies between a head and the stream, heads and neurons are left out",
        arguments: ["models-gemma2-100003", "models-olmo2-100002"])
    func indirect(name: String) throws {
        let model = try LanguageModel.load(Goldens.url("conformance/\(name)"))
        let whole = try DirectAttribution(model, [1, 5, 9, 2], answer: 7, less: 3)
        let parts = whole.attention.reduce(0, +) + whole.mlp.reduce(0, +) + whole.embedding + whole.constant
        #expect(abs(parts - whole.total) < 1e-3 * max(1, abs(whole.total)))
        #expect(whole.heads == nil && whole.neurons == nil)
        guard model.architecture.logitCap == nil else { return }
        let logits = try model.run([[1, 5, 9, 2]]).logits.squeezed(0)
        #expect(try abs(logits.selected(0, 7).item() - logits.selected(0, 3).item() - whole.total) < 1e-3)
    }

    @Test("what changes each run is seen; a token of another vocabulary is refused")
    func changed() throws {
        let model = try SubspaceTests.model("llama").intervening([Intervention(.mlpOut(0), .scale(0))])
        let ablated = try DirectAttribution(model, Self.prompt, answer: 7, less: 31)
        #expect(ablated.mlp[0] == 0 && ablated.mlp[1] != 0)
        // What neurons write does not come to the stream as it is written.
        #expect(ablated.neurons == nil && ablated.heads != nil)
        let width = model.architecture.width
        let steered = try model.intervening([
            Intervention(.residual(1), .add(try RandomSource(seed: 2).normal([width])))
        ])
        let moved = try DirectAttribution(steered, Self.prompt, answer: 7, less: 31)
        let sum = moved.attention.reduce(0, +) + moved.mlp.reduce(0, +) + moved.embedding + moved.constant
        #expect(abs(sum + (moved.interventions ?? 0) - moved.total) < 1e-6 && abs(moved.interventions ?? 0) > 1e-3)
        #expect(throws: ModelError.self) {
            try DirectAttribution(model, Self.prompt, answer: model.architecture.vocabulary)
        }
    }
}
