import SutureModels
import SutureTensor
import Testing

@Suite("Interventions that change each run")
struct StandingInterventionTests {
    static let models = ["llama-bias", "gpt2", "gptj", "gpt-neox", "gemma", "phi3"]

    /// One of each kind, at every kind of site.
    private func interventions(_ model: LanguageModel) throws -> [Intervention] {
        let random = try RandomSource(seed: 8)
        func row(_ site: Site) throws -> Tensor { try random.normal([site.width(in: model.architecture)]) }
        let basis = try random.normal([Site.residual(1).width(in: model.architecture), 2]).qr().q
        return [
            Intervention(.residual(0), .add(try row(.residual(0)) * 0.1)),
            Intervention(.residual(1), .projectOut(basis)), Intervention(.head(layer: 1, index: 0), .scale(0)),
            Intervention(.mlpHidden(0), units: [3, 1], .scale(0)), Intervention(.mlpOut(1), .scale(0.5)),
            Intervention(.attentionOut(0), .add(try row(.attentionOut(0)))),
            Intervention(.residual(model.architecture.layers), .add(try row(.residual(1)) * 0.2))
        ]
    }

    @Test("a run of the changed model is a run under the same interventions at all positions", arguments: models)
    func run(name: String) throws {
        let model = try TinyModel(name).model
        for changes in try interventions(model).map({ [$0] }) + [interventions(model)] {
            let expected = try model.run([TinyModel.promptA, TinyModel.promptB], changes, logits: .all).logits
            let found = try model.intervening(changes).run([TinyModel.promptA, TinyModel.promptB], logits: .all).logits
            // Padding means nothing.
            let count = TinyModel.promptB.count
            #expect(try distance(found.narrowed(1, 0..<count), expected.narrowed(1, 0..<count)) < 1e-5, "\(changes)")
            #expect(try distance(found.selected(0, 0), expected.selected(0, 0)) < 1e-5, "\(changes)")
        }
    }

    @Test("replays of its traces, and traces of changed weights, are runs of it", arguments: models)
    func replays(name: String) throws {
        let plain = try TinyModel(name).model
        let standing = try interventions(plain)
        let model = try plain.intervening(standing)
        let layers = 0..<model.architecture.layers
        let trace = try model.trace([TinyModel.promptA], capturing: layers.map(Site.mlpHidden))
        for layer in 0...layers.count {
            let expected = try plain.run([TinyModel.promptA], standing, capturing: [.residual(layer)])[.residual(layer)]
            #expect(try distance(trace[.residual(layer)], expected) < 1e-5)
        }
        let random = try RandomSource(seed: 2)
        for layer in layers {
            let change = Intervention(
                .residual(layer), at: .at([4]), .add(try random.normal([model.architecture.width])))
            let expected = try plain.run([TinyModel.promptA], standing + [change]).logits
            #expect(try distance(trace.replay([Alternative([change])]).logits, expected) < 1e-4, "\(change)")
            let edit = NeuronEdit(
                Neuron(layer: layer, index: 3), delta: try random.normal([model.architecture.width]))
            let edited = try model.editing([edit]).run([TinyModel.promptA]).logits
            #expect(try distance(trace.replay([Alternative(edits: [edit])]).logits, edited) < 1e-4)
            #expect(try distance(trace.applying(WeightChange(neurons: [edit])).logits, edited) < 1e-4)
        }
        let bare = try model.trace([TinyModel.promptA]).capturing([.mlpHidden(0), .mlpOut(1)])
        for site in [Site.mlpHidden(0), .mlpOut(1)] {
            #expect(
                try distance(bare[site], plain.run([TinyModel.promptA], standing, capturing: [site])[site]) < 1e-5)
        }
    }

    @Test("they hold for tokens that are written; those at some positions change the prompt alone", arguments: models)
    func generation(name: String) throws {
        let model = try TinyModel(name).model
        let random = try RandomSource(seed: 6)
        let standing = try interventions(model)
        let once = Intervention(.residual(1), at: .last, .add(try random.normal([model.architecture.width])))
        let last = TinyModel.promptA.count - 1
        let written = try model.generate(TinyModel.promptA, limit: 6, standing + [once])
        var text = TinyModel.promptA
        for token in written {
            // The same with the whole text read again, the last token of the prompt changed as before.
            let changes = standing + [Intervention(once.site, at: .at([last]), once.change)]
            #expect(try Int(model.run([text], changes).logits.argmax().item()) == token)
            text.append(token)
        }
        #expect(try written == model.intervening(standing).generate(TinyModel.promptA, limit: 6, [once]))
    }

    @Test("they come before what changes one run, at the heads of a layer and at each", arguments: models)
    func heads(name: String) throws {
        let random = try RandomSource(seed: 3)
        let plain = try TinyModel(name).model
        let width = Site.heads(1).width(in: plain.architecture)
        let standing = [
            Intervention(.head(layer: 1, index: 1), .scale(0.5)),
            Intervention(.heads(1), .add(try random.normal([width])))
        ]
        let model = try plain.intervening(standing)
        let sites = (0..<plain.architecture.heads).map { Site.head(layer: 1, index: $0) }
        let own = try model.run([TinyModel.promptA], capturing: [.heads(1)] + sites, logits: .all)
        // What is captured of all heads is what is captured of each; putting it back changes nothing.
        #expect(try distance(Tensor.concatenated(sites.map { try own[$0] }, 2), own[.heads(1)]) == 0)
        for site in sites + [.heads(1)] {
            let again = try model.run([TinyModel.promptA], [Intervention(site, .replace(try own[site]))], logits: .all)
            #expect(try distance(again.logits, own.logits) < 1e-5, "\(site)")
        }
    }

    @Test("what is not the same at all positions is refused")
    func refusals() throws {
        let model = try TinyModel("llama").model
        let width = model.architecture.width
        for intervention in [
            Intervention(.residual(1), at: .last, .scale(0)), Intervention(.logits, .scale(0)),
            Intervention(.residual(99), .scale(0)), Intervention(.mlpHidden(0), units: [9999], .scale(0)),
            Intervention(.residual(1), .add(try Tensor.zeros([1, 3, width])))
        ] {
            #expect(throws: ModelError.self) { try model.intervening([intervention]) }
        }
    }
}
