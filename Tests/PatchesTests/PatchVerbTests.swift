import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

@Suite("What is made of patches")
struct PatchVerbTests {
    private static let model = RandomModel(type: .float32, isSharded: false, kind: .columns, seed: 11)

    /// A base, and a directory for what is made of it.
    private func withBase(_ body: (Checkpoint, URL) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try Self.model.write(to: base)
            try body(Checkpoint(base), directory)
        }
    }

    private func columns(_ indices: [Int], layer: Int = 0, of base: Checkpoint, adding value: Float = 0.5) throws
        -> Patch
    {
        let values = [Float](repeating: value, count: 6 * indices.count)
        return try Patch(
            [.columns(indices, of: RandomModel.name(layer), adding: values)], of: base, method: .init(name: "by hand"))
    }

    @Test("a difference is taken as few or as many elements as changed, and gives the tuned model again")
    func extraction() throws {
        try withBase { base, directory in
            let dense = (0..<60).map { 0.25 * Float($0 % 5) + 0.125 }
            let changes: [Edit] = [
                .sparse(RandomModel.name(0), [(3, 1), (17, -0.5)], elementCount: 60),
                .dense(RandomModel.name(1), dense, shape: [6, 10]), .sparse("norm.weight", [(2, 1)], elementCount: 7)
            ]
            let tuned = try trained(changes, of: base, in: directory)
            let extraction = try Extraction(from: base, to: tuned, as: .full)
            #expect(extraction.patch.edits.map(\.kind) == [.sparse, .dense, .sparse])
            #expect(extraction.parts.allSatisfy { $0.error == 0 } && extraction.ignored.isEmpty)
            let patched = try PatchedCheckpoint(base).adding([AppliedPatch(extraction.patch)])
            for tensor in base.tensors {
                let current = try base.data(of: tensor)
                let found = try patched.data(for: tensor, current: current) ?? current
                #expect(Array(found.bytes) == Array(try tuned.data(of: #require(tuned[tensor.name])).bytes))
            }
        }
    }

    @Test("a difference of rank two is found to be so")
    func lowRank() throws {
        try withBase { base, directory in
            let (a, b) = ((0..<20).map { Float($0 % 7) / 8 }, (0..<12).map { Float($0 % 5) / 8 })
            let tuned = try trained(
                [.lowRank(RandomModel.name(2), a: a, b: b, rank: 2)], of: base, in: directory)
            let extraction = try Extraction(from: base, to: tuned, as: .lowRank(tolerance: 1e-3, maximumRank: 8))
            #expect(extraction.patch.edits.map(\.summary) == ["rank 2"])
            #expect(extraction.parts[0].error < 1e-3)
            let difference = try CheckpointDifference(base, tuned, rankTolerance: 1e-3)
            #expect(difference.tensors.map(\.name) == [RandomModel.name(2)] && difference.tensors[0].rank == 2)
            #expect(difference.equal == base.tensors.count - 1 && difference.others.isEmpty)
        }
    }

    @Test("the error of quantized differences shrinks with the bits", arguments: [false, true], [false, true])
    func quantization(perChannel: Bool, isSymmetric: Bool) throws {
        try withBase { base, directory in
            var random = SplitMix64(state: 5)
            let values = (0..<60).map { _ in Float.random(in: -1...1, using: &random) }
            let tuned = try trained([.dense(RandomModel.name(0), values, shape: [6, 10])], of: base, in: directory)
            var last = 2.0
            for bits in [1, 2, 4, 8, 12, 16] {
                let options = QuantizationOptions(bits: bits, perChannel: perChannel, isSymmetric: isSymmetric)
                let extraction = try Extraction(from: base, to: tuned, as: .quantized(options))
                let error = try #require(extraction.parts.first).error
                // Signs with the mean magnitude are better than three levels at most.
                #expect((bits == 2 || error < last) && error < 4 / Double(1 << bits), "\(bits) bits: \(error)")
                last = error
            }
        }
    }

    @Test("TIES: the larger sum's sign wins, and those that agree are averaged")
    func ties() throws {
        try withBase { base, _ in
            func patch(_ entries: [(index: Int, value: Float)]) throws -> AppliedPatch {
                let change = Edit.sparse(RandomModel.name(0), entries, elementCount: 60)
                return AppliedPatch(try Patch([change], of: base, method: .init(name: "by hand")))
            }
            let patches = try [
                patch([(0, 4), (1, 1), (2, -2)]), patch([(0, 2), (1, -3), (2, -4)]), patch([(0, -1), (1, 1), (5, 0.5)])
            ]
            let combination = try Combination(patches, .ties(density: 1))
            let delta = try #require(combination.patch.edits.first?.delta as? SparseDelta)
            #expect(try delta.positions(0..<delta.indices.count) == [0, 1, 2, 5])
            #expect(try delta.values.floats() == [3, -3, -3, 0.5])
            // Two of sixty elements of each patch stay.
            let trimmed = try Combination(patches, .ties(density: 2.0 / 60)).patch
            let kept = try #require(trimmed.edits.first?.delta as? SparseDelta)
            #expect(try kept.positions(0..<kept.indices.count) == [0, 1, 2])
            #expect(try kept.values.floats() == [4, -3, -3])
            let overlap = try #require(combination.overlaps.first)
            #expect((overlap.elements, overlap.opposed) == (3, 2))
        }
    }

    @Test("DARE: the seed decides, and what stays is scaled up")
    func dare() throws {
        try withBase { base, _ in
            let patches = try [0, 1].map { AppliedPatch(try columns([1, 2, 3, 4, 5], layer: $0, of: base)) }
            let (a, b, c) = try (
                Combination(patches, .dare(drop: 0.5, seed: 1)).patch,
                Combination(patches, .dare(drop: 0.5, seed: 1)).patch,
                Combination(patches.reversed(), .dare(drop: 0.5, seed: 2)).patch
            )
            #expect(a.id == b.id && a.id != c.id)
            for edit in a.edits {
                let delta = try #require(edit.delta as? SparseDelta)
                #expect(try delta.values.floats().allSatisfy { $0 == 1 } && (1..<30).contains(delta.indices.count))
            }
        }
    }

    @Test("patches of different models are not combined, nor is one alone")
    func combinationRefusals() throws {
        try withBase { base, directory in
            let other = directory.appending(path: "other")
            try RandomModel(type: .float32, isSharded: false, kind: .columns, seed: 12).write(to: other)
            let (a, b) = (try columns([1], of: base), try columns([1], of: Checkpoint(other)))
            #expect(throws: PatchError.self) { try Combination([AppliedPatch(a)], .sum) }
            let error = try #require(throws: PatchError.self) {
                try Combination([AppliedPatch(a), AppliedPatch(b)], .sum)
            }
            #expect(error.code == .conflict && error.subject == RandomModel.name(0))
        }
    }

    @Test("minimizing keeps the columns that the check needs, whichever they are", arguments: [[2], [0, 7], [3, 4, 9]])
    func minimization(needed: [Int]) throws {
        try withBase { base, _ in
            let patch = try columns(Array(0..<10), of: base)
            let result = try Minimization(of: patch) { Set($0.edits[0].indices ?? []).isSuperset(of: needed) }
            #expect(result.patch.edits[0].indices == needed)
            #expect((result.before, result.after) == (10, needed.count))
            try PatchedCheckpoint(base).adding([AppliedPatch(result.patch)]).check()
            #expect(throws: PatchError.self) { try Minimization(of: patch) { _ in false } }
        }
    }

    @Test("bisecting finds the patch that broke it", arguments: 0..<5)
    func bisection(culprit: Int) throws {
        try withBase { base, _ in
            let patches = try (0..<5).map { AppliedPatch(try columns([$0], of: base)) }
            let model = try PatchedCheckpoint(base).adding(patches)
            let found = try Bisection(of: model) { candidate in
                !candidate.stack.patches.contains { $0.patch.id == patches[culprit].patch.id }
            }
            #expect(found.patch == patches[culprit] && found.holdsWithout && found.checks <= 6)
            #expect(throws: PatchError.self) { try Bisection(of: model) { _ in true } }
            #expect(throws: PatchError.self) { try Bisection(of: model) { _ in false } }
        }
    }

    @Test("an adapter's factors give the change again, and dense changes have none")
    func adapter() throws {
        try withBase { base, _ in
            let name = RandomModel.name(0)
            let changes: [Edit] = [
                .columns([1, 4], of: name, adding: (0..<12).map { Float($0) }),
                .rows([2], of: name, adding: (0..<10).map { Float($0) / 2 })
            ]
            let patch = try Patch(changes, of: base, method: .init(name: "by hand"))
            let adapter = try Adapter(AppliedPatch(patch))
            let module = try #require(adapter.modules.first)
            var expected = [Double](repeating: 0, count: 60)
            try expected.withUnsafeMutableBufferPointer { sums in
                for edit in patch.edits { try edit.delta.add(1, of: 0..<60, shape: [6, 10], to: sums) }
            }
            for element in 0..<60 {
                let (row, column) = (element / 10, element % 10)
                let sum = (0..<adapter.rank).reduce(0.0) {
                    $0 + Double(module.b[row * adapter.rank + $1]) * Double(module.a[$1 * 10 + column])
                }
                #expect(sum == expected[element])
            }
            #expect(try Adapter(AppliedPatch(columns([1], of: base))).isExact && !adapter.isExact)
            let dense = try Patch(
                [.dense(name, [Float](repeating: 1, count: 60), shape: [6, 10])], of: base,
                method: .init(name: "by hand"))
            let error = try #require(throws: PatchError.self) { try Adapter(AppliedPatch(dense)) }
            #expect(error.code == .notLowRank && error.kind == .refused)
        }
    }

    @Test("embeddings of positions are not exported for llama.cpp, which would leave them as they are")
    func positions() throws {
        let base = try Checkpoint(Goldens.url("models/gpt2"))
        let name = "transformer.wpe.weight"
        let rows = try #require(base[name]?.shape.first)
        let ones = [Float](repeating: 1, count: rows)
        let patch = try Patch([.columns([1], of: name, adding: ones)], of: base, method: .init(name: "by hand"))
        let adapter = try Adapter(AppliedPatch(patch))
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "adapter.gguf")
            let error = try #require(throws: PatchError.self) { try adapter.writeGGUF(to: url, base: base) }
            #expect(error.kind == .refused && error.description.contains(name), "\(error)")
            try adapter.writePEFT(to: directory.appending(path: "adapter"), base: base)
        }
    }

    @Test("a patch is put on another model only as a patch of its own")
    func transfer() throws {
        try withBase { base, directory in
            let other = directory.appending(path: "other")
            try RandomModel(type: .bfloat16, isSharded: true, kind: .columns, seed: 12).write(to: other)
            let patch = try columns([1], of: base)
            let target = try Checkpoint(other)
            #expect(throws: PatchError.self) { try PatchedCheckpoint(target).adding([AppliedPatch(patch)]).check() }
            let moved = try patch.transferred(to: target)
            try PatchedCheckpoint(target).adding([AppliedPatch(moved)]).check()
            #expect(moved.id != patch.id && moved.method.options["of"]?.stringValue == patch.id)
        }
    }

    @Test("a patch that is rounded away is refused when it is applied")
    func roundedAway() throws {
        try withBase { base, directory in
            let patch = try Patch(
                [.dense(RandomModel.name(0), [Float](repeating: 1e-30, count: 60), shape: [6, 10])], of: base,
                method: .init(name: "by hand"))
            // Zeros are changed by as little as that.
            let scale = 1e-30
            let error = try #require(throws: PatchError.self) {
                try PatchedCheckpoint(base).adding([AppliedPatch(patch, scale: scale)]).write(
                    to: directory.appending(path: "out"))
            }
            #expect(error.code == .emptyPatch)
        }
    }

    @Test("the plan says what is written, and untouched files are linked or copied")
    func plan() throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try RandomModel(type: .float32, isSharded: true, kind: .columns, seed: 3).write(to: base)
            let patched = try PatchedCheckpoint(Checkpoint(base)).adding([
                AppliedPatch(columns([1], of: Checkpoint(base)))
            ])
            let (linked, copied) = (try patched.plan(.linked), try patched.plan(.copied))
            #expect(linked.rewritten.map(\.name) == ["model-00001-of-00002.safetensors"] && linked.originals.isEmpty)
            #expect(copied.bytes - linked.bytes == linked.untouched.reduce(0) { $0 + $1.bytes })
            for untouched in UntouchedFiles.allCases {
                let out = directory.appending(path: untouched.rawValue)
                try patched.write(to: out, untouched: untouched)
                let inodes = try [base, out].map {
                    try FileManager.default.attributesOfItem(
                        atPath: $0.appending(path: "model-00002-of-00002.safetensors").path)[.systemFileNumber] as? Int
                }
                #expect((inodes[0] == inodes[1]) == (untouched == .linked))
            }
        }
    }
}
