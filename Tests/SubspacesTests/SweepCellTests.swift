import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@Suite("Every cell of a sweep equals a full run of its own, wherever the prompts begin to differ")
struct SweepCellTests {
    static let models = ["llama-bias", "gpt2", "gpt-neox", "qwen3"]
    /// How many positions there are from the first difference on.
    static let distances = 1...8

    /// Prompts of nine tokens that differ in the first of the last `distance`, and in every other one behind it.
    private func pair(_ distance: Int) -> TokenizedPair {
        var random = SeededGenerator(seed: UInt64(distance))
        let base = (0..<9).map { _ in random.below(96) }
        var source = base
        for position in stride(from: 9 - distance, to: 9, by: 2) {
            source[position] = (base[position] + 1 + random.below(90)) % 96
        }
        return TokenizedPair(base: base, source: source, answer: 7, other: 31)
    }

    /// FLDD of full runs, one for each intervention.
    private func effects(_ model: LanguageModel, _ pair: TokenizedPair, _ changes: [Intervention]) throws -> [Double] {
        func difference(_ changes: [Intervention]) throws -> Double {
            let logits = try model.run([pair.base], changes).logits.squeezed(0)
            return try logits.selected(0, pair.answer).item() - logits.selected(0, pair.other).item()
        }
        let clean = try difference([])
        return try changes.map { 1 - (try difference([$0])) / clean }
    }

    private func expectEqual(_ grid: [[Double]], _ expected: [Double], _ what: String) {
        let found = grid.flatMap { $0 }
        #expect(found.count == expected.count, "\(what)")
        for (cell, (a, b)) in zip(found, expected).enumerated() {
            #expect(abs(a - b) < 1e-3 * max(1, abs(b)), "\(what), cell \(cell): \(a), a full run \(b)")
        }
    }

    @Test("positions of all components", arguments: models, distances)
    func positions(name: String, distance: Int) throws {
        let model = try SubspaceTests.model(name)
        let pair = pair(distance)
        let sweep = try Sweep(model, pair)
        for (component, site) in [
            (.residual, Site.residual), (.attention, Site.attentionOut), (.mlp, Site.mlpOut), (.hidden, Site.mlpHidden)
        ] as [(Sweep.Component, (Int) -> Site)] {
            let changes = try (0..<model.architecture.layers).flatMap { layer in
                let source = try model.run([pair.source], capturing: [site(layer)])[site(layer)]
                return try pair.base.indices.map { position in
                    Intervention(
                        site(layer), at: .at([position]), .replace(try source.narrowed(1, position..<position + 1)))
                }
            }
            expectEqual(try sweep.positions(component), try effects(model, pair, changes), "\(component)")
        }
    }

    @Test("heads at all positions and at one, and neurons", arguments: models, distances)
    func headsAndNeurons(name: String, distance: Int) throws {
        let model = try SubspaceTests.model(name)
        let pair = pair(distance)
        let sweep = try Sweep(model, pair)
        let position = 9 - distance
        func heads(at places: Intervention.Positions, _ columns: Range<Int>) throws -> [Double] {
            let changes = try (0..<model.architecture.layers).flatMap { layer in
                try (0..<model.architecture.heads).map { head in
                    let site = Site.head(layer: layer, index: head)
                    let source = try model.run([pair.source], capturing: [site])[site]
                    return Intervention(site, at: places, .replace(try source.narrowed(1, columns)))
                }
            }
            return try effects(model, pair, changes)
        }
        expectEqual(try sweep.heads(), try heads(at: .all, 0..<9), "heads")
        expectEqual(
            try sweep.heads(at: position), try heads(at: .at([position]), position..<position + 1), "heads at one")
        let found = try sweep.neurons(layer: 1, at: position, count: 6)
        let source = try model.run([pair.source], capturing: [.mlpHidden(1)])[.mlpHidden(1)].narrowed(
            1, position..<position + 1)
        let changes = try found.map { neuron, _ in
            Intervention(
                .mlpHidden(1), at: .at([position]), units: [neuron.index],
                .replace(try source.indexSelected(2, at: [neuron.index])))
        }
        expectEqual([found.map(\.effect)], try effects(model, pair, changes), "neurons")
    }

    @Test("paths from every sender", arguments: models, [1, 2, 3, 6])
    func paths(name: String, distance: Int) throws {
        let model = try SubspaceTests.model(name)
        let pair = pair(distance)
        let (heads, width) = (model.architecture.heads, model.architecture.headWidth)
        let queries = Site.queries(2)
        let units = Array(width..<2 * width)
        var expected: [Double] = []
        for layer in 0..<2 {
            for sender in (0..<heads).map({ Site.head(layer: layer, index: $0) }) + [.mlpOut(layer)] {
                let difference =
                    try model.run([pair.source], capturing: [sender])[sender]
                    - model.run([pair.base], capturing: [sender])[sender]
                let written = try model.writing(sender).map { try difference.linear($0) } ?? difference
                let seen = try model.run(
                    [pair.base], [Intervention(.residual(2), .add(written))], capturing: [queries])[queries]
                let change = Intervention(queries, units: units, .replace(try seen.indexSelected(2, at: units)))
                expected += try effects(model, pair, [change])
            }
        }
        let found = try Sweep(model, pair).paths(to: .queries(Head(layer: 2, index: 1)))
        expectEqual(found, expected, "paths")
    }

    @Test("causal tracing of prompts of 1 to 8 tokens", arguments: models, distances)
    func tracing(name: String, length: Int) throws {
        let model = try SubspaceTests.model(name)
        let prompt = Array(pair(1).base.prefix(length))
        let subject = (length - 1) / 2..<(length - 1) / 2 + 1
        let found = try CausalTrace(model, prompt, subject: subject, answer: 5, samples: 1, seed: 3)
        let embedded = try model.run([prompt], capturing: [.residual(0)])[.residual(0)]
        let deviation = try (embedded - embedded.mean()).square().mean().item().squareRoot()
        let noise = try RandomSource(seed: 3).normal([1, embedded.shape[2]]) * (3 * deviation)
        let disturb = Intervention(.residual(0), at: .at(Array(subject)), .add(noise))
        func probability(_ changes: [Intervention]) throws -> Double {
            try model.run([prompt], changes).logits.softmax().selected(1, 5).sum().item()
        }
        let (clean, corrupted) = (try probability([]), try probability([disturb]))
        var expected: [Double] = []
        for layer in 0..<model.architecture.layers {
            let state = try model.run([prompt], capturing: [.residual(layer)])[.residual(layer)]
            for position in prompt.indices {
                let restored = Intervention(
                    .residual(layer), at: .at([position]), .replace(try state.narrowed(1, position..<position + 1)))
                expected.append((try probability([disturb, restored]) - corrupted) / (clean - corrupted))
            }
        }
        #expect(abs(found.clean - clean) < 1e-5 && abs(found.corrupted - corrupted) < 1e-5)
        for (a, b) in zip(found.restored.flatMap { $0 }, expected) { #expect(abs(a - b) < 1e-3 * max(1, abs(b))) }
        #expect(found.restored.flatMap { $0 }.count == expected.count)
    }

    @Test(
        "of the real model, where the prompts first differ two tokens before the end",
        .enabled(if: Goldens.smollm2 != nil, "SmolLM2 is not set up: run Scripts/setup"))
    func realModel() throws {
        let checkpoint = try Checkpoint(#require(Goldens.smollm2))
        let model = try LanguageModel.load(checkpoint)
        let pair = try TokenizedPair(
            PromptPair(
                base: Prompt("The capital of Australia is"), source: Prompt("The capital of France is"),
                answer: " Sydney", other: " Paris"),
            Tokenizer(checkpoint))
        let sweep = try Sweep(model, pair)
        let layers = 0..<model.architecture.layers
        for (component, site) in [(.residual, Site.residual), (.mlp, Site.mlpOut)]
            as [(Sweep.Component, (Int) -> Site)]
        {
            let source = try model.run([pair.source], capturing: layers.map(site), logits: .none)
            let changes = try layers.flatMap { layer in
                try pair.base.indices.map { position in
                    let value = try source[site(layer)].narrowed(1, position..<position + 1)
                    return Intervention(site(layer), at: .at([position]), .replace(value))
                }
            }
            expectEqual(try sweep.positions(component), try effects(model, pair, changes), "\(component)")
        }
    }
}
