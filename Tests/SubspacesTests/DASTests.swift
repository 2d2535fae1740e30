import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureSubspaces

@Suite("Where learning a direction starts, and what it counts")
struct DASTests {
    @Test("the steepest direction of one pair is the known one, with few rows and with many", arguments: [2, 5])
    func closedForm(width: Int) throws {
        // The lowest eigenvector of g D^T + D g^T is D / |D| - g / |g|; with 2 rows in 5 dimensions a frame is used.
        let gradient: [Double] = [3, 0, 4, 0, 0]
        let difference: [Double] = [0, 1, 1, 0, 0]
        let rows = [gradient, difference].map { Array($0.prefix(width)) }
        let found = try DAS.steepest(
            Tensor(rows[0]).unsqueezed(0), Tensor(rows[1]).unsqueezed(0), count: 1
        ).reshaped([-1]).elements(as: Double.self)
        func unit(_ values: [Double]) -> [Double] {
            let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return values.map { $0 / length }
        }
        let expected = unit(zip(unit(rows[1]), unit(rows[0])).map { $0 - $1 })
        #expect(abs(abs(zip(found, expected).reduce(0) { $0 + $1.0 * $1.1 }) - 1) < 1e-6)
    }

    @Test("of several columns, no others lower the quadratic form more")
    func lowest() throws {
        let random = try RandomSource(seed: 5)
        let (gradients, differences) = (try random.normal([4, 12]), try random.normal([4, 12]))
        func form(_ basis: Tensor) throws -> Double {
            try (gradients.matmul(basis) * differences.matmul(basis)).sum().item()
        }
        let best = try DAS.steepest(gradients, differences, count: 3)
        let identity = try Tensor([1, 0, 0, 0, 1, 0, 0, 0, 1] as [Float], shape: [3, 3])
        let error = try (best.transposed().matmul(best) - identity).abs().max().item()
        #expect(error < 1e-5)
        let least = try form(best)
        for _ in 0..<20 {
            let step = try random.normal([12, 3])
            let (other, near) = (try form(step.qr().q), try form((best + step * 0.05).qr().q))
            #expect(least <= other && least <= near + 1e-5)
        }
    }

    @Test("gradients tell what a small patch does to the loss", arguments: SubspaceTests.models, DAS.Loss.allCases)
    func gradients(name: String, loss: DAS.Loss) throws {
        let model = try SubspaceTests.model(name)
        let location = Location(.mlpHidden(1), at: .role("subject"))
        let runs = try PairedRuns(model, SubspaceTests.pairs(7, seed: 2), at: [location])
        var das = DAS()
        das.loss = loss
        das.batchSize = 3
        let gradients = try das.gradients(runs, at: location)
        let differences = try DAS.differences(runs, at: location)
        #expect(gradients.shape == differences.shape && gradients.shape[0] == 7)
        let basis = try DAS.orthonormal(RandomSource(seed: 1).normal([gradients.shape[1], 2]))
        let expected = try (gradients.matmul(basis) * differences.matmul(basis)).sum().item()
        func total(_ scale: Double) throws -> Double {
            let patch = SubspacePatch(location, read: basis, write: try basis * scale)
            return try Tensor.withoutGradients {
                try runs.batches.map { batch in
                    let rows = Array(batch.pairs.indices)
                    let logits = try batch.trace.replay(prompts: rows, [patch.intervention(on: batch)]).logits
                    return try das.loss(logits, batch, rows).item()
                }.reduce(0, +)
            }
        }
        let measured = try (total(0.05) - total(-0.05)) / 0.1
        #expect(abs(measured - expected) < 0.02 * abs(expected) + 2e-4)
    }

    @Test("pairs of equal prompts count in the loss though they are not run")
    func equalPrompts() throws {
        let model = try SubspaceTests.model("llama")
        let location = Location(.residual(1), at: .role("subject"))
        let moving = SubspaceTests.pairs(5, seed: 3)
        let still = SubspaceTests.pairs(3, seed: 4).map {
            TokenizedPair(
                base: $0.base, source: $0.base, answer: $0.answer, other: $0.other, target: $0.answer,
                baseRoles: ["subject": 3], sourceRoles: ["subject": 3])
        }
        let runs = try PairedRuns(model, moving + still, at: [location])
        var das = DAS()
        das.loss = .logitDifference
        das.start = .random
        das.epochs = 1
        var reported = 0.0
        _ = try das.train(runs, at: location) { _, _, loss in reported = loss }
        let differences = try runs.outputs(Directions.random(model, at: location, seed: das.seed).patch).difference
        let expected = differences.enumerated().reduce(0) { $0 + ($1.offset < 5 ? $1.element : -$1.element) } / 8
        #expect(abs(reported - expected) < 1e-5)
        das.start = .firstOrder
        let alone = try PairedRuns(model, still, at: [location])
        #expect(throws: SubspaceError.self) { try das.train(alone, at: location) }
    }

    @Test("the first-order start is below random ones before a step, and its directions are as many as asked for")
    func start() throws {
        let model = try SubspaceTests.model("llama")
        let location = Location(.residual(1), at: .role("subject"))
        let runs = try PairedRuns(model, SubspaceTests.pairs(24, seed: 6), at: [location])
        func first(_ start: DAS.Start, seed: UInt64) throws -> Double {
            var das = DAS()
            das.start = start
            das.seed = seed
            das.directions = 2
            das.epochs = 1
            das.batchSize = 24
            var reported = 0.0
            let found = try das.train(runs, at: location) { _, _, loss in reported = loss }
            #expect(found.count == 2)
            return reported
        }
        let own = try first(.firstOrder, seed: 0)
        for seed in 1...5 {
            let other = try first(.random, seed: UInt64(seed))
            #expect(own < other)
        }
        var das = DAS()
        das.directions = 10_000
        #expect(throws: SubspaceError.self) { try das.train(runs, at: location) }
    }
}
