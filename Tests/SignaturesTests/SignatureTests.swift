import Foundation
import SutureFormats
import SuturePatches
import SutureSignatures
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Robust weight signatures")
struct SignatureTests {
    /// A tensor of a base with a patch.
    private func patched(_ patch: Patch, _ base: Checkpoint, scale: Double = 1, _ tensor: String) throws -> [Float] {
        let place = try #require(base[tensor])
        let model = try PatchedCheckpoint(base).adding([AppliedPatch(patch, scale: scale)])
        let current = try base.data(of: place)
        let data = try model.data(for: place, current: current) ?? current
        return withExtendedLifetime(data) {
            (0..<data.bytes.count / 4).map { data.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    private func extract(_ models: [Checkpoint], _ change: (inout SignatureExtraction) -> Void = { _ in }) throws
        -> Patch
    {
        var signature = SignatureExtraction()
        change(&signature)
        return try signature.extract(pretrained: models[0], standard: models[1], robust: models[2]).patch
    }

    @Test(
        "are the part of the robust direction orthogonal to the standard one, at any scale",
        arguments: 0..<20)
    func rejection(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            let trio = Trio(seed: seed)
            let models = try trio.write(to: directory)
            let patch = try extract(models)
            #expect(
                patch.base.keys.map(\.string).sorted() == [
                    "features.0.bias", "features.0.weight", "features.1.weight", "features.10.weight"
                ])
            for (name, _) in patch.base {
                let rejection = trio.rejection(name.string)
                let standard = trio.models[1][name.string] ?? []
                for scale in [1.0, -0.5] {
                    let found = try patched(patch, models[1], scale: scale, name.string)
                    for index in found.indices {
                        #expect(abs(Double(found[index]) - Double(standard[index]) - scale * rejection[index]) < 1e-6)
                    }
                }
            }
        }
    }

    @Test("are all of the robust direction where the standard model is the pretrained one")
    func standstill() throws {
        try withTemporaryDirectory { directory in
            var trio = Trio(seed: 3)
            trio.models[1] = trio.models[0]
            let models = try trio.write(to: directory)
            let patch = try extract(models)
            for (name, _) in patch.base {
                let found = try patched(patch, models[1], name.string)
                for (a, b) in zip(found, trio.models[2][name.string] ?? []) { #expect(abs(a - b) < 1e-6) }
            }
        }
    }

    @Test("of what a signature made are that signature; the plain difference has it and more")
    func idempotence() throws {
        try withTemporaryDirectory { directory in
            let trio = Trio(seed: 5)
            let models = try trio.write(to: directory)
            let patch = try extract(models)
            var again = trio
            for (name, _) in patch.base { again.models[2][name.string] = try patched(patch, models[1], name.string) }
            let same = try extract(again.write(to: directory.appending(path: "again")))
            #expect(try PatchLikeness(patch, same).cosine > 1 - 1e-9)

            let likeness = try PatchLikeness(patch, extract(models) { $0.isProjected = false })
            #expect(likeness.cosine > 0 && likeness.cosine < 1)
            for tensor in likeness.tensors { #expect(tensor.norms[0] < tensor.norms[1]) }
        }
    }

    @Test("are composed in any order, and taken off to the last bit: 1,000 stacks", arguments: 0..<10)
    func stacks(seed: UInt64) throws {
        try withQuickDirectory { directory in
            let models = try Trio(seed: seed).write(to: directory)
            let pool = try signatures(models)
            let base = try Data(contentsOf: models[1].url.appending(path: "model.safetensors"))
            var random = SeededGenerator(seed: seed)
            for number in 0..<100 {
                let stack = random.shuffled(pool).prefix(1 + random.below(pool.count)).map {
                    AppliedPatch($0, scale: Double(random.below(4000) - 2000) / 1000 + 0.0005)
                }
                let places = ["all", "some", "none"].map { directory.appending(path: "\(number)-\($0)") }
                try PatchedCheckpoint(models[1]).adding(stack).write(to: places[0])
                let (all, other) = try (Checkpoint(places[0]), PatchedCheckpoint(models[1]).adding(stack.reversed()))
                for (name, _) in other.touched {
                    let tensor = try #require(all[name.string])
                    #expect(try PatchedCheckpoint(all).floats(of: tensor) == other.floats(of: tensor))
                }
                let order = random.shuffled(stack.map(\.patch.id))
                let first = 1 + random.below(order.count)
                func remove(_ ids: some Sequence<String>, from url: URL, to target: URL) throws {
                    let patched = try PatchedCheckpoint(Checkpoint(url))
                    try ids.reduce(patched) { try $0.removing($1) }.write(to: target)
                }
                try remove(order[..<first], from: places[0], to: places[1])
                if first < order.count { try remove(order[first...], from: places[1], to: places[2]) }
                let last = first < order.count ? places[2] : places[1]
                #expect(try Data(contentsOf: last.appending(path: "model.safetensors")) == base)
                #expect(!FileManager.default.fileExists(atPath: last.appending(path: "suture.lock.json").path))
            }
        }
    }

    /// Patches of the standard model of all kinds that there are.
    private func signatures(_ models: [Checkpoint]) throws -> [Patch] {
        try [
            extract(models), extract([models[2], models[1], models[0]]), extract(models) { $0.isProjected = false },
            extract(models) { $0.form = .quantized(.init(bits: 7)) },
            extract(models) { $0.form = .quantized(.init(bits: 6, scheme: .log, perChannel: false)) },
            extract(models) { ($0.layers, $0.batchNorm) = (.largest(1), .replace) },
            Patch(runningAverages: ["features.1.running_mean": [1, 2, 3, 4]], of: models[1], data: "a test")
        ]
    }

    @Test("in few bits err by half a step at most", arguments: [2, 4, 8, 12, 16])
    func bits(bits: Int) throws {
        try withTemporaryDirectory { directory in
            let trio = Trio(seed: 9)
            let models = try trio.write(to: directory)
            let patch = try extract(models) {
                $0.form = .quantized(.init(bits: bits, perChannel: false, isSymmetric: false))
            }
            let name = "features.0.weight"
            let exact = trio.rejection(name)
            let step = ((exact.max() ?? 0) - (exact.min() ?? 0)) / Double((1 << bits) - 1)
            for (index, value) in try patched(patch, models[1], name).enumerated() {
                let change = Double(value) - Double(trio.models[1][name]?[index] ?? 0)
                #expect(abs(change - exact[index]) <= step / 2 + 1e-6)
            }
        }
    }

    @Test(
        "in one bit are their signs and the mean of their magnitudes, by which none errs more than by the largest")
    func oneBit() throws {
        try withTemporaryDirectory { directory in
            let trio = Trio(seed: 9)
            let models = try trio.write(to: directory)
            let patch = try extract(models) { $0.form = .quantized(.init(bits: 1, perChannel: false)) }
            let name = "features.0.weight"
            let exact = trio.rejection(name)
            let mean = exact.reduce(0) { $0 + $1.magnitude } / Double(exact.count)
            for (index, value) in try patched(patch, models[1], name).enumerated() {
                let change = Double(value) - Double(trio.models[1][name]?[index] ?? 0)
                #expect(abs(change - (exact[index] < 0 ? -mean : mean)) < 1e-6)
                // Half the range of two levels, from the least to the greatest, of numbers on both sides of zero.
                #expect(abs(change - exact[index]) <= (exact.map(\.magnitude).max() ?? 0) + 1e-6)
            }
        }
    }

    @Test("of models that lack a layer or hold no numbers are refused, and so is another base")
    func refusals() throws {
        try withTemporaryDirectory { directory in
            let models = try Trio(seed: 1).write(to: directory, skipping: "features.0.bias")
            #expect(throws: PatchError.self) { try extract(models) }
        }
        try withTemporaryDirectory { directory in
            var trio = Trio(seed: 1)
            trio.models[2]["features.0.bias"] = [1, .nan, 2, 3]
            let models = try trio.write(to: directory)
            #expect(throws: PatchError.self) { try extract(models) }
        }
        try withTemporaryDirectory { directory in
            let models = try Trio(seed: 1).write(to: directory)
            let patch = try extract(models)
            #expect(throws: PatchError.self) { try PatchedCheckpoint(models[2]).adding([AppliedPatch(patch)]).check() }
            let moved = try patch.transferred(to: models[2])
            try PatchedCheckpoint(models[2]).adding([AppliedPatch(moved)]).check()
        }
    }
}
