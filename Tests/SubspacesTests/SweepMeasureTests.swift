import Foundation
import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor
import Testing

@Suite("Sweeps by other measures, in the other direction, and at words that stand elsewhere")
struct SweepMeasureTests {
    static let models = ["llama-bias", "gpt2"]

    /// A base of nine tokens and a source of seven, with a word that stands elsewhere in each.
    private let uneven = TokenizedPair(
        base: [5, 60, 23, 91, 7, 42, 88, 3, 29], source: [14, 60, 33, 7, 42, 88, 3], answer: 7, other: 31,
        baseRoles: ["subject": 3, "verb": 5], sourceRoles: ["subject": 2, "verb": 4])
    private let even = TokenizedPair(
        base: [5, 60, 23, 91, 7, 42], source: [5, 61, 23, 12, 7, 42], answer: 7, other: 31)

    private func scores(_ model: LanguageModel, _ tokens: [Int], _ changes: [Intervention] = []) throws -> Tensor {
        try model.run([tokens], changes).logits.squeezed(0).to(.float64)
    }

    private func difference(_ scores: Tensor) throws -> Double {
        try scores.selected(0, 7).item() - scores.selected(0, 31).item()
    }

    @Test("denoising restores the share of the difference that a full run of the source restores", arguments: models)
    func denoising(name: String) throws {
        let model = try SubspaceTests.model(name)
        let sweep = try Sweep(model, even, .init(.logitDifference, .denoising))
        let (base, source) = (try difference(scores(model, even.base)), try difference(scores(model, even.source)))
        #expect(abs(sweep.clean - base) < 1e-5)
        let cells = try sweep.positions(.residual)
        let heads = try sweep.heads()
        for layer in 0..<model.architecture.layers {
            let own = try model.run([even.base], capturing: [.residual(layer), .heads(layer)], logits: .all)
            for position in even.base.indices {
                let value = try own[.residual(layer)].narrowed(1, position..<position + 1)
                let patched = try difference(
                    scores(model, even.source, [Intervention(.residual(layer), at: .at([position]), .replace(value))]))
                let expected = (patched - source) / (base - source)
                #expect(abs(cells[layer][position] - expected) < 1e-3 * max(1, abs(expected)))
            }
            let width = model.architecture.headWidth
            for head in 0..<model.architecture.heads {
                let value = try own[.heads(layer)].narrowed(2, head * width..<(head + 1) * width)
                let change = Intervention(.head(layer: layer, index: head), .replace(value))
                let expected = (try difference(scores(model, even.source, [change])) - source) / (base - source)
                #expect(abs(heads[layer][head] - expected) < 1e-3 * max(1, abs(expected)))
            }
        }
        // Everything put back is everything restored.
        let all = try Sweep(model, uneven, .init(.logitDifference, .denoising), roles: ["last"]).positions(.residual)
        #expect(all[0].count == 1)
    }

    @Test("probability, divergence and rank are those of full runs", arguments: models)
    func metrics(name: String) throws {
        let model = try SubspaceTests.model(name)
        let clean = try scores(model, even.base)
        func rank(_ scores: Tensor) throws -> Double {
            try (scores.narrowed(0, 7..<8) .< scores).to(.float32).sum().item()
        }
        for metric in [Sweep.Metric.probability, .divergence, .rank] {
            let cells = try Sweep(model, even, .init(metric)).positions(.mlp)
            for layer in 0..<model.architecture.layers {
                let lent = try model.run([even.source], capturing: [.mlpOut(layer)], logits: .all)[.mlpOut(layer)]
                for position in even.base.indices {
                    let change = Intervention(
                        .mlpOut(layer), at: .at([position]), .replace(try lent.narrowed(1, position..<position + 1)))
                    let patched = try scores(model, even.base, [change])
                    let expected =
                        switch metric {
                        case .probability:
                            try patched.softmax().selected(0, 7).item() - clean.softmax().selected(0, 7).item()
                        case .divergence:
                            try (clean.softmax() * (clean.logSoftmax() - patched.logSoftmax())).sum().item()
                        case .rank, .logitDifference: try rank(clean) - rank(patched)
                        }
                    #expect(abs(cells[layer][position] - expected) < 2e-5, "\(metric) \(layer) \(position)")
                }
            }
        }
    }

    @Test("prompts of different length are patched at words of one role", arguments: models)
    func roles(name: String) throws {
        let model = try SubspaceTests.model(name)
        #expect(throws: SubspaceError.self) { try Sweep(model, uneven) }
        #expect(throws: SubspaceError.self) { try Sweep(model, uneven, roles: ["object"]) }
        let clean = try difference(scores(model, uneven.base))
        let sweep = try Sweep(model, uneven, roles: ["subject", "verb", "last"])
        let places = [(3, 2), (5, 4), (8, 6)]
        #expect(sweep.places.map { [$0.position, $0.origin] } == places.map { [$0.0, $0.1] })
        let cells = try sweep.positions(.attention)
        let estimates = try sweep.attributed(.attention)
        #expect(estimates.count == model.architecture.layers && estimates[0].count == 3)
        let heads = try sweep.heads()
        let neuron = Neuron(layer: 1, index: 5)
        let neurons = try sweep.neurons([neuron])
        for layer in 0..<model.architecture.layers {
            let lent = try model.run(
                [uneven.source], capturing: [.attentionOut(layer), .heads(layer), .mlpHidden(layer)], logits: .all)
            for (column, (position, origin)) in places.enumerated() {
                func effect(_ site: Site, units: [Int]? = nil) throws -> Double {
                    var value = try lent[site].narrowed(1, origin..<origin + 1)
                    if let units { value = try value.indexSelected(2, at: units) }
                    let change = Intervention(site, at: .at([position]), units: units, .replace(value))
                    return 1 - (try difference(scores(model, uneven.base, [change]))) / clean
                }
                #expect(try abs(cells[layer][column] - effect(.attentionOut(layer))) < 2e-3)
                if layer == 1 { #expect(try abs(neurons[0][column] - effect(.mlpHidden(1), units: [5])) < 2e-3) }
            }
            let width = model.architecture.headWidth
            let value = try lent[.heads(layer)].indexSelected(1, at: places.map(\.1)).narrowed(2, 0..<width)
            let change = Intervention(.head(layer: layer, index: 0), at: .at(places.map(\.0)), .replace(value))
            let expected = 1 - (try difference(scores(model, uneven.base, [change]))) / clean
            #expect(abs(heads[layer][0] - expected) < 2e-3)
        }
    }

    @Test("what stands at one token by two roles is patched from two; where both are patched together it is refused")
    func meeting() throws {
        let model = try SubspaceTests.model("llama-bias")
        let pair = TokenizedPair(
            base: [5, 60, 23, 91], source: [5, 60, 23, 91, 7, 42], answer: 7, other: 31, baseRoles: ["subject": 3],
            sourceRoles: ["subject": 3])
        let both = try Sweep(model, pair, roles: ["subject", "last"])
        let alone = try Sweep(model, pair, roles: ["last"])
        // The subject is the same in both prompts; the last token is not.
        let cells = try both.positions(.residual)
        #expect(cells.allSatisfy { $0[0] == 0 })
        #expect(try cells.map { $0[1] } == alone.positions(.residual).map { $0[0] })
        #expect(cells[2][1] != 0)
        let estimates = try both.attributed(.residual)
        #expect(try zip(estimates, alone.attributed(.residual)).allSatisfy { abs($0[1] - $1[0]) < 1e-6 })
        #expect(throws: SubspaceError.self) { try both.heads() }
        #expect(throws: SubspaceError.self) { try both.attributed(.heads) }
        #expect(throws: SubspaceError.self) { try both.paths(to: .logits) }
    }

    @Test("prompts that are the same, neurons that are not there and numbers that are none are refused")
    func refusals() throws {
        let model = try SubspaceTests.model("llama-bias")
        let same = TokenizedPair(base: even.base, source: even.base, answer: 7, other: 31)
        #expect(throws: SubspaceError.self) { try Sweep(model, same) }
        let sweep = try Sweep(model, even)
        #expect(throws: ModelError.self) { try sweep.neurons([Neuron(layer: 1, index: 99_999)]) }
        #expect(throws: ModelError.self) { try sweep.neurons([Neuron(layer: 99, index: 0)]) }
        let width = model.architecture.width
        let huge = try model.intervening([Intervention(.residual(1), .add(try Tensor.full([width], 3e38) * 3))])
        #expect(throws: ModelError.self) { try Sweep(huge, even, .init(.divergence)) }
        #expect(throws: ModelError.self) { try DirectAttribution(huge, even.base, answer: 7) }
        let written = try model.intervening([Intervention(.mlpOut(1), .scale(0))])
        #expect(throws: SubspaceError.self) { try Sweep(written, even).paths(to: .logits) }
    }

    @Test("directions are taken out once, however often a file has them; vectors of another width are refused")
    func vectors() throws {
        let model = try SubspaceTests.model("llama-bias")
        let width = model.architecture.width
        let url = FileManager.default.temporaryDirectory.appending(path: "vectors-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        func vectors(_ rows: [[Float]]) throws -> SteeringVectors {
            let bytes = rows.flatMap { $0 }.withUnsafeBytes { Array($0) }
            try SafetensorsWriter.write(
                [SafetensorsSource("v", .float32, [rows.count, rows[0].count], bytes: bytes)], to: url,
                overwriting: true)
            return try SteeringVectors(contentsOf: url)
        }
        let row = try RandomSource(seed: 4).normal([width]).floats()
        func logits(_ intervention: Intervention) throws -> Tensor {
            try model.intervening([intervention]).run([even.base]).logits
        }
        let once = try logits(vectors([row]).projection(model, at: .residual(1)))
        let twice = try logits(vectors([row, row.map { $0 * -2 }]).projection(model, at: .residual(1)))
        #expect(try (once - twice).abs().max().item() < 1e-4)
        #expect(throws: SubspaceError.self) {
            try vectors([[Float](repeating: 0, count: width)]).projection(model, at: .residual(1))
        }
        #expect(throws: SubspaceError.self) { try vectors(row.map { [$0] }).steering(model, at: .residual(1)) }
        #expect(throws: SubspaceError.self) { try vectors([row]).steering(model) }
        #expect(throws: ModelError.self) { try vectors([row]).steering(model, at: .residual(99)) }
    }

    @Test("head attribution is the gradient of the effect of each head", arguments: models)
    func headAttribution(name: String) throws {
        let model = try SubspaceTests.model(name)
        let sweep = try Sweep(model, even)
        let estimates = try sweep.attributed(.heads)
        #expect(estimates[0].count == model.architecture.heads)
        // Half of a layer's heads' change, and then a hundredth: the effect divided by the step comes to the estimate.
        let layer = 1
        let width = model.architecture.headWidth
        func heads(_ tokens: [Int]) throws -> Tensor {
            try model.run([tokens], capturing: [.heads(layer)], logits: .all)[.heads(layer)]
        }
        let change = try heads(even.source) - heads(even.base)
        for head in 0..<model.architecture.heads {
            let own = try change.narrowed(2, head * width..<(head + 1) * width)
            func effect(_ step: Double) throws -> Double {
                let moved = try scores(
                    model, even.base, [Intervention(.head(layer: layer, index: head), .add(try own * step))])
                return 1 - (try difference(moved)) / sweep.clean
            }
            let slope = (try effect(0.02) - effect(-0.02)) / 0.04
            #expect(abs(slope - estimates[layer][head]) < 2e-2 * max(0.05, abs(slope)), "head \(head)")
        }
    }
}
