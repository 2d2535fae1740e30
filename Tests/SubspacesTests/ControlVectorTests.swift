import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTestSupport
import Testing

@testable import SutureSubspaces

@Suite("Steering vectors in files: control vectors of llama.cpp, and patches of other hands")
struct ControlVectorTests {
    private static func file(_ write: (URL) throws -> Void) throws -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "vector-\(UUID().uuidString).gguf")
        try write(url)
        return url
    }

    @Test("a control vector comes back equal to the bit", arguments: ["llama", "gpt2", "gpt-neox"])
    func exchange(_ name: String) throws {
        let checkpoint = try SteeringTests.checkpoint(name)
        let architecture = try Architecture(checkpoint)
        let steering = try Steering(Array(SteeringTests.vectors(architecture, seed: 4).dropFirst()), for: architecture)
        let patch = try steering.patch(of: checkpoint, method: .init(name: "test"))
        let url = try Self.file { try steering.writeControlVector(to: $0, base: checkpoint) }
        defer { try? FileManager.default.removeItem(at: url) }
        let read = try Steering(controlVector: url, for: architecture)
        #expect(read.vectors == steering.vectors)
        #expect(try read.patch(of: checkpoint, method: .importing(url)).id == patch.id)
        let file = try GGUFFile(url)
        #expect(try file.string("general.architecture") == "controlvector")
        #expect(try file.int("controlvector.layer_count") == steering.vectors.count)
        #expect(file.tensors.map(\.key.string) == steering.vectors.map { "direction.\($0.layer)" })
        let first = try Steering(SteeringTests.vectors(architecture, seed: 4), for: architecture)
        let error = #expect(throws: SubspaceError.self) { try first.writeControlVector(to: url, base: checkpoint) }
        #expect(error?.problem.contains("first layer") == true)
    }

    /// What is wrong with a file, and what the error says of it.
    static let broken: [(String, String, [(String, [Int], Float)], String)] = [
        ("llama", "direction", [("direction.1", [64], 1)], "no control vector"),
        ("controlvector", "none", [], "no vectors"),
        ("controlvector", "zero", [("direction.0", [64], 1)], "no direction of a layer"),
        ("controlvector", "name", [("direction.1.5", [64], 1)], "no direction of a layer"),
        ("controlvector", "digits", [("direction.01", [64], 1)], "no direction of a layer"),
        ("controlvector", "minus", [("direction.-1", [64], 1)], "no direction of a layer"),
        ("controlvector", "other", [("token_embd.weight", [64], 1)], "no direction of a layer"),
        ("controlvector", "layer", [("direction.99", [64], 1)], "no such layer"),
        ("controlvector", "width", [("direction.1", [63], 1)], "does not fit the model"),
        ("controlvector", "matrix", [("direction.1", [2, 32], 1)], "float32 vector"),
        ("controlvector", "nan", [("direction.1", [64], .nan)], "not finite")
    ]

    @Test("files that are no control vector of this model are refused with what is wrong", arguments: broken.indices)
    func refused(_ index: Int) throws {
        let architecture = try Architecture(SteeringTests.checkpoint("llama"))
        let (kind, _, tensors, says) = Self.broken[index]
        let url = try Self.file { url in
            try GGUFWriter.write(
                [("general.architecture", .string(kind))],
                tensors.map { name, shape, value in
                    let shape = shape == [64] ? [architecture.width] : shape
                    return .init(name, shape, [Float](repeating: value, count: shape.reduce(1, *)))
                }, to: url)
        }
        defer { try? FileManager.default.removeItem(at: url) }
        let error = #expect(throws: (any Error).self) { try Steering(controlVector: url, for: architecture) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(says), "\(String(describing: error))")
    }

    @Test("an absent tensor that is not zeros is refused in a patch file")
    func hostile() throws {
        let zeros = BaseTensorText.zeros(width: 4)
        for (text, isGood) in [
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "F32", "shape": [4]}"#, true),
            (
                #"{"absent": true, "digest": "sha256:\#(String(repeating: "0", count: 64))", "dtype": "F32", "shape": [4]}"#,
                false
            ),
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "BF16", "shape": [4]}"#, false),
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "F32", "shape": [2, 2]}"#, false),
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "F32", "shape": [1099511627776]}"#, false),
            (#"{"absent": 1, "digest": "\#(zeros)", "dtype": "F32", "shape": [4]}"#, false)
        ] {
            let manifest =
                #"{"schema": "suture.patch/1", "base": {"tensors": {"a": \#(text)}}, "edits": [], "method": {"name": "a", "version": "1", "options": {}, "seed": null}, "results": null, "tool": "a", "created": "a", "parents": [], "id": "\#(zeros)"}"#
            let url = try Self.file {
                try SafetensorsWriter.write([], metadata: ["suture": ByteString(manifest)], to: $0)
            }
            defer { try? FileManager.default.removeItem(at: url) }
            let error = #expect(throws: (any Error).self) { try Patch(contentsOf: url) }
            // A good one is refused for having no edits.
            #expect((error as? PatchError)?.code == (isGood ? .emptyPatch : .malformedManifest) || !isGood)
        }
    }
}

private enum BaseTensorText {
    static func zeros(width: Int) -> String {
        let bytes = [UInt8](repeating: 0, count: 4 * width)
        return "sha256:" + bytes.withUnsafeBytes { Digest.tensor(type: .float32, shape: [width], bytes: $0) }
    }
}
