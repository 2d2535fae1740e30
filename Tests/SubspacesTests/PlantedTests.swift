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
                component.base.replacing(1, at: indices, with: component.source.gathered(1, at: indices)))[0]
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
        #expect(abs(illusory.quietShare - 0.5) < 1e-6)
        #expect(faithful.quietShare == 0)
        #expect(abs(try #require(illusory.effect(.row)) - #require(faithful.effect(.row))) < 1e-5)
        #expect(try #require(illusory.supersets.last).effect == 0)
        #expect(try #require(faithful.supersets.last).effect == faithful.direction)
        #expect(abs(illusory.rangeExit - 0.5) < 1e-6)
        #expect(faithful.rangeExit == 0)
    }

    @Test("the evidence separates planted illusions from planted mediators of another family than the calibration's")
    func separation() throws {
        let found = try PlantedModel.separation(.test, count: 200, seed: 1000)
        #expect(found.evidence >= 0.95)
        #expect(found.right >= 190)
    }
}
