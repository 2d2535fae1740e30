import Foundation
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureSubspaces

@Suite("Directions from random starts")
struct StartsTests {
    private func study(_ folder: URL? = nil) -> StartsStudy {
        var study = StartsStudy()
        (study.starts, study.controls, study.das.epochs, study.folder) = (3, 2, 2, folder)
        return study
    }

    @Test("each layer has its MLP and its stream, judged as a patch alone is", arguments: SubspaceTests.models)
    func sites(name: String) throws {
        let model = try SubspaceTests.model(name)
        let (train, heldOut) = (SubspaceTests.pairs(9, seed: 2), SubspaceTests.pairs(7, seed: 3))
        let folder = FileManager.default.temporaryDirectory.appending(path: "starts-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let report = try study(folder).run(model, learning: train, judging: heldOut, modelName: name)
        let layers = model.architecture.layers - 1
        #expect(report.sites.map(\.layer) == (0..<layers).flatMap { [$0, $0 + 1] })
        #expect(report.sites.map(\.isInStream) == (0..<layers).flatMap { _ in [false, true] })
        for site in report.sites {
            #expect(site.random.count == 3 && site.controls.count == (site.isInStream ? 0 : 2))
            #expect(site.agreement.count == 3 && site.withComputed.count == 3)
            #expect(site.agreement.allSatisfy { (0...1.0001).contains($0) })
            // A start by itself, learned and judged in runs of its own.
            let location = Location(site.isInStream ? .residual(site.layer) : .mlpHidden(site.layer))
            var das = study().das
            (das.start, das.seed) = (.random, 2)
            let direction = try das.train(PairedRuns(model, train, at: [location]), at: location)
            let runs = try PairedRuns(model, heldOut, at: [location])
            let score = Score(try runs.outputs(direction.patch), clean: try runs.clean(), pairs: heldOut)
            #expect(abs(score.fldd.value - site.random[1].score.fldd.value) < 1e-3)
            #expect((site.random[1].row == nil) == site.isInStream)
        }

        // What was learned is kept, and a study with other options does not take it.
        let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(kept.count == layers * (2 * 4 + 2))
        var again = study(folder)
        let second = try again.run(model, learning: train, judging: heldOut, modelName: name)
        #expect(
            second.sites.map { $0.random.map(\.score.fldd.value) }
                == report.sites.map { $0.random.map(\.score.fldd.value) })
        let file = folder.appending(path: try #require(kept.first { $0.contains("start-2") }))
        let whole = try Data(contentsOf: file)
        try whole.prefix(whole.count - 9).write(to: file)
        let error = #expect(throws: SubspaceError.self) {
            try again.run(model, learning: train, judging: heldOut, modelName: name)
        }
        #expect(error?.description.contains("this kept direction is damaged") == true)
        try whole.write(to: file)
        again.das.epochs = 3
        #expect(throws: SubspaceError.self) {
            try again.run(model, learning: train, judging: heldOut, modelName: name)
        }
    }

    @Test("layers that are not there, or named twice, are refused")
    func refusals() throws {
        let model = try SubspaceTests.model("llama")
        let pairs = SubspaceTests.pairs(4, seed: 2)
        for layers in [[], [model.architecture.layers - 1], [-1], [0, 0]] {
            var study = study()
            study.layers = layers
            let error = #expect(throws: SubspaceError.self) {
                try study.run(model, learning: pairs, judging: pairs, modelName: "llama")
            }
            #expect(error?.code == .badRequest)
        }
    }

    @Test("subspaces agree whatever basis they are given in, and apart ones do not")
    func agreement() throws {
        let random = try RandomSource(seed: 7)
        let frame = try random.normal([9, 4]).qr().q
        let (a, b) = (try frame.narrowed(1, 0..<2), try frame.narrowed(1, 2..<4))
        let turn = try random.normal([2, 2]).qr().q
        #expect(abs(try StartsStudy.agreement(a, a.matmul(turn)) - 1) < 1e-5)
        #expect(try StartsStudy.agreement(a, b) < 1e-5)
        // One direction shared, one at 60 degrees.
        let mixed = try Tensor.concatenated(
            [frame.narrowed(1, 0..<1), frame.narrowed(1, 1..<2) * 0.5 + frame.narrowed(1, 2..<3) * 0.75.squareRoot()], 1
        )
        #expect(abs(try StartsStudy.agreement(a, mixed) - (1.25 / 2).squareRoot()) < 1e-5)
    }

    @Test("an illusion is a direction that does what the whole MLP does not, and loses half with its kernel part")
    func illusions() throws {
        func isIllusion(_ full: Double, _ direction: Double, _ row: Double) -> Bool {
            IllusionReport.isIllusion(full: full, direction: direction, row: row)
        }
        #expect(isIllusion(0, 0.5, 0.1) && isIllusion(-0.3, 0.21, 0))
        #expect(!isIllusion(0.3, 0.5, 0.1) && !isIllusion(0, 0.5, 0.3) && !isIllusion(0, 0.2, 0))
    }
}
