import SutureModels
import SutureTensor
import Testing

@Suite("Interventions")
struct InterventionTests {
    static let models = ReplayTests.models
    static let prompts = [TinyModel.promptA, TinyModel.promptB]

    /// Every kind of change and what it should make of `[1, positions, width]`.
    private func changes(_ width: Int) throws -> [(Intervention.Change, (Tensor) throws -> Tensor)] {
        let random = try RandomSource(seed: 4)
        let basis = try random.normal([width, 2]).qr().q
        let other = try random.normal([width, 2])
        let source = try random.normal([1, 1, width])
        let projection = try basis.matmul(basis.transposed())
        let mixed = try basis.matmul(other.transposed())
        return [
            (.replace(source), { try $0 * 0 + source }), (.add(source), { try $0 + source }),
            (.scale(-2), { try $0 * -2 }),
            (.clamp(-0.1...0.2), { try $0.clamped(to: -0.1...0.2) }),
            (.projectOut(basis), { try $0 - $0.matmul(projection) }),
            (.swap(basis, from: source), { try $0 + (source - $0).matmul(projection) }),
            (.swap(read: basis, write: other, from: source), { try $0 + (source - $0).matmul(mixed) })
        ]
    }

    @Test("each kind does what its formula says, on all channels and on some", arguments: models)
    func kinds(name: String) throws {
        let model = try TinyModel(name).model
        for site in [Site.residual(1), .mlpHidden(1), .heads(0), .queries(2)] {
            let clean = try model.run([TinyModel.promptA], capturing: [site])[site]
            let width = site.width(in: model.architecture)
            #expect(clean.shape[2] == width)
            let units = [5, 0, 2, 7]
            for (kind, (change, expected)) in try changes(width).enumerated() {
                let run = try model.run(
                    [TinyModel.promptA], [Intervention(site, at: .at([3, 9]), change)], capturing: [site])
                #expect(
                    try distance(run[site].narrowed(1, 3..<4), expected(clean.narrowed(1, 3..<4))) < 1e-5, "\(kind)")
                #expect(try distance(run[site].narrowed(1, 4..<9), clean.narrowed(1, 4..<9)) == 0)
            }
            for (kind, (change, expected)) in try changes(units.count).enumerated() {
                let run = try model.run(
                    [TinyModel.promptA], [Intervention(site, at: .last, units: units, change)], capturing: [site],
                    logits: .all)
                let last = TinyModel.promptA.count - 1
                let before = try clean.narrowed(1, last..<last + 1)
                let after = try run[site].narrowed(1, last..<last + 1)
                #expect(
                    try distance(after.indexSelected(2, at: units), expected(before.indexSelected(2, at: units)))
                        < 1e-5,
                    "\(kind)")
                let rest = (0..<width).filter { !units.contains($0) }
                #expect(try distance(after.indexSelected(2, at: rest), before.indexSelected(2, at: rest)) == 0)
            }
        }
    }

    @Test("several at one site act one after the other, and at several sites together", arguments: models)
    func composition(name: String) throws {
        let model = try TinyModel(name).model
        let added = Intervention(.mlpHidden(0), at: .last, .add(try Tensor([Float(1)])))
        let both = [added, Intervention(.mlpHidden(0), at: .last, .scale(3))]
        let mapped = Intervention(.mlpHidden(0), at: .last, .map { try ($0 + 1) * 3 })
        let elsewhere = Intervention(.residual(2), at: .at([4]), .scale(0))
        let expected = try model.run([TinyModel.promptA], [mapped, elsewhere]).logits
        #expect(try distance(model.run([TinyModel.promptA], both + [elsewhere]).logits, expected) < 1e-5)
        let trace = try model.trace([TinyModel.promptA])
        #expect(try distance(trace.replay([Alternative(both + [elsewhere])]).logits, expected) < 2e-5)
    }

    @Test("a joint replay equals one alternative for each prompt, at each prompt's own position", arguments: models)
    func joint(name: String) throws {
        let model = try TinyModel(name).model
        let site = Site.mlpHidden(1)
        let width = site.width(in: model.architecture)
        let random = try RandomSource(seed: 5)
        let trace = try model.trace(Self.prompts, from: 1)
        let rows = [1, 0, 1]
        let places = [2, 6, 4]
        let values = try random.normal([3, 1, width])
        for each in [true, false] {
            let positions: Intervention.Positions = each ? .each(places) : .last
            let joint = try trace.replay(prompts: rows, [Intervention(site, at: positions, .replace(values))])
            for (index, row) in rows.enumerated() {
                let value = try values.narrowed(0, index..<index + 1)
                let place: Intervention.Positions = each ? .at([places[index]]) : .last
                let expected = try model.run([Self.prompts[row]], [Intervention(site, at: place, .replace(value))])
                    .logits
                #expect(try distance(joint.logits.narrowed(0, index..<index + 1), expected) < 2e-5)
            }
        }
    }

    @Test("a run without scores captures the same and stops early", arguments: models)
    func noScores(name: String) throws {
        let model = try TinyModel(name).model
        let sites: [Site] = [.residual(2), .mlpHidden(1), .queries(0)]
        let full = try model.run([TinyModel.promptA], capturing: sites)
        let short = try model.run([TinyModel.promptA], capturing: sites, logits: .none)
        for site in sites { #expect(try distance(full[site], short[site]) == 0) }
        #expect(short.logits.shape == [1, 0])
        let trace = try model.trace([TinyModel.promptA])
        let change = Intervention(.residual(1), at: .at([5]), .scale(2))
        let replayed = try trace.replay([Alternative([change])], capturing: [.residual(2)], logits: .none)
        let expected = try model.run([TinyModel.promptA], [change], capturing: [.residual(2)])[.residual(2)]
        #expect(try distance(replayed[.residual(2)], expected.narrowed(1, 5..<TinyModel.promptA.count)) < 2e-5)
    }

    @Test("what does not fit is refused before anything runs")
    func refused() throws {
        let model = try TinyModel("llama").model
        let width = model.architecture.width
        let value = try Tensor.zeros([width + 1])
        let basis = try Tensor.zeros([width, 2])
        let wrong: [Intervention] = [
            Intervention(.residual(1), .replace(value)), Intervention(.residual(1), .add(value)),
            Intervention(.residual(1), at: .last, .replace(try Tensor.zeros([2, 1, width]))),
            Intervention(.mlpHidden(1), .projectOut(basis)),
            Intervention(
                .residual(1), .swap(read: basis, write: try Tensor.zeros([width, 1]), from: try Tensor.zeros([width]))),
            Intervention(.residual(1), units: [width], .scale(0)), Intervention(.residual(1), units: [1, 1], .scale(0)),
            Intervention(.residual(1), units: [], .scale(0)), Intervention(.residual(1), at: .each([1, 2]), .scale(0)),
            Intervention(.residual(1), at: .each([40]), .scale(0)), Intervention(.residual(1), at: .at([-1]), .scale(0))
        ]
        let trace = try model.trace([TinyModel.promptA], from: 1)
        for intervention in wrong {
            #expect(throws: ModelError.self) { try model.run([TinyModel.promptA], [intervention]) }
            #expect(throws: ModelError.self) { try trace.replay([Alternative([intervention])]) }
        }
        #expect(throws: ModelError.self) { try trace.replay(prompts: [0], [Intervention(.residual(0), .scale(2))]) }
        #expect(throws: ModelError.self) { try trace.replay(prompts: [3], []) }
        #expect(throws: ModelError.self) { _ = try trace[.residual(0)] }
    }

    @Test("scores of prompts of different length change where each of them ends", arguments: models)
    func scoresOfUnequalPrompts(name: String) throws {
        let model = try TinyModel(name).model
        let (long, short) = (Self.prompts[0].count, Self.prompts[1].count)
        let random = try RandomSource(seed: 9)
        let rows = try random.normal([2, 1, model.architecture.vocabulary])
        let columns = try random.normal([1, long, model.architecture.vocabulary])
        let cases: [(Intervention, [Tensor?])] = [
            (Intervention(.logits, at: .last, .replace(rows)), [try rows.selected(0, 0), try rows.selected(0, 1)]),
            (
                Intervention(.logits, at: .each([long - 1, 2]), .replace(rows)),
                [try rows.selected(0, 0), nil]
            ),
            (
                Intervention(.logits, at: .at([1, short - 1]), .replace(try columns.narrowed(1, 0..<2))),
                [nil, try columns.selected(1, 1)]
            ),
            (
                Intervention(.logits, .replace(columns)),
                [try columns.selected(1, long - 1), try columns.selected(1, short - 1)]
            )
        ]
        let clean = try model.run(Self.prompts).logits
        let trace = try model.trace(Self.prompts)
        for (change, expected) in cases {
            for found in [
                try model.run(Self.prompts, [change]).logits, try trace.replay(prompts: [0, 1], [change]).logits
            ] {
                for (row, value) in expected.enumerated() {
                    let expected = try value ?? clean.narrowed(0, row..<row + 1)
                    #expect(
                        try distance(found.narrowed(0, row..<row + 1), expected) < 2e-5, "\(change.positions) \(row)")
                }
            }
        }
    }
}
