import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureRepair

@Suite("STAR and ASTRA by second formulas")
struct AnalyticMethodTests {
    static let models = ["llama", "llama-tied", "gpt2"]
    private static let failure = TokenizedFailure(prompt: RepairTests.prompt, answer: [17, 64])

    @Test("STAR's prior is the least-squares solution of least norm in the metric of D", arguments: [false, true])
    func prior(weighted: Bool) throws {
        let random = try RandomSource(seed: 1)
        let (keys, steers) = (try random.normal([4, 30]), try random.normal([4, 9]))
        let metric = weighted ? try random.uniform([30]).to(.float64) + 0.2 : try Tensor.full([30], 1, dtype: .float64)
        let prior = try STAR.prior(steers, keys, metric)
        // X = D^1/2 Y with Y of least norm among Z D^1/2 Y = S.
        let root = try metric.sqrt()
        let scaled = try steers.to(.float64).leastSquares(keys.to(.float64) * root)
        let expected = try scaled.transposed() * root
        #expect(try (prior - expected.to(.float32)).abs().max().item() < 1e-4)
        #expect(try (keys.matmul(prior.transposed()) - steers).abs().max().item() < 1e-4)
        // With a wrong token there twice the system has no inverse, and still a solution.
        let twice = try STAR.prior(
            Tensor.concatenated([steers, steers], 0), Tensor.concatenated([keys, keys], 0), metric)
        #expect(try (twice - prior).abs().max().item() < 1e-3)
    }

    @Test("a gradient pass gives loss, gradients and keys of a run through changed weights", arguments: models)
    func gradients(name: String) throws {
        let model = try RepairTests.model(name)
        let random = try RandomSource(seed: 2)
        let shape = [model.architecture.width, model.architecture.hiddenWidth]
        let change = WeightChange(matrices: [MatrixDelta(layer: 1, .dense(try random.normal(shape) * 0.05))])
        let failures = [Self.failure, TokenizedFailure(prompt: [3, 9, 27], answer: [5])]
        let runs = try failures.map { try TeacherForcedRun($0, on: model).changing([1, 2]) }
        let pass = try GradientPass(runs, change, layers: [1, 2])

        // The same loss by full runs of changed models.
        func loss(_ change: WeightChange) throws -> Double {
            let changed = try model.applying(change)
            let sums = try failures.map { failure in
                try failure.answer.enumerated().reduce(0.0) { sum, next in
                    let seen = failure.prompt + failure.answer[..<next.offset]
                    return sum - (try changed.run([seen]).logits.logSoftmax().selected(1, next.element).sum().item())
                }
            }
            return sums.reduce(0, +) / 3
        }
        #expect(abs(try loss(change) - pass.loss) < 1e-4)
        for layer in [1, 2] {
            let direction = try random.normal(shape) / Double(shape[0] * shape[1]).squareRoot()
            func moved(_ step: Double) throws -> Double {
                try loss(
                    change.adding(
                        WeightChange(matrices: [MatrixDelta(layer: layer, .dense(try direction * step))])))
            }
            let slope = try (#require(pass.gradients[layer]) * direction).sum().item()
            #expect(abs(try (moved(0.05) - moved(-0.05)) / 0.1 - slope) < 2e-2 * max(0.1, abs(slope)))
        }
        let keys = try model.applying(change).run([failures[0].prompt + [17]], capturing: [.mlpHidden(2)])
        let expected = try keys[.mlpHidden(2)].squeezed(0).narrowed(0, Self.failure.places)
        #expect(try (#require(pass.keys[2]).narrowed(0, 0..<2) - expected).abs().max().item() < 1e-4)
    }

    @Test("STAR moves no weight further than its epochs allow, and brings answers out", arguments: models)
    func star(name: String) throws {
        let model = try RepairTests.model(name)
        var star = STAR()
        (star.rate, star.share) = (0.3, 0.67)
        let prepared = try star.prepared(RepairMaterial(model, texts: RepairTests.texts(1)))
        let proposal = try prepared.propose(Self.failure, on: model)
        #expect(proposal.abandoned == nil && proposal.change.matrices.count == 2 && proposal.change.neurons.isEmpty)
        #expect(try model.applying(proposal.change).write(Self.failure) == Self.failure.answer)
        var none = star
        none.rate = 1e-9
        let still = try none.prepared(RepairMaterial(model, texts: RepairTests.texts(1)))
        #expect(try still.propose(Self.failure, on: model).abandoned?.hasPrefix("8 epochs") == true)
    }

    @Test("ASTRA's solution moves every contrast by its gap on the direct path")
    func solution() throws {
        let random = try RandomSource(seed: 3)
        var astra = ASTRA()
        astra.ridge = 0
        let (count, width) = (3, 12)
        let layers = try (0..<2).map { layer in
            try MaskedLayer(layer, [0, 2, 3, 5, 7], random.uniform([9]).to(.float64) + 0.1, nil)
        }
        let keys = try layers.map { _ in try random.normal([count, 5]) }
        let readings = try zip(layers, keys).map { try $0.readings($1) }
        let tokens = try (0..<count).map { index in
            ASTRA.Token(
                place: .init(token: index), contrast: try random.normal([width]), direction: try random.normal([width]),
                scale: 0.5 + Double(index), need: Double(index) - 0.7)
        }
        let sizes = try astra.solve(tokens, keys, readings)
        let written = try Tensor.stacked(tokens.map(\.direction)) * sizes.unsqueezed(1)
        for (index, token) in tokens.enumerated() {
            let moved = try zip(keys, readings).reduce(0.0) { sum, layer in
                let change = try written.transposed().matmul(layer.1).matmul(layer.0.selected(0, index).unsqueezed(1))
                return sum + (try (change.squeezed(1) * token.contrast).sum().item())
            }
            #expect(abs(moved / token.scale - token.need) < 1e-3)
        }
    }

    @Test("ASTRA brings answers out with few neurons of few layers, and leaves reserved ones", arguments: models)
    func astra(name: String) throws {
        let model = try RepairTests.model(name)
        var astra = ASTRA()
        (astra.share, astra.neurons) = (0.67, 4)
        func propose(_ reserved: Set<Neuron>) throws -> Proposal {
            let prepared = try astra.prepared(RepairMaterial(model, texts: RepairTests.texts(1), reserved: reserved))
            return try prepared.propose(Self.failure, on: model)
        }
        let proposal = try propose([])
        #expect(proposal.abandoned == nil && proposal.change.matrices.isEmpty)
        #expect(Set(proposal.change.neurons.map(\.neuron.layer)).count == 2)
        #expect(try model.applying(proposal.change).write(Self.failure) == Self.failure.answer)
        let taken = Set(proposal.change.neurons.map(\.neuron).prefix(3))
        #expect(Set(try propose(taken).change.neurons.map(\.neuron)).isDisjoint(with: taken))
    }

    @Test("what spares earlier answers adds nothing where their tokens are written", arguments: models, [0, 1, 2])
    func sparing(name: String, which: Int) throws {
        let model = try RepairTests.model(name)
        var star = STAR()
        var astra = ASTRA()
        (star.rate, star.share, astra.limit, astra.share) = (0.3, 1, 0.5, 0.34)
        let method: any JointRepairMethod = [Recruit(), star, astra][which]
        let prepared = try method.prepared(RepairMaterial(model, texts: RepairTests.texts(1)))
        let kept = TokenizedFailure(prompt: RepairTests.prompt.dropLast() + [30], answer: [4, 8])
        func disturbance(_ spared: [TokenizedFailure]) throws -> Double {
            let proposal = try prepared.propose([TeacherForcedRun(Self.failure, on: model)], sparing: spared)
            let change = proposal.change
            let lowest = try #require(change.lowestLayer)
            let out = Site.mlpOut(lowest)
            let own = WeightChange(
                neurons: change.neurons.filter { $0.neuron.layer == lowest },
                matrices: change.matrices.filter { $0.layer == lowest })
            func written(_ model: LanguageModel, _ tokens: TokenizedFailure) throws -> Tensor {
                try model.run([tokens.prompt + tokens.answer.dropLast()], capturing: [out])[out].narrowed(
                    1, tokens.places)
            }
            // A recruited neuron served its old purpose before: that is gone in any case.
            let silent = try WeightChange(
                neurons: which != 0
                    ? [] : own.neurons.map { NeuronEdit($0.neuron, delta: try -model.writeVector($0.neuron)) })
            let (with, without) = (try model.applying(own), try model.applying(silent))
            let moved = try (written(with, kept) - written(without, kept)).abs().max().item()
            let meant = try (written(with, Self.failure) - written(without, Self.failure)).abs().max().item()
            return moved / meant
        }
        #expect(try disturbance([kept]) < 1e-4)
        #expect(try disturbance([]) > 1e-3)
    }

    @Test("many failures are solved for together", arguments: models, [0, 1, 2])
    func joint(name: String, which: Int) throws {
        let model = try RepairTests.model(name)
        var star = STAR()
        var astra = ASTRA()
        (star.rate, star.share, astra.limit, astra.share) = (0.2, 1, 0.5, 0.67)
        let method: any JointRepairMethod = [Recruit(), star, astra][which]
        let prepared = try method.prepared(RepairMaterial(model, texts: RepairTests.texts(1)))
        let failures = [
            Self.failure, TokenizedFailure(prompt: [3, 9, 27, 81, 51], answer: [5]),
            TokenizedFailure(prompt: [44, 8, 70, 1], answer: [90, 12])
        ]
        let proposal = try prepared.propose(failures.map { try TeacherForcedRun($0, on: model) })
        let patched = try model.applying(proposal.change)
        for failure in failures { #expect(try patched.write(failure) == failure.answer) }
    }
}
