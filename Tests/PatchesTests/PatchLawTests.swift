import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

@Suite("The laws of patches")
struct PatchLawTests {
    @Test("what was applied is reverted to the last byte of every file", arguments: RandomModel.all)
    func revert(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let (base, patched, back) = (
                directory.appending(path: "base"), directory.appending(path: "patched"),
                directory.appending(path: "back")
            )
            try model.write(to: base)
            var random = SplitMix64(state: model.seed)
            let patch = try model.patch(of: Checkpoint(base), &random)
            try PatchedCheckpoint(Checkpoint(base)).adding([AppliedPatch(patch)]).write(to: patched)
            #expect(try weights(in: patched) != files(in: base))
            try PatchedCheckpoint(Checkpoint(patched)).removing(patch.shortID).write(to: back)
            #expect(try files(in: back) == files(in: base))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 3)
        }
    }

    @Test("any of several patches is removed in any order", arguments: RandomModel.all)
    func removal(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try model.write(to: base)
            var random = SplitMix64(state: model.seed)
            let patches = try (0..<4).map { _ in
                AppliedPatch(
                    try model.patch(of: Checkpoint(base), &random),
                    scale: [1, 0.3, -2, 1e-3].randomElement(using: &random) ?? 1)
            }
            var current = directory.appending(path: "all")
            try PatchedCheckpoint(Checkpoint(base)).adding(patches).write(to: current)
            var rest = patches
            for (step, applied) in patches.shuffled(using: &random).enumerated() {
                let next = directory.appending(path: "without-\(step)")
                try PatchedCheckpoint(Checkpoint(current)).removing(applied.patch.id).write(to: next)
                rest.removeAll { $0 == applied }
                if rest.isEmpty {
                    #expect(try files(in: next) == files(in: base))
                } else {
                    let direct = directory.appending(path: "rest-\(step)")
                    try PatchedCheckpoint(Checkpoint(base)).adding(rest).write(to: direct)
                    #expect(try files(in: next) == files(in: direct))
                }
                current = next
            }
        }
    }

    @Test("the order of application changes the record only", arguments: RandomModel.all)
    func order(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try model.write(to: base)
            var random = SplitMix64(state: model.seed + 100)
            let patches = try (0..<3).map { _ in AppliedPatch(try model.patch(of: Checkpoint(base), &random)) }
            let together = directory.appending(path: "together")
            try PatchedCheckpoint(Checkpoint(base)).adding(patches).write(to: together)
            var current = base
            for (step, applied) in patches.reversed().enumerated() {
                let next = directory.appending(path: "step-\(step)")
                try PatchedCheckpoint(Checkpoint(current)).adding([applied]).write(to: next)
                current = next
            }
            #expect(try weights(in: current) == weights(in: together))
            #expect(
                try PatchedCheckpoint(Checkpoint(current)).present.patches.map(\.patch.id)
                    == patches.reversed().map(\.patch.id))
        }
    }

    @Test("scale 0 is the base, and half a patch twice as much is the whole", arguments: RandomModel.all)
    func scale(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try model.write(to: base)
            var random = SplitMix64(state: model.seed + 200)
            let patch = try model.patch(of: Checkpoint(base), &random)
            let zero = directory.appending(path: "zero")
            try PatchedCheckpoint(Checkpoint(base)).adding([AppliedPatch(patch, scale: 0)]).write(to: zero)
            #expect(try weights(in: zero) == files(in: base))
        }
    }

    @Test("the drift of each patch is the norm of what it adds, relative to the base")
    func drift() throws {
        try withTemporaryDirectory { directory in
            let model = RandomModel(type: .float32, isSharded: true, kind: .columns, seed: 7)
            let base = directory.appending(path: "base")
            try model.write(to: base)
            var random = SplitMix64(state: 400)
            let checkpoint = try Checkpoint(base)
            let first = try model.patch(of: checkpoint, &random)
            let (tensor, values) = (RandomModel.name(0), (0..<60).map { Float($0 % 7) })
            let dense = try Patch(
                [
                    .dense(tensor, values, shape: RandomModel.shape),
                    .columns([2], of: tensor, adding: [1, 2, 3, 4, 5, 6])
                ], of: checkpoint, method: .init(name: "test"))
            let applied = [AppliedPatch(first, scale: -0.5), AppliedPatch(dense, scale: 2)]
            let all = directory.appending(path: "all")
            try PatchedCheckpoint(checkpoint).adding(applied).write(to: all)
            let found = try PatchedCheckpoint(Checkpoint(all)).drift()

            let touched = Set(applied.flatMap { $0.patch.edits.map(\.tensor) })
            func floats(_ patches: [AppliedPatch]) throws -> [Float] {
                let patched = try PatchedCheckpoint(checkpoint).adding(patches)
                return try checkpoint.tensors.filter { touched.contains($0.name) }.flatMap {
                    try patched.floats(of: $0)
                }
            }
            let before = try floats([])
            let norm = { (values: [Float]) in values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
            for (patch, drift) in zip(applied, found) {
                let change = zip(try floats([patch]), before).map { $0 - $1 }
                #expect(abs(drift - norm(change) / norm(before)) < 1e-5 * drift)
            }
            #expect(found.count == 2)
            #expect(try PatchedCheckpoint(checkpoint).drift().isEmpty)
        }
    }

    @Test("an element is original + scale * delta, rounded once", arguments: RandomModel.all)
    func value(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try model.write(to: base)
            var random = SplitMix64(state: model.seed + 300)
            let checkpoint = try Checkpoint(base)
            let patches = try [0.7, -1.9].map {
                AppliedPatch(try model.patch(of: checkpoint, &random), scale: $0)
            }
            let patched = try PatchedCheckpoint(checkpoint).adding(patches)
            for tensor in checkpoint.tensors {
                let before = try checkpoint.data(of: tensor)
                guard let after = try patched.data(for: tensor, current: before) else {
                    #expect(!patches.contains { $0.patch.edits.contains { $0.tensor == tensor.name } })
                    continue
                }
                for element in 0..<60 {
                    var sum = 0.0
                    for applied in patches.sorted(by: { $0.patch.id < $1.patch.id }) {
                        for edit in applied.patch.edits where edit.tensor == tensor.name {
                            let (row, column) = (element / 10, element % 10)
                            let (slice, position) = edit.kind == .columns ? (column, row) : (row, column)
                            guard let index = edit.indices?.firstIndex(of: slice) else { continue }
                            let values = try #require(edit.delta as? SliceDelta).values
                            let length = edit.kind == .columns ? 6 : 10
                            let place = index * length + position
                            sum += applied.scale * Double(try values.floats(place..<place + 1)[0])
                        }
                    }
                    let expected = Float(Double(read(before, element, model.type)) + sum)
                    let rounded: Float
                    switch model.type {
                    case .float32: rounded = expected
                    case .float16: rounded = Float(Float16(expected))
                    default: rounded = nearestBFloat16(expected)
                    }
                    #expect(read(after, element, model.type) == rounded)
                }
            }
        }
    }

    @Test("on load and in files the weights are the same", arguments: RandomModel.all)
    func onLoad(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let (base, once) = (directory.appending(path: "base"), directory.appending(path: "once"))
            let twice = directory.appending(path: "twice")
            try model.write(to: base)
            var random = SplitMix64(state: model.seed + 400)
            let first = try model.patch(of: Checkpoint(base), &random)
            try PatchedCheckpoint(Checkpoint(base)).adding([AppliedPatch(first)]).write(to: once)
            // Made on the patched model, the second knows the base and its parent.
            let second = try model.patch(of: Checkpoint(once), &random)
            #expect(second.parents == [first.id])
            let loaded = try PatchedCheckpoint(Checkpoint(once)).adding([AppliedPatch(second)])
            try loaded.check()
            try loaded.write(to: twice)
            let written = try Checkpoint(twice)
            for tensor in written.tensors {
                let current = try loaded.checkpoint.data(of: tensor)
                let data = try loaded.data(for: tensor, current: current) ?? current
                #expect(Array(data.bytes) == Array(try written.data(of: tensor).bytes))
            }
            // Without its parent the second still fits.
            try PatchedCheckpoint(Checkpoint(base)).adding([AppliedPatch(second)]).check()
        }
    }

    private func read(_ data: TensorData, _ index: Int, _ type: StorageType) -> Float {
        switch type {
        case .float32: return data.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        case .float16: return Float(data.bytes.loadUnaligned(fromByteOffset: 2 * index, as: Float16.self))
        default:
            let bits = data.bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
            return Float(bitPattern: UInt32(bits) << 16)
        }
    }
}
