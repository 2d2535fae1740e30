import SutureModels
import SutureSubspaces
import SutureTensor
import Testing

@Suite("Sweeps equal one full run for each cell")
struct SweepTests {
    static let models = SubspaceTests.models + ["gpt-neox"]

    /// FLDD of a full run under an intervention.
    private func effect(_ model: LanguageModel, _ pair: TokenizedPair, _ interventions: [Intervention]) throws -> Double
    {
        func difference(_ interventions: [Intervention]) throws -> Double {
            let logits = try model.run([pair.base], interventions).logits.squeezed(0)
            return try logits.selected(0, pair.answer).item() - logits.selected(0, pair.other).item()
        }
        return try 1 - difference(interventions) / difference([])
    }

    @Test("positions and heads", arguments: models)
    func cells(name: String) throws {
        let model = try SubspaceTests.model(name)
        let pair = SubspaceTests.pairs(1, seed: 20)[0]
        let sweep = try Sweep(model, pair)
        for (component, site) in [
            (.residual, Site.residual(1)), (.attention, .attentionOut(1)), (.mlp, .mlpOut(1)), (.hidden, .mlpHidden(1))
        ]
            as [(Sweep.Component, Site)]
        {
            let grid = try sweep.positions(component)
            #expect(grid.count == model.architecture.layers)
            let source = try model.run([pair.source], capturing: [site])[site]
            for position in [3, 8] {
                let value = try source.narrowed(1, position..<position + 1)
                let expected = try effect(model, pair, [Intervention(site, at: .at([position]), .replace(value))])
                #expect(abs(grid[1][position] - expected) < 1e-3 * max(1, abs(expected)), "\(component) \(position)")
            }
            #expect(grid[1][0] == 0 || abs(grid[1][0]) < 1e-4)
        }
        let heads = try sweep.heads()
        let site = Site.head(layer: 1, index: 1)
        let source = try model.run([pair.source], capturing: [site])[site]
        let expected = try effect(model, pair, [Intervention(site, .replace(source))])
        #expect(abs(heads[1][1] - expected) < 1e-3 * max(1, abs(expected)))
        let neurons = try sweep.neurons(layer: 1, at: 8, count: 3)
        #expect(neurons.count == 3)
    }

    @Test("attribution is the derivative of patching", arguments: models)
    func attribution(name: String) throws {
        let model = try SubspaceTests.model(name)
        let pair = SubspaceTests.pairs(1, seed: 21)[0]
        let estimate = try Sweep(model, pair).attributed(.mlp)
        let site = Site.mlpOut(1)
        let difference =
            try model.run([pair.source], capturing: [site])[site] - model.run([pair.base], capturing: [site])[site]
        for position in [3, 8] {
            let step = 0.02
            let part = try difference.narrowed(1, position..<position + 1) * step
            let up = try effect(model, pair, [Intervention(site, at: .at([position]), .add(part))])
            let down = try effect(model, pair, [Intervention(site, at: .at([position]), .add(part * -1))])
            let slope = (up - down) / (2 * step)
            #expect(abs(estimate[1][position] - slope) < 2e-2 * max(0.05, abs(slope)))
        }
    }

    @Test("a path is the sender's writing in the receiver's queries and nowhere else", arguments: models)
    func paths(name: String) throws {
        let model = try SubspaceTests.model(name)
        let pair = SubspaceTests.pairs(1, seed: 22)[0]
        let receiver = Head(layer: 2, index: 1)
        let grid = try Sweep(model, pair).paths(to: .queries(receiver))
        #expect(grid.count == 2)
        let width = model.architecture.headWidth
        let (sender, queries) = (Site.head(layer: 0, index: 1), Site.queries(2))
        let difference =
            try model.run([pair.source], capturing: [sender])[sender]
            - model.run([pair.base], capturing: [sender])[sender]
        let written = try difference.linear(#require(try model.writing(sender)))
        let seen = try model.run([pair.base], [Intervention(.residual(2), .add(written))], capturing: [queries])[
            queries]
        let units = Array(width..<2 * width)
        let expected = try effect(
            model, pair, [Intervention(queries, units: units, .replace(try seen.indexSelected(2, at: units)))])
        #expect(abs(grid[0][1] - expected) < 1e-3 * max(1, abs(expected)))
    }

    @Test("paths to keys, values, an MLP and the output are those of full runs", arguments: models)
    func receivers(name: String) throws {
        let model = try SubspaceTests.model(name)
        let pair = SubspaceTests.pairs(1, seed: 24)[0]
        let sweep = try Sweep(model, pair)
        let (last, width) = (model.architecture.layers, model.architecture.headWidth)
        let out = Site.mlpOut(0)
        let written =
            try model.run([pair.source], capturing: [out])[out] - model.run([pair.base], capturing: [out])[out]
        func through(_ stream: Site, _ site: Site, _ units: [Int]?) throws -> Double {
            var value = try model.run([pair.base], [Intervention(stream, .add(written))], capturing: [site])[site]
            if let units { value = try value.indexSelected(2, at: units) }
            return try effect(model, pair, [Intervention(site, units: units, .replace(value))])
        }
        let isParallel = model.architecture.isParallel
        let group = 3 / (model.architecture.heads / model.architecture.keyValueHeads)
        let units = Array(group * width..<(group + 1) * width)
        let head = Head(layer: 2, index: 3)
        let cases: [(Sweep.Receiver, Int, Double)] = [
            (.keys(head), 2, try through(.residual(2), .keys(2), units)),
            (.values(head), 2, try through(.residual(2), .values(2), units)),
            (.mlp(1), isParallel ? 1 : 2, try through(isParallel ? .residual(1) : .attentionOut(1), .mlpOut(1), nil)),
            (.logits, last, try effect(model, pair, [Intervention(.residual(last), .add(written))]))
        ]
        for (receiver, layers, expected) in cases {
            let grid = try sweep.paths(to: receiver)
            #expect(grid.count == layers && grid.allSatisfy { $0.count == model.architecture.heads + 1 })
            #expect(abs(try #require(grid[0].last) - expected) < 1e-3 * max(1, abs(expected)), "\(receiver)")
            #expect(Sweep.Receiver("\(receiver)") == receiver)
        }
        // The MLP itself does not lie before it, and in a parallel layer neither do the layer's heads.
        if !isParallel { #expect(try sweep.paths(to: .mlp(1))[1].last == 0) }
        if isParallel { #expect(throws: SubspaceError.self) { try sweep.paths(to: .mlp(0)) } }
        #expect(throws: SubspaceError.self) { try sweep.paths(to: .keys(Head(layer: 0, index: 0))) }
        #expect(throws: SubspaceError.self) { try sweep.paths(to: .mlp(last)) }
        for text in ["", "1", "mlp", "mlp.x", "1.2.3", "1.2.up", "head.1"] { #expect(Sweep.Receiver(text) == nil) }
    }

    @Test("causal tracing restores everything where it puts back all that was disturbed", arguments: models)
    func tracing(name: String) throws {
        let model = try SubspaceTests.model(name)
        let prompt = SubspaceTests.pairs(1, seed: 23)[0].base
        let trace = try CausalTrace(model, prompt, subject: 3..<4, answer: 5)
        #expect(abs(trace.restored[0][3] - 1) < 1e-3)
        #expect(abs(trace.restored[0][2]) < 1e-3)
        #expect(throws: SubspaceError.self) { try CausalTrace(model, prompt, subject: 8..<12, answer: 5) }
    }
}
