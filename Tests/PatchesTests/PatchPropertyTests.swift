import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

/// The laws over random checkpoints: any types, shapes and shards, stacks of up to eight patches of all kinds.
@Suite("The laws of patches, over random checkpoints")
struct PatchPropertyTests {
    private static let batch = 100

    @Test("2000 cases", arguments: 0..<20)
    func laws(number: Int) throws {
        for seed in number * Self.batch..<(number + 1) * Self.batch {
            try withQuickDirectory { directory in
                var laws = try Laws(seed: UInt64(seed), in: directory)
                try laws.check()
            }
        }
    }
}

/// One case, and what must hold in it.
private struct Laws {
    private var random: SplitMix64
    private let sample: RandomCase
    private let layers: [RandomCase.Layer]
    private let directory: URL
    private let seed: UInt64

    init(seed: UInt64, in directory: URL) throws {
        var sample = try RandomCase(seed: seed, in: directory)
        layers = try sample.stack()
        self.sample = sample
        self.directory = directory
        self.seed = seed
        random = SplitMix64(state: ~seed)
    }

    private func url(_ name: String) -> URL { directory.appending(path: name) }

    mutating func check() throws {
        let all = url("all")
        let base = try PatchedCheckpoint(Checkpoint(sample.base))
        // In order or one by one in another, with the others' files linked or copied: the same weights.
        let order = layers.shuffled(using: &random)
        try write(base.adding(order.map(\.applied), allowingConflicts: true), to: all)
        try expect(all, has: layers)
        var current = sample.base
        for (step, layer) in layers.prefix(2).enumerated() {
            try write(
                PatchedCheckpoint(Checkpoint(current)).adding([layer.applied], allowingConflicts: true),
                to: url("step-\(step)"))
            current = url("step-\(step)")
        }
        try expect(current, has: Array(layers.prefix(2)))
        try checkRemoval(from: all)
        try checkScaleZero()
        try checkCombination()
        try checkFiles()
    }

    /// Each is taken off in a random order; what is left is as if the others alone had been applied.
    private mutating func checkRemoval(from all: URL) throws {
        var rest = layers
        var current = all
        for (step, layer) in layers.shuffled(using: &random).enumerated() {
            let next = url("without-\(step)")
            rest.removeAll { $0.applied.patch.id == layer.applied.patch.id }
            try write(PatchedCheckpoint(Checkpoint(current)).removing(layer.applied.patch.id), to: next)
            try expect(next, has: rest)
            current = next
        }
        #expect(try files(in: current) == files(in: sample.base), "seed \(seed)")
    }

    private func checkScaleZero() throws {
        let checkpoint = try Checkpoint(sample.base)
        let zero = try PatchedCheckpoint(checkpoint).adding(layers.map { AppliedPatch($0.applied.patch, scale: 0) })
        for tensor in checkpoint.tensors {
            let current = try checkpoint.data(of: tensor)
            let data = try zero.data(for: tensor, current: current) ?? current
            #expect(Array(data.bytes) == Array(current.bytes), "seed \(seed)")
        }
    }

    /// `apply(a then b)` is `apply(combine(a, b))`.
    private func checkCombination() throws {
        guard layers.count > 1, layers.contains(where: { $0.applied.scale != 0 }) else { return }
        let combined = try Combination(layers.map(\.applied), .sum, allowingConflicts: true).patch
        let checkpoint = try Checkpoint(sample.base)
        let stacked = try PatchedCheckpoint(checkpoint).adding(layers.map(\.applied), allowingConflicts: true)
        let single = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(combined)])
        for tensor in checkpoint.tensors {
            let current = try checkpoint.data(of: tensor)
            let a = try stacked.data(for: tensor, current: current) ?? current
            let b = try single.data(for: tensor, current: current) ?? current
            #expect(Array(a.bytes) == Array(b.bytes), "seed \(seed)")
        }
    }

    /// A patch is read back as it was written.
    private func checkFiles() throws {
        for layer in layers {
            let file = url("\(layer.applied.patch.shortID).safetensors")
            try layer.applied.patch.write(to: file)
            #expect(try Patch(contentsOf: file) == layer.applied.patch, "seed \(seed)")
        }
    }

    private mutating func write(_ patched: PatchedCheckpoint, to url: URL) throws {
        do {
            try patched.write(to: url, untouched: Bool.random(using: &random) ? .linked : .copied)
        } catch let error as PatchError where error.code == .emptyPatch && patched.stack.patches.count == 1 {
            // Rounded away at its scale: then at scale 0 it is the same.
            let only = try PatchStack([AppliedPatch(patched.stack.patches[0].patch, scale: 0)])
            try PatchedCheckpoint(patched.checkpoint, wanting: only).write(to: url)
        }
    }

    /// The tensors are, to the bit, what the specification says of these patches, and the snapshot trusts itself.
    private func expect(_ url: URL, has layers: [RandomCase.Layer]) throws {
        let (base, patched) = (try Checkpoint(sample.base), try Checkpoint(url))
        try PatchedCheckpoint(patched).check()
        for tensor in sample.tensors {
            let (stored, found) = (try #require(base[tensor.name]), try #require(patched[tensor.name]))
            let expected = RandomCase.expected(tensor, base: Array(try base.data(of: stored).bytes), layers)
            #expect(Array(try patched.data(of: found).bytes) == expected, "seed \(seed), \(tensor.name)")
        }
    }
}
