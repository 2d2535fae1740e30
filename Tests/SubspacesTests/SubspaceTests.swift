import Foundation
import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Directions, their parts, and patches along them, on tiny models")
struct SubspaceTests {
    static let models = ["llama", "gpt2"]
    static func model(_ name: String) throws -> LanguageModel { try LanguageModel.load(Goldens.url("models/\(name)")) }

    /// Random prompts of one length; the source differs from the base in one token.
    static func pairs(_ count: Int, seed: UInt64, length: Int = 9) -> [TokenizedPair] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            let base = (0..<length).map { _ in random.below(96) }
            var source = base
            source[3] = (base[3] + 1 + random.below(90)) % 96
            return TokenizedPair(
                base: base, source: source, answer: 7, other: 31, baseRoles: ["subject": 3],
                sourceRoles: ["subject": 3],
                baseLabel: index % 2 == 0 ? "A" : "B", sourceLabel: index % 2 == 0 ? "B" : "A")
        }
    }

    func outputsEqual(_ a: PairOutputs, _ b: PairOutputs, within tolerance: Double = 2e-5) -> Bool {
        zip(a.difference, b.difference).allSatisfy { abs($0 - $1) < tolerance }
    }

    @Test("a patch does not care for the direction's sign, all directions are the whole component", arguments: models)
    func laws(name: String) throws {
        let model = try Self.model(name)
        let location = Location(.mlpHidden(1))
        let runs = try PairedRuns(model, Self.pairs(6, seed: 1), at: [location])
        let width = location.site.width(in: model.architecture)
        let random = try RandomSource(seed: 1)
        let vector = try random.normal([width])
        let one = try runs.outputs(Subspace(location, direction: vector, method: "test").patch)
        let other = try runs.outputs(Subspace(location, direction: vector * -2, method: "test").patch)
        #expect(outputsEqual(one, other))
        let basis = try random.normal([width, width]).qr().q
        let all = try runs.outputs(Subspace(location, basis: basis, method: "test").patch)
        #expect(outputsEqual(all, try runs.outputs(SubspacePatch(whole: location))))
        #expect(!outputsEqual(all, try runs.clean(), within: 1e-4))
        let identity = Self.pairs(6, seed: 1).map {
            TokenizedPair(base: $0.base, source: $0.base, answer: $0.answer, other: $0.other)
        }
        let same = try PairedRuns(model, identity, at: [location])
        #expect(outputsEqual(try same.outputs(SubspacePatch(location, basis)), try same.clean()))
    }

    @Test("row and kernel part add up, the kernel part does nothing, what is read adds up", arguments: models)
    func parts(name: String) throws {
        let model = try Self.model(name)
        let location = Location(.mlpHidden(2))
        let writing = try #require(try model.writing(location.site))
        let space = try RowSpace(of: writing)
        #expect(space.rank == model.architecture.width)
        let random = try RandomSource(seed: 2)
        for count in [1, 3] {
            let basis = try random.normal([space.width, count]).qr().q
            let split = try SplitDirection(basis, in: space)
            #expect(try (split.row + split.null - basis).abs().max().item() < 1e-6)
            #expect(try split.row.transposed().matmul(split.null).abs().max().item() < 1e-5 || count > 1)
            #expect(try writing.matmul(split.null).abs().max().item() < 1e-5)
            #expect(abs(split.rowNorm * split.rowNorm + split.nullNorm * split.nullNorm - 1) < 1e-6)
            let runs = try PairedRuns(model, Self.pairs(4, seed: 3), at: [location])
            let clean = try runs.clean()
            #expect(outputsEqual(try runs.outputs(#require(try split.patch(.null, at: location))), clean))
            // What the component writes is linear in what is read.
            func written(_ part: SplitDirection.Part) throws -> Tensor {
                let (read, write) = try #require(try split.directions(part))
                let (base, source) = try runs.values(location)
                return try (source - base).matmul(read).matmul(write.transposed()).linear(writing)
            }
            #expect(try (written(.readNull) + written(.readRow) - written(.whole)).abs().max().item() < 1e-5)
        }
    }

    @Test("the rank is read off the singular values, where QR counts a dead direction")
    func rank() throws {
        let matrix = try RandomSource(seed: 4).normal([8, 20])
        let centered = try matrix - matrix.mean([0], keepingDims: true)
        #expect(try RowSpace(of: matrix).rank == 8)
        #expect(try RowSpace(of: centered).rank == 7)
        #expect(try RowSpace(qr: centered).rank == 8)
        let space = try RowSpace(of: centered)
        let vector = try RandomSource(seed: 5).normal([20])
        #expect(try centered.to(.float64).matmul(space.null(vector).unsqueezed(1)).abs().max().item() < 1e-6)
        #expect(throws: SubspaceError.self) { try SplitDirection(RandomSource(seed: 1).normal([19]), in: space) }
    }

    @Test("ablations put zeros, the mean or another prompt's value in place, whole or in part", arguments: models)
    func ablations(name: String) throws {
        let model = try Self.model(name)
        let location = Location(.mlpHidden(1), at: .role("subject"))
        let pairs = Self.pairs(5, seed: 11)
        let runs = try PairedRuns(model, pairs, at: [location])
        func byHand(_ change: (Int) throws -> Intervention.Change, units: [Int]? = nil) throws -> [Double] {
            try pairs.indices.map { index in
                let run = try model.run(
                    [pairs[index].base], [Intervention(location.site, at: .at([3]), units: units, change(index))])
                let logits = try run.logits.squeezed(0)
                return try logits.selected(0, 7).item() - logits.selected(0, 31).item()
            }
        }
        func near(_ outcome: PairOutputs, _ expected: [Double]) -> Bool {
            zip(outcome.difference, expected).allSatisfy { abs($0 - $1) < 2e-5 }
        }
        let clean = try runs.clean().difference
        let zero = try runs.outputs(ablating: location, .zero)
        #expect(near(zero, try byHand { _ in .scale(0) }))
        #expect(!near(zero, clean))
        let values = try runs.values(location)
        let mean = try Tensor.concatenated([values.base, values.source], 0).mean([0])
        let some = [2, 9, 11]
        let part = try mean.indexSelected(0, at: some)
        #expect(
            near(
                try runs.outputs(ablating: location, .mean, units: some),
                try byHand({ _ in .replace(part) }, units: some))
        )
        let basis = try RandomSource(seed: 3).normal([mean.count, 2]).qr().q
        #expect(
            near(
                try runs.outputs(ablating: location, .mean, directions: basis),
                try byHand { _ in .swap(basis, from: mean) }
            ))
        let one = try runs.outputs(ablating: location, .resample(seed: 1))
        #expect(!near(one, clean))
        #expect(one.difference == (try runs.outputs(ablating: location, .resample(seed: 1))).difference)
        #expect(one.difference != (try runs.outputs(ablating: location, .resample(seed: 2))).difference)
    }

    @Test("training finds a direction that does what it is asked", arguments: models, [1, 2])
    func training(name: String, directions: Int) throws {
        let model = try Self.model(name)
        let location = Location(.residual(1), at: .role("subject"))
        // One token stands for the contrast: its difference is the same in every pair.
        let pairs = Self.pairs(24, seed: 6).map { pair in
            var (base, source) = (pair.base, pair.base)
            (base[3], source[3]) = (10, 50)
            return TokenizedPair(
                base: base, source: source, answer: 7, other: 31, target: 31, baseRoles: ["subject": 3],
                sourceRoles: ["subject": 3])
        }
        let runs = try PairedRuns(model, pairs, at: [location])
        var das = DAS()
        das.directions = directions
        das.epochs = 12
        das.rate = 0.05
        var losses: [Double] = []
        let found = try das.train(runs, at: location) { _, _, loss in losses.append(loss) }
        #expect(found.count == directions)
        #expect(try #require(losses.last) < losses[0] - 1e-3)
        let again = try das.train(runs, at: location)
        #expect(try (again.basis - found.basis).abs().max().item() == 0)
    }

    @Test("roles, labels and other places give values of the right prompts")
    func places() throws {
        let model = try Self.model("llama")
        let pairs = Self.pairs(3, seed: 7, length: 9) + Self.pairs(2, seed: 8, length: 6)
        let locations = [
            Location(.residual(1), at: .role("subject")), Location(.residual(1), at: .at([3])), Location(.residual(1))
        ]
        let runs = try PairedRuns(model, pairs, at: locations)
        #expect(runs.batches.count == 2)
        let byRole = try runs.values(locations[0])
        let byIndex = try runs.values(locations[1])
        #expect(try (byRole.base - byIndex.base).abs().max().item() == 0)
        for (index, pair) in pairs.enumerated() {
            let own = try model.run([pair.source], capturing: [.residual(1)])[.residual(1)].selected(1, 3).squeezed(0)
            #expect(try (byRole.source.selected(0, index) - own).abs().max().item() < 1e-5)
        }
        #expect(
            outputsEqual(
                try runs.outputs(SubspacePatch(whole: locations[0])),
                try runs.outputs(SubspacePatch(whole: locations[1]))))
        #expect(throws: SubspaceError.self) {
            try PairedRuns(model, pairs, at: [Location(.residual(1), at: .role("verb"))])
        }
        #expect(throws: SubspaceError.self) { try PairedRuns(model, [], at: locations) }
    }

    @Test("directions survive their file; other files are refused")
    func files() throws {
        let location = Location(.mlpHidden(2), at: .role("subject"))
        let basis = try RandomSource(seed: 9).normal([40, 3]).qr().q
        let subspace = try Subspace(location, basis: basis, method: "das", options: ["seed": 4])
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "v.safetensors")
            try subspace.write(to: url)
            let read = try Subspace(contentsOf: url)
            #expect(read.location == location)
            #expect(read.method == "das")
            #expect(read.options == ["seed": 4])
            #expect(try (read.basis - basis).abs().max().item() == 0)
            #expect(throws: FormatError.self) { try subspace.write(to: url) }
            try SafetensorsWriter.write(
                [SafetensorsSource("basis", .float32, [1], bytes: [0, 0, 0, 0])], to: url, overwriting: true)
            #expect(throws: SubspaceError.self) { try Subspace(contentsOf: url) }
        }
        #expect(throws: SubspaceError.self) { try Subspace(location, basis: basis * 2, method: "das") }
    }

    @Test("a rank-1 edit equals the patch at its token, and least moves the rest")
    func rankOne() throws {
        let random = try RandomSource(seed: 10)
        let (d, m) = (6, 14)
        let writing = try random.normal([d, m])
        let samples = try random.normal([60, m])
        let moment = try samples.transposed().matmul(samples) / 60
        let (base, source, v) = (try random.normal([m]), try random.normal([m]), try random.normal([m]))
        let memory = try LinearMemory(layer: 0, writing: writing, moment: moment)
        let edit = try memory.edit(direction: v, base: base, source: source)
        func column(_ vector: Tensor) throws -> Tensor { try vector.unsqueezed(1) }
        let unit = try v / v.norm()
        let amount = try (unit * (source - base)).sum()
        let patched = try writing.matmul(column(base + unit * amount))
        let edited = try (writing + column(edit.write).matmul(edit.read.unsqueezed(0))).matmul(column(base))
        #expect(try (patched - edited).abs().max().item() < 1e-5 * patched.abs().max().item() + 1e-5)
        // Any other b with b.u = 1 has more energy on the data.
        func energy(_ b: Tensor) throws -> Double { try (column(b) * moment.matmul(column(b))).sum().item() }
        for seed in 0..<5 as Range<UInt64> {
            let noise = try RandomSource(seed: seed).normal([m])
            let other = try edit.read + noise - base * ((noise * base).sum() / base.square().sum())
            #expect(abs(try (other * base).sum().item() - 1) < 1e-4)
            #expect(try energy(other) > energy(edit.read))
        }
        // And the way back: W u = a, and no other such u comes nearer.
        let (direction, beta) = try memory.zeroPatch(of: edit)
        #expect(abs(try direction.norm().item() - 1) < 1e-3)
        let u = try direction / beta.squareRoot()
        #expect(try (writing.matmul(column(u)).squeezed(1) - edit.write).abs().max().item() < 1e-3)
        func objective(_ u: Tensor) throws -> Double { try energy(u * beta + edit.read) }
        let space = try RowSpace(of: writing)
        for seed in 0..<5 as Range<UInt64> {
            let step = try space.null(RandomSource(seed: seed).normal([m])).to(.float32) * 0.1
            #expect(try objective(u + step) > objective(u))
        }
    }

    @Test("McNemar's test and resampling against hand-made numbers")
    func statistics() {
        let a = [true, true, true, true, true, true, false, false]
        let b = [false, false, false, false, false, true, false, true]
        let test = Bootstrap.mcNemar(a, b)
        #expect(test.onlyA == 5)
        #expect(test.onlyB == 1)
        // 2 (C(6,0) + C(6,1)) / 64
        #expect(abs(test.p - 14.0 / 64) < 1e-12)
        #expect(Bootstrap.mcNemar(a, a).p == 1)
        #expect(AUC.value([3, 2], [1, 2]) == 0.875)
    }

    @Test(
        "locations read their own text",
        arguments: ["mlp.8.hidden@last", "residual.3@subject", "attn.6.head.3@4", "mlp.0.out@1,5", "residual.0@all"])
    func spotText(text: String) throws {
        #expect(try #require(Location(text)).description == text)
        #expect(Location("residual.3") == Location(.residual(3)))
        for wrong in ["", "residual.3@", "residual.3@-1", "residual.3@1,", "x@last", "residual.3@1@2"] {
            #expect(Location(wrong) == nil)
        }
    }
}
