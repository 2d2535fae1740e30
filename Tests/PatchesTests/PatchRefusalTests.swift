import Foundation
import SutureFormats
import SuturePatches
import SutureTestSupport
import Testing

@Suite("What is refused")
struct PatchRefusalTests {
    private static let model = RandomModel(type: .float32, isSharded: true, kind: .columns, seed: 3)

    private struct Place {
        let directory: URL
        let base: URL
        let patch: Patch
        var output: URL { directory.appending(path: "output") }

        func apply(_ patches: [AppliedPatch], to url: URL, at output: URL, overwriting: Bool = false) throws {
            try PatchedCheckpoint(Checkpoint(url)).adding(patches).write(to: output, overwriting: overwriting)
        }

        /// The names beside the base, hidden ones too.
        func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() }
    }

    private func withPlace(_ body: (Place) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let base = directory.appending(path: "base")
            try Self.model.write(to: base)
            let changes = [0, 2].map {
                NeuronChange(
                    tensor: RandomModel.name($0), kind: .columns, index: 4, delta: [1, -1, 0.5, 0, 0.25, 2])
            }
            let patch = try Patch.neurons(changes, of: Checkpoint(base), method: Patch.Method(name: "by hand"))
            try body(Place(directory: directory, base: base, patch: patch))
        }
    }

    /// How a model can be another than the patch's base.
    enum Other: String, CaseIterable, CustomTestStringConvertible {
        case missing, type, shape, content
        var testDescription: String { rawValue }
    }

    @Test("another model, with the tensor that differs, and nothing is written", arguments: Other.allCases)
    func wrongBase(other: Other) throws {
        try withPlace { place in
            let name = RandomModel.name(2)
            let file = try #require(SnapshotDirectory(place.base)[name]).file
            let shard = URL(filePath: file.file.name)
            let changed = file.tensors.filter { other != .missing || $0.name != name }.map { tensor in
                guard tensor.name == name else { return SafetensorsSource(tensor, of: file) }
                var bytes = file.bytes(of: tensor).withUnsafeBytes { [UInt8]($0) }
                switch other {
                case .type: return SafetensorsSource(name, .float16, [6, 20], bytes: bytes)
                case .shape: return SafetensorsSource(name, .float32, [10, 6], bytes: bytes)
                default:
                    bytes[17] ^= 4
                    return SafetensorsSource(name, .float32, [6, 10], bytes: bytes)
                }
            }
            if other == .missing {
                let index = place.base.appending(path: "model.safetensors.index.json")
                try FileManager.default.removeItem(at: index)
            }
            try SafetensorsWriter.write(
                changed, to: place.base.appending(path: shard.lastPathComponent), overwriting: true)
            let before = try files(in: place.base)
            let error = try #require(throws: PatchError.self) {
                try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
            }
            #expect(error.code == .wrongBase && error.kind == .refused)
            #expect(error.differences.map(\.tensor) == [name])
            #expect(error.description.contains(name))
            #expect(try place.names() == ["base"])
            #expect(try files(in: place.base) == before)
        }
    }

    @Test("the check lists all tensors that differ")
    func allDifferences() throws {
        try withPlace { place in
            let other = place.directory.appending(path: "other")
            try RandomModel(type: .float32, isSharded: true, kind: .columns, seed: 4).write(to: other)
            let patched = try PatchedCheckpoint(Checkpoint(other)).adding([AppliedPatch(place.patch)])
            let error = try #require(throws: PatchError.self) { try patched.check() }
            #expect(error.differences.map(\.tensor) == [RandomModel.name(0), RandomModel.name(2)])
            #expect(error.found?.hasSuffix("and 1 more") == true)
        }
    }

    @Test("the same patch again")
    func twice() throws {
        try withPlace { place in
            try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
            let error = try #require(throws: PatchError.self) {
                try PatchedCheckpoint(Checkpoint(place.output)).adding([AppliedPatch(place.patch, scale: 0.5)])
            }
            #expect(error.code == .alreadyApplied && error.kind == .refused)
        }
    }

    @Test("a patch that the model does not have is not removed")
    func notApplied() throws {
        try withPlace { place in
            for id in ["", "sha256:", "sha256:00", place.patch.shortID] {
                let error = try #require(throws: PatchError.self) {
                    try PatchedCheckpoint(Checkpoint(place.base)).removing(id)
                }
                #expect(error.code == .notApplied)
            }
        }
    }

    @Test("a scale that is no number", arguments: [Double.nan, .infinity])
    func badScale(scale: Double) throws {
        try withPlace { place in
            let error = try #require(throws: PatchError.self) {
                try PatchStack([AppliedPatch(place.patch, scale: scale)])
            }
            #expect(error.code == .badScale)
        }
    }

    @Test("a weight that becomes infinite")
    func overflow() throws {
        try withPlace { place in
            let error = try #require(throws: PatchError.self) {
                try place.apply([AppliedPatch(place.patch, scale: 1e300)], to: place.base, at: place.output)
            }
            #expect(error.code == .overflow)
            #expect(try place.names() == ["base"])
        }
    }

    @Test("the result is never written over or into the model, or over what is no model")
    func output() throws {
        try withPlace { place in
            let patches = [AppliedPatch(place.patch)]
            let before = try files(in: place.base)
            let precious = place.directory.appending(path: "precious")
            try FileManager.default.createDirectory(at: precious, withIntermediateDirectories: true)
            try Data([1]).write(to: precious.appending(path: "file"))
            let link = place.directory.appending(path: "link")
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: place.base)
            for output in [place.base, place.base.appending(path: "inner"), place.directory, precious, link] {
                let error = try #require(throws: FormatError.self) {
                    try place.apply(patches, to: place.base, at: output, overwriting: true)
                }
                #expect(error.code == (output == precious ? .alreadyExists : .inTheWay) && error.kind == .refused)
            }
            #expect(try files(in: place.base) == before)
            #expect(try place.names() == ["base", "link", "precious"])
        }
    }

    @Test("another model is replaced only if asked")
    func overwriting() throws {
        try withPlace { place in
            try place.apply([AppliedPatch(place.patch, scale: 0.5)], to: place.base, at: place.output)
            let before = try files(in: place.output)
            #expect(throws: FormatError.self) {
                try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
            }
            #expect(try files(in: place.output) == before)
            try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output, overwriting: true)
            #expect(try PatchedCheckpoint(Checkpoint(place.output)).present.patches.map(\.scale) == [1])
            #expect(try place.names() == ["base", "output"])
        }
    }

    @Test("weights that were changed by other means since", arguments: [0, 4])
    func drift(column: Int) throws {
        try withPlace { place in
            try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
            let name = RandomModel.name(0)
            let stored = try #require(SnapshotDirectory(place.output)[name])
            let file = place.output.appending(path: URL(filePath: stored.file.file.name).lastPathComponent)
            var bytes = try Data(contentsOf: file)
            bytes[stored.entry.range.lowerBound + 4 * column] ^= 1
            try bytes.write(to: file)
            let error = try #require(throws: PatchError.self) {
                let patched = try PatchedCheckpoint(Checkpoint(place.output)).removing(place.patch.id)
                try patched.write(to: place.directory.appending(path: "back"))
            }
            #expect(error.code == .drifted && error.differences.map(\.tensor) == [name])
            #expect(try place.names() == ["base", "output"])
        }
    }

    @Test("a lock that points elsewhere or says something else")
    func lock() throws {
        try withPlace { place in
            try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
            let url = place.output.appending(path: "suture.lock.json")
            let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
            let id = String(place.patch.id.dropFirst(7))
            for (old, new, code) in [
                ("\"suture/\(place.patch.shortID)", "\"../\(place.patch.shortID)", PatchError.Code.malformedLock),
                (id, place.patch.shortID + String(repeating: "0", count: 48), .malformedLock),
                ("suture.lock/1", "suture.lock/2", .unsupportedSchema),
                ("\"F32\"", "\"F16\"", .malformedLock)
            ] where text.contains(old) {
                try Data(text.replacingOccurrences(of: old, with: new).utf8).write(to: url)
                let error = try #require(throws: PatchError.self) { try PatchedCheckpoint(Checkpoint(place.output)) }
                #expect(error.code == code, "\(error)")
            }
        }
    }

    @Test("what an interrupted command leaves is no model, and is in nobody's way")
    func leftovers() throws {
        try withPlace { place in
            let leftover = place.directory.appending(path: ".output.123.tmp")
            try FileManager.default.copyItem(at: place.base, to: leftover)
            try FileManager.default.removeItem(at: leftover.appending(path: "config.json"))
            #expect(throws: FormatError.self) { try Checkpoint(leftover) }
            try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
            // The next command to the same place tidies up, and touches nothing else.
            #expect(try place.names() == ["base", "output"])
            let other = place.directory.appending(path: ".other.123.tmp")
            try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
            try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output, overwriting: true)
            #expect(try place.names() == [".other.123.tmp", "base", "output"])
        }
    }

    @Test("two at one place: the second is told, and the first is not disturbed")
    func busy() throws {
        try withPlace { place in
            let error = try SnapshotDirectory.create(at: place.output, from: place.base, overwriting: false) { _ in
                try #require(throws: FormatError.self) {
                    try place.apply([AppliedPatch(place.patch)], to: place.base, at: place.output)
                }
            }
            #expect(error.code == .busy && error.kind == .refused)
            #expect(try place.names() == ["base", "output"])
        }
    }

    @Test("changes that make no patch")
    func making() throws {
        try withPlace { place in
            let checkpoint = try Checkpoint(place.base)
            func code(_ changes: [(String, NeuronChange.Slice, Int, [Float])]) throws -> PatchError.Code {
                let changes = changes.map { NeuronChange(tensor: $0.0, kind: $0.1, index: $0.2, delta: $0.3) }
                let error = try #require(throws: PatchError.self) {
                    try Patch.neurons(changes, of: checkpoint, method: Patch.Method(name: "by hand"))
                }
                #expect(error.kind != .badInput || error.code == .badPayload)
                return error.code
            }
            let (name, delta) = (RandomModel.name(1), [Float](repeating: 1, count: 6))
            #expect(try code([]) == .emptyPatch)
            #expect(try code([(name, .columns, 0, [0, 0, 0, 0, 0, 0])]) == .emptyPatch)
            #expect(try code([("nothing", .columns, 0, delta)]) == .wrongBase)
            #expect(try code([("norm.weight", .columns, 0, delta)]) == .unsupportedType)
            #expect(try code([(name, .columns, 10, delta)]) == .badPayload)
            #expect(try code([(name, .columns, -1, delta)]) == .badPayload)
            #expect(try code([(name, .rows, 0, delta)]) == .badPayload)
            #expect(try code([(name, .columns, 0, [1, 1, 1, 1, 1, .nan])]) == .badPayload)
            #expect(try code([(name, .columns, 0, delta), (name, .columns, 0, delta)]) == .conflict)
            #expect(try code([(name, .columns, 0, delta), (name, .rows, 0, delta + [1, 1, 1, 1])]) == .conflict)
        }
    }
}
