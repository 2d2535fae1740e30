import SutureModels
import SutureTensor
import Testing

@Suite("A decoder computes what transformers computes")
struct ParityTests {
    @Test("logits and every site, prompt by prompt", arguments: TinyModel.names)
    func sites(name: String) throws {
        let tiny = try TinyModel(name)
        let layers = tiny.model.architecture.layers
        for (prompt, tokens) in [("a", TinyModel.promptA), ("b", TinyModel.promptB)] {
            let sites =
                (0...layers).map(Site.residual)
                + (0..<layers).flatMap { [.heads($0), .attentionOut($0), .mlpHidden($0), .mlpOut($0)] }
            let run = try tiny.model.run([tokens], capturing: sites, logits: .all)
            #expect(try distance(run.logits.squeezed(0), tiny["\(prompt).logits"]) < 1e-4)
            func check(_ golden: String, _ layer: Int, _ site: Site) throws {
                let expected = try tiny["\(prompt).\(golden)"].selected(0, layer)
                let found = try run[site].squeezed(0).reshaped(expected.shape)
                #expect(try distance(found, expected) < 1e-4, "\(site)")
            }
            for layer in 0...layers { try check("residual", layer, .residual(layer)) }
            for layer in 0..<layers {
                try check("attn.heads", layer, .heads(layer))
                try check("attn.out", layer, .attentionOut(layer))
                try check("mlp.hidden", layer, .mlpHidden(layer))
                try check("mlp.out", layer, .mlpOut(layer))
            }
        }
    }

    @Test("a padded batch equals its prompts alone", arguments: TinyModel.names)
    func batch(name: String) throws {
        let model = try TinyModel(name).model
        let batch = try model.run([TinyModel.promptA, TinyModel.promptB], logits: .all).logits
        let last = try model.run([TinyModel.promptA, TinyModel.promptB]).logits
        for (row, tokens) in [TinyModel.promptA, TinyModel.promptB].enumerated() {
            let alone = try model.run([tokens], logits: .all).logits.squeezed(0)
            #expect(try distance(batch.selected(0, row).narrowed(0, 0..<tokens.count), alone) < 1e-5)
            #expect(try distance(last.selected(0, row), alone.selected(0, tokens.count - 1)) < 1e-5)
            #expect(try distance(model.run([tokens]).logits.squeezed(0), alone.selected(0, tokens.count - 1)) < 1e-5)
        }
    }

    @Test("greedy decoding adds the same tokens", arguments: TinyModel.names)
    func greedy(name: String) throws {
        let tiny = try TinyModel(name)
        for (prompt, tokens) in [("a", TinyModel.promptA), ("b", TinyModel.promptB)] {
            let expected = try tiny["\(prompt).greedy"].ints()
            #expect(try tiny.model.generate(tokens, limit: expected.count) == expected)
        }
    }

    @Test("decoding token by token equals the full run", arguments: TinyModel.names)
    func decoding(name: String) throws {
        let model = try TinyModel(name).model
        let full = try model.run([TinyModel.promptA], logits: .all).logits.squeezed(0)
        for split in [1, 5, TinyModel.promptA.count] {
            var session = try DecodingSession(model, prompt: Array(TinyModel.promptA[..<split]))
            #expect(try distance(session.logits, full.selected(0, split - 1)) < 1e-5)
            for position in split..<TinyModel.promptA.count {
                try session.append(TinyModel.promptA[position])
                #expect(try distance(session.logits, full.selected(0, position)) < 5e-5)
            }
        }
    }

    @Test("interventions and edited weights", arguments: TinyModel.names)
    func interventions(name: String) throws {
        let tiny = try TinyModel(name)
        func logits(_ interventions: [Intervention]) throws -> Tensor {
            try tiny.model.run([TinyModel.promptA], interventions, logits: .all).logits.squeezed(0)
        }
        let residual = try logits([
            Intervention(
                .residual(tiny.number("intervene.residual.layer")),
                at: .at([tiny.number("intervene.residual.position")]), .replace(tiny["intervene.residual.vector"]))
        ])
        #expect(try distance(residual, tiny["intervene.residual.logits"]) < 1e-4)

        let index = try tiny.number("intervene.neuron.index")
        let value = try tiny["intervene.neuron.value"].item()
        let neuron = try logits([
            Intervention(
                .mlpHidden(tiny.number("intervene.neuron.layer")), at: .at([tiny.number("intervene.neuron.position")]),
                .map { hidden in
                    try hidden.replacing(
                        2, at: Tensor([index]), with: .full([hidden.shape[0], hidden.shape[1], 1], value))
                })
        ])
        #expect(try distance(neuron, tiny["intervene.neuron.logits"]) < 1e-4)

        let head = try logits([
            Intervention(
                .head(layer: tiny.number("intervene.head.layer"), index: tiny.number("intervene.head.index")), .scale(0)
            )
        ])
        #expect(try distance(head, tiny["intervene.head.logits"]) < 1e-4)

        let edit = NeuronEdit(
            Neuron(layer: try tiny.number("intervene.column.layer"), index: try tiny.number("intervene.column.index")),
            delta: try tiny["intervene.column.vector"])
        let edited = try tiny.model.editing([edit]).run([TinyModel.promptA], logits: .all).logits.squeezed(0)
        #expect(try distance(edited, tiny["intervene.column.logits"]) < 1e-4)
        let trace = try tiny.model.trace([TinyModel.promptA])
        let replayed = try trace.replay([Alternative(edits: [edit])], logits: .all).logits.squeezed(0)
        #expect(try distance(replayed, tiny["intervene.column.logits"]) < 1e-4)
    }

    @Test("gradients through a replay", arguments: TinyModel.names)
    func gradients(name: String) throws {
        let tiny = try TinyModel(name)
        let target = try tiny.number("grad.target")
        let foil = try tiny.number("grad.foil")
        let architecture = tiny.model.architecture
        let length = TinyModel.promptA.count
        let trace = try tiny.model.trace([TinyModel.promptA])

        // Zeros added to every MLP's output collect dP/d(mlp.out); through the output projection that is dP/d(mlp.hidden).
        let leaves = try (0..<architecture.layers).map { _ in
            try Tensor.zeros([1, length, architecture.hiddenWidth]).tracked()
        }
        let probed = try trace.replay([
            Alternative(leaves.enumerated().map { Intervention(.mlpHidden($0), .add($1)) })
        ])
        let probability = try probed.logits.softmax().selected(1, target).sum()
        #expect(abs(try probability.item() - tiny["grad.probability"].item()) < 1e-5)
        for (layer, gradient) in try probability.gradients(of: leaves).enumerated() {
            #expect(try distance(gradient.squeezed(0), tiny["grad.mlp.hidden"].selected(0, layer)) < 1e-4)
        }

        let leaf = try Tensor.zeros([1, length, architecture.width]).tracked()
        let logits = try trace.replay([Alternative([Intervention(.residual(1), .add(leaf))])]).logits.squeezed(0)
        let difference = try logits.selected(0, target) - logits.selected(0, foil)
        #expect(try distance(difference.gradients(of: [leaf])[0].squeezed(0), tiny["grad.residual.1"]) < 1e-3)
    }
}
