import SutureModels
import SutureTensor
import Testing

@Suite("A replay equals the full run")
struct ReplayTests {
    static let models = ["llama-bias", "mistral", "gpt2", "codegen", "gpt-neox", "qwen3", "phi3"]

    static func sites(_ model: LanguageModel) -> [Site] {
        let layers = model.architecture.layers
        return (0...layers).map(Site.residual)
            + (0..<layers).flatMap {
                [
                    .queries($0), .keys($0), .values($0), .head(layer: $0, index: 1), .heads($0), .attentionOut($0),
                    .mlpHidden($0), .mlpOut($0)
                ]
            } + [.logits]
    }

    func width(_ site: Site, _ model: LanguageModel) throws -> Int {
        try model.run([[1]], capturing: [site])[site].shape[2]
    }

    @Test("at every site and kind of position, alone and in one batch", arguments: models)
    func everySite(name: String) throws {
        let model = try TinyModel(name).model
        let trace = try model.trace([TinyModel.promptA])
        let random = try RandomSource(seed: 1)
        let positions: [Intervention.Positions] = [.all, .last, .at([4]), .at([2, 7])]
        var interventions: [Intervention] = []
        for site in Self.sites(model) {
            for place in positions {
                interventions.append(Intervention(site, at: place, .add(try random.normal([width(site, model)]))))
            }
        }
        let full = try interventions.map { try model.run([TinyModel.promptA], [$0]).logits }
        for (intervention, expected) in zip(interventions, full) {
            let alone = try trace.replay([Alternative([intervention])]).logits
            #expect(try distance(alone, expected) < 2e-5, "\(intervention.site) \(intervention.positions)")
        }
        let together = try trace.replay(interventions.map { Alternative([$0]) }).logits
        #expect(try distance(together, Tensor.concatenated(full, 0)) < 2e-5)
        #expect(try distance(full[0], trace.logits) > 1e-3)
    }

    @Test("the scores of a few tokens are those of all", arguments: models)
    func fewTokens(name: String) throws {
        let model = try TinyModel(name).model
        let trace = try model.trace([TinyModel.promptA])
        let changes = [Intervention(.residual(1), at: .at([3]), .scale(2)), Intervention(.mlpOut(2), .scale(0))]
        let alternatives = changes.map { Alternative([$0]) }
        let all = try trace.replay(alternatives).logits.indexSelected(1, at: [7, 2])
        #expect(try distance(trace.replay(alternatives, logits: .lastOf([7, 2])).logits, all) < 2e-5)
        let outside = model.architecture.vocabulary
        #expect(throws: ModelError.self) { try trace.replay(alternatives, logits: .lastOf([outside])) }
        let scores = Alternative([Intervention(.logits, .scale(0))])
        #expect(throws: ModelError.self) { try trace.replay([scores], logits: .lastOf([7])) }
    }

    @Test("captures what the full run captures", arguments: models)
    func captures(name: String) throws {
        let model = try TinyModel(name).model
        let trace = try model.trace([TinyModel.promptA])
        let change = Intervention(.residual(1), at: .at([3]), .scale(2))
        let captured: [Site] = [.residual(2), .heads(2), .mlpHidden(1), .logits]
        let full = try model.run([TinyModel.promptA], [change], capturing: captured, logits: .all)
        let replayed = try trace.replay([Alternative(), Alternative([change])], capturing: captured, logits: .all)
        #expect(replayed.firstPosition == 3)
        for site in captured {
            let expected = try full[site].narrowed(1, 3..<TinyModel.promptA.count)
            #expect(try distance(replayed[site].narrowed(0, 1..<2), expected) < 2e-5, "\(site)")
        }
    }

    @Test("for edits of neurons in several layers, with and without captured activations", arguments: models)
    func edits(name: String) throws {
        let model = try TinyModel(name).model
        let random = try RandomSource(seed: 2)
        func edit(_ layer: Int, _ index: Int) throws -> NeuronEdit {
            NeuronEdit(Neuron(layer: layer, index: index), delta: try random.normal([model.architecture.width]))
        }
        func rereading(_ layer: Int, _ index: Int) throws -> NeuronEdit {
            var edit = try edit(layer, index)
            let width = model.architecture.width
            edit.read = NeuronEdit.Read(
                gate: model.architecture.isGated ? try random.normal([width]) : nil, up: try random.normal([width]))
            return edit
        }
        let groups = [
            [try edit(0, 3)], [try edit(2, 5)], [try edit(1, 0), try edit(1, 7)], [try edit(0, 1), try edit(2, 1)], [],
            [try rereading(1, 4)], [try rereading(0, 2), try edit(0, 6), try rereading(2, 2)]
        ]
        let full = try groups.map { try model.editing($0).run([TinyModel.promptA]).logits }
        for capturing in [[], (0..<3).map(Site.mlpHidden)] {
            let trace = try model.trace([TinyModel.promptA], capturing: capturing)
            let together = try trace.replay(groups.map { Alternative(edits: $0) }).logits
            #expect(try distance(together, Tensor.concatenated(full, 0)) < 2e-5)
            for (group, expected) in zip(groups, full) {
                #expect(try distance(trace.replay([Alternative(edits: group)]).logits, expected) < 2e-5)
            }
        }
    }

    @Test("over prompts of different length", arguments: models)
    func prompts(name: String) throws {
        let model = try TinyModel(name).model
        let prompts = [TinyModel.promptA, TinyModel.promptB]
        let trace = try model.trace(prompts)
        let change = Intervention(.mlpOut(1), at: .last, .scale(3))
        let alternatives = [1, 0, 1].map { Alternative(prompt: $0, [change]) }
        let together = try trace.replay(alternatives).logits
        for (row, alternative) in alternatives.enumerated() {
            let expected = try model.run([prompts[alternative.prompt]], [change]).logits
            #expect(try distance(together.narrowed(0, row..<row + 1), expected) < 2e-5)
        }
        let both = try model.run(prompts, [change]).logits
        #expect(try distance(both.narrowed(0, 1..<2), together.narrowed(0, 0..<1)) < 2e-5)
    }

    @Test("putting back what was there changes nothing", arguments: models)
    func selfPatch(name: String) throws {
        let model = try TinyModel(name).model
        for site in Self.sites(model) where site != .logits {
            let clean = try model.trace([TinyModel.promptA], capturing: [site])
            let patched = try clean.replay([Alternative([Intervention(site, .replace(clean[site]))])]).logits
            #expect(try distance(patched, clean.logits) < 1e-5, "\(site)")
        }
    }

    @Test("what an MLP reads in other continuations is what a run of each reads", arguments: models)
    func continuations(name: String) throws {
        let model = try TinyModel(name).model
        let prompt = TinyModel.promptA
        let others = [TinyModel.promptB, [3], [9, 9, 61, 20]]
        for (layer, count) in [(0, 4), (model.architecture.layers - 1, 0), (model.architecture.layers - 1, 7)] {
            let inputs = try model.trace([prompt]).mlpInputs(layer, behind: count, others)
            #expect(inputs.shape == [3, 7, model.architecture.width])
            for (row, other) in others.enumerated() {
                let whole = try model.trace([prompt[..<count] + other]).mlpInput(layer).squeezed(0)
                let found = try inputs.selected(0, row).narrowed(0, 0..<other.count)
                #expect(try distance(found, whole.narrowed(0, count..<count + other.count)) < 1e-5)
            }
        }
    }

    @Test("gradients agree with finite differences", arguments: models)
    func finiteDifferences(name: String) throws {
        let model = try TinyModel(name).model
        let trace = try model.trace([TinyModel.promptA])
        let random = try RandomSource(seed: 3)
        for site in [Site.residual(1), .heads(1), .mlpHidden(2), .mlpOut(0)] {
            let direction = try random.normal([width(site, model)])
            func loss(_ amount: Tensor) throws -> Tensor {
                let change = Intervention(site, at: .at([6]), .add(try direction * amount))
                return try trace.replay([Alternative([change])]).logits.logSoftmax().selected(1, 7).sum()
            }
            let leaf = try Tensor([Float(0)]).tracked()
            let gradient = try loss(leaf).gradients(of: [leaf])[0].item()
            let step: Float = 5e-3
            let numeric = try (loss(Tensor([step])).item() - loss(Tensor([-step])).item()) / Double(2 * step)
            #expect(abs(gradient - numeric) < 2e-2 * max(0.1, abs(gradient)), "\(site): \(gradient) against \(numeric)")
        }
    }

    @Test("what is not there is an error that names it")
    func errors() throws {
        let model = try TinyModel("llama").model
        let trace = try model.trace([TinyModel.promptA])
        func code(_ body: () throws -> Void) -> ModelError.Code? {
            do { try body() } catch { return (error as? ModelError)?.code }
            return nil
        }
        #expect(code { _ = try trace.replay([Alternative([Intervention(.residual(4), .scale(0))])]) } == .outOfRange)
        #expect(
            code { _ = try trace.replay([Alternative([Intervention(.residual(1), at: .at([12]), .scale(0))])]) }
                == .outOfRange)
        #expect(code { _ = try trace.replay([Alternative(prompt: 1)]) } == .outOfRange)
        #expect(code { _ = try trace.replay([]) } == .invalidReplay)
        #expect(code { _ = try trace[.mlpHidden(1)] } == .notCaptured)
        #expect(code { _ = try model.run([[1, 97_000]]) } == .outOfRange)
        #expect(code { _ = try model.run([[]]) } == .outOfRange)
        #expect(code { _ = try model.run([]) } == .outOfRange)
        #expect(code { _ = try model.run([[1]], capturing: [.head(layer: 0, index: 99)]) } == .outOfRange)
        #expect(throws: TensorError.self) { _ = try Tensor([1, 2, 3]).matmul(Tensor([1, 2])) }
    }

    @Test(
        "sites read their own text",
        arguments: [
            "residual.6", "attn.6.queries", "attn.6.keys", "attn.6.values", "attn.6.head.3", "attn.6.heads",
            "attn.0.out", "mlp.8.hidden", "mlp.8.out", "logits"
        ])
    func siteText(text: String) throws {
        #expect(try #require(Site(text)).description == text)
        #expect(Site(text + "x") == nil)
        #expect(Site("." + text) == nil)
    }
}
