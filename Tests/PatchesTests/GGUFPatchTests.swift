import Foundation
import SutureFormats
import SutureTestSupport
import SutureVariants
import Testing

@testable import SuturePatches

@Suite("Patches in GGUF files")
struct GGUFPatchTests {
    /// A tiny model in a file, in a directory for others.
    private struct Place {
        let directory: URL
        var base: URL { directory.appending(path: "base.gguf") }

        func url(_ name: String) -> URL { directory.appending(path: name) }
        func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: url(name))) }
        func opened(_ name: String) throws -> PatchedCheckpoint { try PatchedCheckpoint(Checkpoint(url(name))) }

        /// Applies patches to one file, to make another.
        @discardableResult
        func apply(_ patches: [AppliedPatch], to source: String = "base.gguf", at name: String) throws -> GGUFRounding?
        {
            try opened(source).adding(patches, allowingConflicts: true).write(to: url(name))
        }

        func revert(_ patch: Patch, from source: String, at name: String) throws {
            try opened(source).removing(patch.id).write(to: url(name))
        }
    }

    private func withPlace(_ seed: String, _ body: (Place) throws -> Void) throws {
        try withQuickDirectory { directory in
            let place = Place(directory: directory)
            try Data(GGUFDraft.seed(seed, hasTokenizer: false).serialized()).write(to: place.base)
            try body(place)
        }
    }

    /// A patch of every form, on matrices and vectors in any order of rows that the family's files have.
    private func patch(_ checkpoint: Checkpoint, _ random: inout SplitMix64) throws -> Patch {
        func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -0.2...0.2, using: &random) } }
        let edits = checkpoint.tensors.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }.map {
            tensor -> Edit in
            let count = tensor.shape.reduce(1, *)
            guard tensor.shape.count == 2 else { return .dense(tensor.name, values(count), shape: tensor.shape) }
            let (rows, columns) = (tensor.shape[0], tensor.shape[1])
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                return .columns([Int.random(in: 0..<columns, using: &random)], of: tensor.name, adding: values(rows))
            case 1: return .rows([Int.random(in: 0..<rows, using: &random)], of: tensor.name, adding: values(columns))
            case 2:
                let rank = Int.random(in: 1...3, using: &random)
                return .lowRank(tensor.name, a: values(rank * columns), b: values(rows * rank), rank: rank)
            default: return .dense(tensor.name, values(count), shape: tensor.shape)
            }
        }
        guard !edits.isEmpty else { return try patch(checkpoint, &random) }
        return try Patch(edits, of: checkpoint, method: .init(name: "random"))
    }

    @Test("any stack comes off byte for byte, in any order", arguments: GGUFDraft.names, 0..<4)
    func law(seed: String, number: Int) throws {
        var random = SplitMix64(state: UInt64(number) * 77 + 1)
        try withPlace(seed) { place in
            let checkpoint = try Checkpoint(place.base)
            let (a, b) = (try patch(checkpoint, &random), try patch(checkpoint, &random))
            try place.apply([AppliedPatch(a)], at: "a.gguf")
            try place.apply([AppliedPatch(b, scale: 0.5)], to: "a.gguf", at: "both.gguf")
            #expect(try place.opened("both.gguf").present.patches.map(\.patch) == [a, b])
            try place.opened("both.gguf").check()
            try place.revert(b, from: "both.gguf", at: "a again.gguf")
            #expect(try place.bytes("a again.gguf") == place.bytes("a.gguf"))
            try place.revert(a, from: "both.gguf", at: "b.gguf")
            try place.apply([AppliedPatch(b, scale: 0.5)], at: "b alone.gguf")
            #expect(try place.bytes("b.gguf") == place.bytes("b alone.gguf"))
            try place.revert(a, from: "a.gguf", at: "none.gguf")
            #expect(try place.bytes("none.gguf") == place.bytes("base.gguf"))
        }
    }

    @Test("what is written is what was asked for, as near as the blocks can hold it", arguments: GGUFDraft.names)
    func written(seed: String) throws {
        var random = SplitMix64(state: 9)
        try withPlace(seed) { place in
            let checkpoint = try Checkpoint(place.base)
            let patch = try patch(checkpoint, &random)
            let rounding = try #require(try place.apply([AppliedPatch(patch)], at: "new.gguf"))
            let wanted = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)])
            let new = try Checkpoint(place.url("new.gguf"))
            var (changed, rounded) = (0, 0)
            for tensor in checkpoint.tensors {
                let (before, after) = (try wanted.checkpoint.data(of: tensor), try new.data(of: tensor))
                let target = try wanted.data(for: tensor, current: before) ?? before
                withExtendedLifetime((before, after, target)) {
                    let (old, now, aim) = (
                        before.bytes.bindMemory(to: Float.self), after.bytes.bindMemory(to: Float.self),
                        target.bytes.bindMemory(to: Float.self)
                    )
                    changed += old.indices.count { old[$0] != aim[$0] }
                    rounded += old.indices.count { abs(now[$0] - aim[$0]) > 1e-6 * max(abs(old[$0]), abs(aim[$0])) }
                    if patch.base[ByteString(tensor.name)] == nil { #expect(old.elementsEqual(now)) }
                }
            }
            #expect(rounding.changed == changed && rounding.rounded == rounded)
            // What the new file has on loading is what lies in it; one more patch goes on top of the original.
            let opened = try place.opened("new.gguf")
            for name in patch.base.keys {
                let tensor = try #require(new[name.string])
                #expect(try opened.data(for: tensor, current: new.data(of: tensor)) == nil)
            }
        }
    }

    @Test("what others did to a patched file is told, and nothing is written")
    func drift() throws {
        var random = SplitMix64(state: 4)
        try withPlace("llama") { place in
            let checkpoint = try Checkpoint(place.base)
            let patch = try patch(checkpoint, &random)
            try place.apply([AppliedPatch(patch)], at: "new.gguf")
            let (base, bytes) = (try place.bytes("base.gguf"), try place.bytes("new.gguf"))
            let touched = try #require(base.indices.first { base[$0] != bytes[$0] })
            // In a patched block, and in the last bytes of the weights.
            for (place_, name) in [(touched, "patched.gguf"), (base.count - 40, "other.gguf")] {
                var changed = bytes
                changed[place_] ^= 0x10
                try Data(changed).write(to: place.url(name))
                let error = try #require(throws: PatchError.self) {
                    try place.revert(patch, from: name, at: "never.gguf")
                }
                #expect(error.code == .drifted && error.kind == .refused, "\(error)")
                #expect(!FileManager.default.fileExists(atPath: place.url("never.gguf").path))
            }
        }
    }

    @Test("a record that is broken anywhere is refused, or says the same")
    func hostile() throws {
        var random = SplitMix64(state: 2)
        try withPlace("llama") { place in
            let patch = try patch(Checkpoint(place.base), &random)
            try place.apply([AppliedPatch(patch)], at: "new.gguf")
            let (end, bytes) = (try place.bytes("base.gguf").count, try place.bytes("new.gguf"))
            for _ in 0..<400 {
                var broken = bytes
                if Bool.random(using: &random) {
                    broken[Int.random(in: end..<bytes.count, using: &random)] ^= UInt8.random(
                        in: 1...255, using: &random)
                } else {
                    let start = Int.random(in: end..<bytes.count, using: &random)
                    broken.removeSubrange(start..<min(bytes.count, start + Int.random(in: 1...40, using: &random)))
                }
                try Data(broken).write(to: place.url("broken.gguf"))
                do {
                    let opened = try place.opened("broken.gguf")
                    // Without its last bytes it is a file with nothing behind its end.
                    #expect(opened.present.patches.isEmpty || opened.present.patches.map(\.patch.id) == [patch.id])
                } catch let error as any Diagnostic {
                    #expect(error.kind == .badInput || error.kind == .refused, "\(error)")
                }
            }
            for (name, length) in [("../a.json", 1), ("/a.json", 1), ("a.json", 1 << 40), ("A.json", 1), ("a.json", -1)]
            {
                let index = Array(
                    #"{"schema":"suture.appended/1","end":\#(end),"files":[{"name":"\#(name)","bytes":\#(length)}]}"#
                        .utf8)
                let tail = withUnsafeBytes(of: UInt64(index.count).littleEndian) { Array($0) } + Array("SUTURE.1".utf8)
                try Data(bytes[..<end] + [0x20] + index + tail).write(to: place.url("broken.gguf"))
                #expect(throws: FormatError.self) { try place.opened("broken.gguf") }
            }
        }
    }

    @Test("files in parts are refused with the way out")
    func parts() throws {
        try withPlace("llama") { place in
            var draft = try GGUFDraft.seed("llama", hasTokenizer: false)
            let count = draft.tensors.count
            let rest = Array(draft.tensors[(count / 2)...])
            draft.tensors.removeSubrange((count / 2)...)
            func split(_ number: Int) -> [(key: String, field: GGUFDraft.Field)] {
                [("split.no", .size(number)), ("split.count", .size(2)), ("split.tensors.count", .size(count))]
            }
            draft.metadata += split(0)
            try Data(draft.serialized()).write(to: place.url("m-00001-of-00002.gguf"))
            (draft.metadata, draft.tensors) = (split(1), rest)
            try Data(draft.serialized()).write(to: place.url("m-00002-of-00002.gguf"))
            var random = SplitMix64(state: 3)
            let patch = try patch(Checkpoint(place.url("m-00001-of-00002.gguf")), &random)
            let error = try #require(throws: PatchError.self) {
                try place.apply([AppliedPatch(patch)], to: "m-00001-of-00002.gguf", at: "never.gguf")
            }
            #expect(error.code == .needsSnapshot && error.hint?.contains("--merge") == true)
        }
    }

    @Test(
        "a neuron of a real model in 4 bits, and back", .enabled(if: Goldens.smollm2 != nil, "SmolLM2 was not set up"))
    func real() throws {
        let model = try #require(Goldens.smollm2)
        let checkpoint = try Checkpoint(model)
        let tensor = "model.layers.20.mlp.down_proj.weight"
        let width = try #require(checkpoint[tensor]).shape[0]
        let patch = try Patch.neurons(
            [NeuronChange(tensor: tensor, kind: .columns, index: 9, delta: Array(repeating: 0.5, count: width))],
            of: checkpoint, method: Patch.Method(name: "by hand"))
        try withQuickDirectory { directory in
            let (new, back) = (directory.appending(path: "new.gguf"), directory.appending(path: "back.gguf"))
            let rounding = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)]).write(to: new)
            // A half is far outside of what the blocks' four bits reach.
            #expect(rounding?.changed == width && rounding?.rounded == width)
            try PatchedCheckpoint(Checkpoint(new)).removing(patch.id).write(to: back)
            #expect(try Digest.sha256(contentsOf: back) == Digest.sha256(contentsOf: model))
        }
    }
}
