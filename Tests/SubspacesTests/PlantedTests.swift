import SutureSubspaces
import SutureTensor
import Testing

@Suite("Illusions whose truth is known")
struct PlantedTests {
    /// The paper's network: h = (x, 0, x), y = 2 h2 + h3. e1 reads and cannot write, e2 writes and never varies, e3 does both.
    struct Toy {
        let component: LinearComponent

        init() throws {
            component = LinearComponent(
                base: try Tensor([1, 0, 1] as [Float], shape: [1, 3]),
                source: try Tensor([5, 0, 5] as [Float], shape: [1, 3]),
                writing: try Tensor([0, 2, 1] as [Float], shape: [1, 3]), reader: try Tensor([1] as [Float]),
                around: [0],
                signs: [1])
        }

        /// y under a patch that reads and writes some directions.
        func output(_ directions: (read: Tensor, write: Tensor)?) throws -> Double {
            let (read, write) = try #require(directions)
            let base = component.base
            return try component.margins(
                base + (component.source - base).matmul(read).matmul(write.transposed()))[0]
        }

        /// y when some channels are patched whole.
        func output(channels: [Int]) throws -> Double {
            let indices = try Tensor(channels)
            return try component.margins(
                component.base.replacing(1, at: indices, with: component.source.indexSelected(1, at: indices)))[0]
        }
    }

    @Test("the distilled example gives the table of the paper and its critics")
    func distilled() throws {
        let toy = try Toy()
        let space = try RowSpace(of: try #require(toy.component.writing))
        #expect(space.rank == 1)
        // direction, patch, row normalised, row raw, null, read null, channels touched, patched whole
        let rows: [([Float], Double, Double, Double, Double, Double, [Int], Double)] = [
            ([1, 1, 0], 5, 5, 2.6, 1, 3.4, [0, 1], 1),
            ([0, 0, 1], 5, 5, 1.8, 1, 4.2, [2], 5)
        ]
        for (vector, patch, row, raw, null, readNull, channels, whole) in rows {
            let split = try SplitDirection(Tensor(vector), in: space)
            for (part, expected) in [(.whole, patch), (.row, row), (.rowRaw, raw), (.null, null), (.readNull, readNull)]
                as [(SplitDirection.Part, Double)]
            {
                #expect(abs(try toy.output(split.directions(part)) - expected) < 1e-5, "\(vector) \(part)")
            }
            #expect(abs(try toy.output(channels: channels) - whole) < 1e-6)
        }
        #expect(try toy.output(channels: [0, 1, 2]) == 5)
    }

    @Test("energy on channels that never vary and the superset test tell the two apart; the row test cannot")
    func whatTells() throws {
        let toy = try Toy()
        let root = Float(0.5).squareRoot()
        let illusory = try Evidence(toy.component, Tensor([root, root, 0], shape: [3, 1]))
        let faithful = try Evidence(toy.component, Tensor([0, 0, 1] as [Float], shape: [3, 1]))
        #expect(abs(illusory.quietShare.value - 0.5) < 1e-6)
        #expect(faithful.quietShare.value == 0)
        #expect(abs(try #require(illusory.effect(.row)).value - #require(faithful.effect(.row)).value) < 1e-5)
        #expect(try #require(illusory.supersets.last).effect.value == 0)
        #expect(try #require(faithful.supersets.last).effect.value == faithful.direction.value)
        #expect(abs(illusory.rangeExit.value - 0.5) < 1e-6)
        #expect(faithful.rangeExit.value == 0)
    }

    @Test("the evidence separates planted illusions from planted mediators of other families than the calibration's")
    func separation() throws {
        let study = try PlantedStudy(count: 60, seed: 1000)
        let all = study.separation()
        #expect(all.models == 240)
        #expect(all.evidence >= 0.95)
        #expect(all.right >= 0.9)
        #expect(all.evidence > all.rowTest)
        for kind in PlantedModel.Family.Kind.allCases {
            #expect(study.separation { $0.family == kind }.evidence >= 0.95, "\(kind)")
        }
    }

    @Test("a planted model is what it says: what the whole layer does, and what each kind of direction does")
    func planted() throws {
        for kind in PlantedModel.Family.Kind.allCases {
            let study = try PlantedStudy([kind], count: 20, seed: 7)
            let family = PlantedModel.Family(kind, isCalibration: false)
            for model in study.models {
                #expect(model.effect > 0)
                // A layer that mediates moves all of the margin: to the other class, twice what it is.
                let mediates = !model.isIllusory || kind == .beside || kind == .narrow
                if mediates { #expect(abs(model.whole - 2) < 0.6, "\(family)") } else { #expect(abs(model.whole) < 1) }
            }
        }
    }
}
