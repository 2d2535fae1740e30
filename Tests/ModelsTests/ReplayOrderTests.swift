import SutureModels
import SutureTensor
import Testing

/// Each row of a batched replay is held against a full run of the very alternative that asked for it.
@Suite("Each alternative gets its own row back")
struct ReplayOrderTests {
    static let models = ["llama-bias", "mistral", "gpt2", "codegen", "gpt-neox", "qwen3", "phi3", "starcoder2", "gemma"]
    /// At least 10,000 alternatives over all models.
    private static let batchesOfEach = 75

    @Test("random alternatives of random prompts, in random order, with duplicates", arguments: models)
    func randomAlternatives(name: String) throws {
        var random = try RandomAlternatives(TinyModel(name).model, seed: 230)
        var compared = 0
        for batch in 0..<Self.batchesOfEach {
            let prompts = random.prompts()
            let alternatives = try random.alternatives(of: prompts)
            let changesScores = alternatives.contains { $0.interventions.contains { $0.site == .logits } }
            let tokens = batch % 3 == 0 && !changesScores ? [3, 17, 5] : nil
            let trace = try random.model.trace(prompts, capturing: batch % 2 == 0 ? [.mlpHidden(0), .mlpHidden(1)] : [])
            let found = try trace.replay(alternatives, logits: tokens.map(LogitPositions.lastOf) ?? .last).logits
            for (row, alternative) in alternatives.enumerated() {
                let full = try random.model.applying(alternative.change).run(
                    [prompts[alternative.prompt]], alternative.interventions
                ).logits
                let expected = try tokens.map { try full.indexSelected(1, at: $0) } ?? full
                #expect(
                    try isClose(found.narrowed(0, row..<row + 1), expected),
                    "batch \(batch), row \(row): \(alternative)")
            }
            compared += alternatives.count
        }
        #expect(compared * Self.models.count >= 10_000)
    }

    @Test("what is captured stands in the order of the alternatives, too", arguments: models)
    func captures(name: String) throws {
        var random = try RandomAlternatives(TinyModel(name).model, seed: 231)
        let sites: [Site] = [.residual(2), .mlpHidden(1), .residual(random.model.architecture.layers)]
        for _ in 0..<8 {
            // Captured columns have to line up, and mean nothing behind the end of a prompt.
            let prompts = [random.prompt(length: 9), random.prompt(length: 9)]
            let alternatives = try random.alternatives(of: prompts)
            let trace = try random.model.trace(prompts)
            let found = try trace.replay(alternatives, capturing: sites, logits: .all)
            for (row, alternative) in alternatives.enumerated() {
                let full = try random.model.applying(alternative.change).run(
                    [prompts[alternative.prompt]], alternative.interventions, capturing: sites, logits: .all)
                let columns = found.firstPosition..<9
                for site in sites {
                    #expect(
                        try isClose(found[site].narrowed(0, row..<row + 1), full[site].narrowed(1, columns)),
                        "row \(row), \(site): \(alternative)")
                }
                #expect(try isClose(found.logits.narrowed(0, row..<row + 1), full.logits.narrowed(1, columns)))
            }
        }
    }

    @Test("positions close to the end, layer by layer as a sweep asks for them", arguments: 1...8)
    func layersByPositions(positions: Int) throws {
        let model = try TinyModel("llama-bias").model
        let prompt = TinyModel.promptA
        let trace = try model.trace([prompt])
        let random = try RandomSource(seed: UInt64(positions))
        let cells = try (0...model.architecture.layers).flatMap { layer in
            try (prompt.count - positions..<prompt.count).map { position in
                Intervention(
                    .residual(layer), at: .at([position]), .replace(try random.normal([model.architecture.width])))
            }
        }
        let found = try trace.replay(cells.map { Alternative([$0]) }).logits
        for (row, cell) in cells.enumerated() {
            let full = try model.run([prompt], [cell]).logits
            #expect(try distance(found.narrowed(0, row..<row + 1), full) < 2e-5, "\(cell.site) \(cell.positions)")
        }
    }

    @Test("the last tokens of prompts whose lengths differ by one", arguments: models)
    func neighboringLengths(name: String) throws {
        let model = try TinyModel(name).model
        let prompts = [TinyModel.promptA, Array(TinyModel.promptA.dropLast()), Array(TinyModel.promptA.dropFirst(2))]
        let change = Intervention(.mlpOut(1), at: .last, .scale(3))
        let order = [0, 2, 1, 1, 0, 2]
        let found = try model.trace(prompts).replay(order.map { Alternative(prompt: $0, [change]) }).logits
        for (row, prompt) in order.enumerated() {
            let full = try model.run([prompts[prompt]], [change]).logits
            #expect(try distance(found.narrowed(0, row..<row + 1), full) < 2e-5)
        }
    }
}

/// Equal to 1e-4, or to 1e-4 of the largest value where values are larger than one.
private func isClose(_ a: Tensor, _ b: Tensor) throws -> Bool {
    try distance(a, b) < 1e-4 * max(1, b.count == 0 ? 0 : b.abs().max().item())
}

/// Prompts and alternatives drawn from a random seed.
private struct RandomAlternatives {
    let model: LanguageModel
    private var random: SeededGenerator
    private let noise: RandomSource

    init(_ model: LanguageModel, seed: UInt64) throws {
        self.model = model
        random = SeededGenerator(seed: seed)
        noise = try RandomSource(seed: seed)
    }

    mutating func prompt(length: Int) -> [Int] { (0..<length).map { _ in random.below(96) } }

    /// One to three prompts; lengths that are close to one another are as likely as others.
    mutating func prompts() -> [[Int]] {
        let longest = 1 + random.below(14)
        return (0...random.below(3)).map { _ in prompt(length: max(1, longest - random.below(4))) }
    }

    /// One to 30 of them, in no order; some stand there twice.
    mutating func alternatives(of prompts: [[Int]]) throws -> [Alternative] {
        let some = try (0...random.below(26)).map { _ in try alternative(of: prompts) }
        let again = (0..<random.below(4)).map { _ in random.pick(some) }
        return random.shuffled(some + again)
    }

    private mutating func alternative(of prompts: [[Int]]) throws -> Alternative {
        let prompt = random.below(prompts.count)
        var interventions: [Intervention] = []
        // Most ask for one small change at one position, as sweeps do.
        for _ in 0..<random.pick([1, 1, 1, 1, 2, 0]) {
            interventions.append(try intervention(length: prompts[prompt].count))
        }
        guard random.below(4) == 0 else { return Alternative(prompt: prompt, interventions) }
        return Alternative(prompt: prompt, interventions, change: try change())
    }

    private mutating func intervention(length: Int) throws -> Intervention {
        let site = random.pick(ReplayTests.sites(model))
        let width = site.width(in: model.architecture)
        let places: [Intervention.Positions] = [
            .at([random.below(length)]), .at([length - 1 - random.below(min(length, 3))]), .last, .all
        ]
        let value = try noise.normal([width])
        let changes: [Intervention.Change] = [.replace(value), .add(value), .scale(0), .scale(-2), .clamp(-0.1...0.1)]
        return Intervention(site, at: random.pick(places), random.pick(changes))
    }

    private mutating func change() throws -> WeightChange {
        let (layers, width) = (model.architecture.layers, model.architecture.width)
        let neuron = Neuron(layer: random.below(layers), index: random.below(model.architecture.hiddenWidth))
        let edit = NeuronEdit(neuron, delta: try noise.normal([width]))
        guard random.below(2) == 0 else { return WeightChange(neurons: [edit]) }
        let write = try noise.normal([width, 1]) * 0.2
        let read = try noise.normal([1, model.architecture.hiddenWidth]) * 0.2
        let matrix = MatrixDelta(layer: random.below(layers), .lowRank(write: write, read: read))
        return WeightChange(neurons: random.below(2) == 0 ? [edit] : [], matrices: [matrix])
    }
}
