import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

@Suite("What tuning did, done to another model")
struct DifferenceTransferTests {
    /// A model of some type, what tuning made of it, and another model: of another type, in shards.
    private func withModels(
        _ type: StorageType = .float32, target: StorageType = .bfloat16, _ body: (Models) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            let (base, other) = (directory.appending(path: "base"), directory.appending(path: "target"))
            try RandomModel(type: type, isSharded: false, kind: .columns, seed: 21).write(to: base)
            try RandomModel(type: target, isSharded: true, kind: .columns, seed: 22).write(to: other)
            var random = SplitMix64(state: 23)
            // Some elements of one tensor, all of another; the rest stays.
            let dense = (0..<60).map { _ in Float.random(in: -1...1, using: &random) }
            let changes: [Edit] = [
                .sparse(RandomModel.name(0), [(3, 1), (17, -0.5)], elementCount: 60),
                .dense(RandomModel.name(1), dense, shape: RandomModel.shape)
            ]
            let tuned = try trained(changes, of: Checkpoint(base), in: directory)
            try body(Models(directory: directory, base: Checkpoint(base), tuned: tuned, target: Checkpoint(other)))
        }
    }

    private struct Models {
        let directory: URL
        let base, tuned, target: Checkpoint
        var out: URL { directory.appending(path: "out") }
    }

    private static let types: [StorageType] = [.float32, .bfloat16, .float16]

    @Test("it is, to the bit, the transferred patch of the difference", arguments: types, types)
    func patch(type: StorageType, target: StorageType) throws {
        try withModels(type, target: target) { models in
            let patch = try Extraction(from: models.base, to: models.tuned, as: .full).patch
            for (number, scale) in [1, -0.7, 0.3, 0].enumerated() {
                let (out, applied) = (
                    models.directory.appending(path: "out-\(number)"),
                    models.directory.appending(path: "patch-\(number)")
                )
                let transfer = try DifferenceTransfer(
                    from: models.base, to: models.tuned, onto: models.target, scale: scale)
                #expect(try transfer.write(to: out) == 2)
                let moved = try patch.transferred(to: models.target)
                try PatchedCheckpoint(models.target).adding([AppliedPatch(moved, scale: scale)]).write(to: applied)
                #expect(try files(in: out) == weights(in: applied))
                #expect((try files(in: out) == files(in: models.target.url)) == (scale == 0))
            }
        }
    }

    @Test("done to the model itself it gives the tuned one", arguments: types)
    func itself(type: StorageType) throws {
        try withModels(type) { models in
            let transfer = try DifferenceTransfer(from: models.base, to: models.tuned, onto: models.base)
            _ = try transfer.write(to: models.out)
            let out = try Checkpoint(models.out)
            for tensor in out.tensors {
                func values(_ model: Checkpoint) throws -> [Float] {
                    try tensor.type.floats(model.data(of: #require(model[tensor.name])).bytes)
                }
                let (before, tuned, found) = try (values(models.base), values(models.tuned), values(out))
                for index in before.indices {
                    // The difference is rounded to float32; of shorter types it is exact.
                    let expected =
                        before[index] == tuned[index] ? before[index] : before[index] + (tuned[index] - before[index])
                    #expect(found[index] == expected)
                    #expect(
                        type == .float32
                            ? abs(found[index] - tuned[index]) <= tuned[index].ulp + 1e-7 : found[index] == tuned[index]
                    )
                }
            }
        }
    }

    @Test("what cannot be done is refused, and nothing is left behind")
    func refusals() throws {
        try withModels { models in
            func refused(_ code: PatchError.Code, _ body: () throws -> Void) throws {
                let error = try #require(throws: PatchError.self, performing: body)
                #expect(error.code == code, "\(error)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: models.directory.path).count == 4)
            }
            let patched = models.directory.appending(path: "patched")
            let patch = try Extraction(from: models.base, to: models.tuned, as: .full).patch
            try PatchedCheckpoint(models.base).adding([AppliedPatch(patch)]).write(to: patched)
            try refused(.conflict) {
                _ = try DifferenceTransfer(from: models.base, to: models.tuned, onto: Checkpoint(patched))
            }
            try refused(.badScale) {
                _ = try DifferenceTransfer(
                    from: models.base, to: models.tuned, onto: models.target, scale: .infinity)
            }
            try refused(.emptyPatch) {
                _ = try DifferenceTransfer(from: models.base, to: models.base, onto: models.target)
                    .write(to: models.out)
            }
            try refused(.overflow) {
                _ = try DifferenceTransfer(
                    from: models.base, to: models.tuned, onto: models.target, scale: 1e300
                ).write(to: models.out)
            }
        }
    }

    @Test("tensors that not all have are named, and left as they are if asked")
    func partial() throws {
        try withModels { models in
            let other = models.directory.appending(path: "larger")
            try FileManager.default.copyItem(at: models.target.url, to: other)
            try FileManager.default.removeItem(at: other.appending(path: "model.safetensors.index.json"))
            let shard = other.appending(path: "model-00001-of-00002.safetensors")
            let file = try SafetensorsFile(shard)
            let renamed = file.tensors.map { tensor in
                let name = tensor.name == RandomModel.name(0) ? "elsewhere" : tensor.name
                return SafetensorsSource(name, tensor.type, tensor.shape, file.pieces(of: tensor))
            }
            try SafetensorsWriter.write(renamed, to: shard, overwriting: true)
            let target = try Checkpoint(other)
            let error = try #require(throws: PatchError.self) {
                try DifferenceTransfer(from: models.base, to: models.tuned, onto: target)
            }
            #expect(error.code == .conflict && error.found?.contains(RandomModel.name(0)) == true)
            let transfer = try DifferenceTransfer(
                from: models.base, to: models.tuned, onto: target, isPartial: true)
            #expect(transfer.ignored.count == 1 && transfer.ignored[0].contains(RandomModel.name(0)))
            #expect(try transfer.write(to: models.out) == 1)
        }
    }
}
