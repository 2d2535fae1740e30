import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

@Suite("Patch files")
struct PatchFileTests {
    private static let model = RandomModel(type: .bfloat16, isSharded: false, kind: .columns, seed: 5)

    /// A patch file of a random model, and the directory it is in.
    private func withPatchFile(_ body: (Patch, URL) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try Self.model.write(to: base)
            let changes = [(0, 1), (0, 4), (1, 2)].map { layer, index in
                NeuronChange(
                    tensor: RandomModel.name(layer), kind: .columns, index: index,
                    delta: [1, -1, 0.5, 0, 0.25, 2])
            }
            let patch = try Patch.neurons(changes, of: Checkpoint(base), method: Patch.Method(name: "by hand"))
            let url = directory.appending(path: "fix.safetensors")
            try patch.write(to: url)
            try body(patch, url)
        }
    }

    @Test("a patch is read back as it was, and written again to the same bytes", arguments: RandomModel.all)
    func roundTrip(model: RandomModel) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try model.write(to: base)
            var random = SplitMix64(state: model.seed)
            let patch = try model.patch(of: Checkpoint(base), &random)
            let (url, copy) = (directory.appending(path: "a.safetensors"), directory.appending(path: "b.safetensors"))
            try patch.write(to: url)
            let read = try Patch(contentsOf: url)
            #expect(read == patch)
            #expect(read.id == patch.id)
            try read.write(to: copy)
            #expect(try Data(contentsOf: url) == Data(contentsOf: copy))
            let error = try #require(throws: FormatError.self) { try patch.write(to: url) }
            #expect(error.code == .alreadyExists)
        }
    }

    @Test("the id does not depend on notes, but on what is changed and in what")
    func identity() throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try Self.model.write(to: base)
            let checkpoint = try Checkpoint(base)
            func make(_ index: Int, _ size: Float, _ method: String) throws -> String {
                let change = NeuronChange(
                    tensor: RandomModel.name(0), kind: .columns, index: index, delta: Array(repeating: size, count: 6))
                return try Patch.neurons([change], of: checkpoint, method: Patch.Method(name: method)).id
            }
            let id = try make(1, 0.5, "a")
            #expect(try make(1, 0.5, "b") == id)
            #expect(try make(2, 0.5, "a") != id)
            #expect(try make(1, 0.25, "a") != id)
        }
    }

    @Test("any flipped bit of the payload is found")
    func flippedBits() throws {
        try withPatchFile { patch, url in
            let bytes = try Data(contentsOf: url)
            let file = try SafetensorsFile(url)
            for tensor in file.tensors {
                for position in [tensor.range.lowerBound, tensor.range.upperBound - 1] {
                    var changed = bytes
                    changed[position] ^= 1
                    let copy = url.deletingLastPathComponent().appending(path: "changed.safetensors")
                    try changed.write(to: copy)
                    let error = try #require(throws: PatchError.self) { try Patch(contentsOf: copy) }
                    #expect(error.code == .tampered && error.kind == .badInput)
                }
            }
        }
    }

    /// One thing that is wrong in a manifest, as an edit of its text.
    struct Fault: Sendable, CustomTestStringConvertible {
        let name: String
        let code: PatchError.Code?
        let change: @Sendable (inout JSON) -> Void

        var testDescription: String { name }

        /// `code` is nil for what the readers of JSON fields say.
        init(_ name: String, _ code: PatchError.Code?, _ change: @escaping @Sendable (inout JSON) -> Void) {
            self.name = name
            self.code = code
            self.change = change
        }

        static let all: [Fault] = missing + wrongManifest + wrongEdit + wrongBase

        private static let missing: [Fault] = {
            let keys = ["schema", "id", "base", "edits", "method", "results", "tool", "created", "parents"]
            let editKeys = ["tensor", "kind", "indices", "delta", "original"]
            return keys.map { key in Fault("no \(key)", nil) { $0.set([ByteString(key)], nil) } }
                + editKeys.map { key in Fault("no \(key) in an edit", nil) { $0.setInEdit(ByteString(key), nil) } }
        }()

        private static let wrongManifest: [Fault] = [
            Fault("another version", .unsupportedSchema) { $0.set(["schema"], "suture.patch/2") },
            Fault("a longer version", .unsupportedSchema) { $0.set(["schema"], "suture.patch/10") },
            Fault("no version", nil) { $0.set(["schema"], 1) },
            Fault("another id", .tampered) {
                $0.set(["id"], JSON("sha256:" + String(repeating: "0", count: 64)))
            },
            Fault("an id that is none", .malformedManifest) { $0.set(["id"], "sha256:xyz") },
            Fault("a parent that is no id", .malformedManifest) { $0.set(["parents"], ["../x"]) },
            Fault("no edits", .emptyPatch) { $0.set(["edits"], []) }
        ]

        private static let wrongEdit: [Fault] = [
            Fault("an unknown kind", .unsupportedKind) { $0.setInEdit("kind", "hologram") },
            Fault("an unknown scheme of codes", .unsupportedKind) {
                $0.setInEdit("kind", "quantized")
                $0.setInEdit("scheme", "cubic")
            },
            Fault("an unknown entry in an edit", .malformedManifest) { $0.setInEdit("mood", 2) },
            Fault("a scale that is no payload", nil) { $0.setInEdit("scale", 2) },
            Fault("a negative index", .malformedManifest) { $0.setInEdit("indices", [-1, 4]) },
            Fault("an index past the end", .malformedManifest) { $0.setInEdit("indices", [1, 10]) },
            Fault("an index beyond Int", nil) { $0.setInEdit("indices", [1, 1e30]) },
            Fault("an index twice", .malformedManifest) { $0.setInEdit("indices", [4, 4]) },
            Fault("indices that fall", .malformedManifest) { $0.setInEdit("indices", [4, 1]) },
            Fault("more indices than payload", .badPayload) { $0.setInEdit("indices", [1, 4, 5]) },
            Fault("no index", .malformedManifest) { $0.setInEdit("indices", []) },
            Fault("another index", .tampered) { $0.setInEdit("indices", [1, 9]) },
            Fault("a payload that is not there", .malformedManifest) { $0.setInEdit("delta", "nothing") },
            Fault("a tensor that is not of the base", .malformedManifest) { $0.setInEdit("tensor", "other") }
        ]

        private static let wrongBase: [Fault] = [
            Fault("a base of another shape", .badPayload) { $0.setInBase("shape", [7, 10]) },
            Fault("a base that is no matrix", .malformedManifest) { $0.setInBase("shape", [60]) },
            Fault("a base that is huge", .malformedManifest) {
                $0.setInBase("shape", [1_099_511_627_776, 1_099_511_627_776])
            },
            Fault("a base of integers", .badPayload) { $0.setInBase("dtype", "I64") },
            Fault("a base of no type", .malformedManifest) { $0.setInBase("dtype", "Q4") },
            Fault("another base", .tampered) {
                $0.setInBase("digest", JSON("sha256:" + String(repeating: "0", count: 64)))
            }
        ]
    }

    @Test("each fault of a manifest has its own error, in one line", arguments: Fault.all)
    func faults(fault: Fault) throws {
        try withPatchFile { _, url in
            try change(url) { fault.change(&$0) }
            do {
                _ = try Patch(contentsOf: url)
                Issue.record("it was read")
            } catch let error as PatchError {
                #expect(error.code == fault.code, "\(error)")
                #expect(error.subject != nil && !error.description.contains(where: \.isNewline))
            } catch let error as FormatError {
                #expect(fault.code == nil && error.kind == .badInput, "\(error)")
            }
        }
    }

    @Test("a minor version is read, and what it adds is kept but not obeyed")
    func minorVersion() throws {
        try withPatchFile { patch, url in
            try change(url) {
                $0.set(["schema"], "suture.patch/1.3")
                $0.set(["mood"], "good")
                $0.set(["method", "colour"], "green")
                $0.set(["results"], ["fixed": 3, "new": ["deep": 1.50]])
            }
            let read = try Patch(contentsOf: url)
            #expect(read.id == patch.id)
            let copy = url.deletingLastPathComponent().appending(path: "copy.safetensors")
            try read.write(to: copy)
            let text = try #require(SafetensorsFile(copy).metadata["suture"]?.string)
            for kept in [#""mood":"good""#, #""colour":"green""#, #""results":{"fixed":3,"new":{"deep":1.5"#] {
                #expect(text.contains(kept), "\(kept)")
            }
        }
    }

    /// Writes a patch file again with another manifest.
    private func change(_ url: URL, _ body: (inout JSON) -> Void) throws {
        let file = try SafetensorsFile(url)
        var manifest = try JSON.parse(#require(file.metadata["suture"]).bytes)
        body(&manifest)
        try SafetensorsWriter.write(
            file.tensors.map { SafetensorsSource($0, of: file) },
            metadata: ["format": "pt", "suture": ByteString(manifest.serialized())], to: url, overwriting: true)
    }
}

extension JSON {
    /// Sets a value deep within objects; nil removes it.
    fileprivate mutating func set(_ path: [ByteString], _ value: JSON?) {
        guard var object = objectValue, let key = path.first else { return }
        if path.count == 1 {
            object[key] = value
        } else if var child = object[key] {
            child.set(Array(path.dropFirst()), value)
            object[key] = child
        }
        self = .object(object)
    }

    fileprivate mutating func setInEdit(_ key: ByteString, _ value: JSON?) {
        guard var edits = self["edits"]?.arrayValue else { return }
        edits[0].set([key], value)
        set(["edits"], .array(edits))
    }

    fileprivate mutating func setInBase(_ key: ByteString, _ value: JSON?) {
        guard let name = self["base"]?["tensors"]?.objectValue?.keys.first else { return }
        set(["base", "tensors", name, key], value)
    }
}
