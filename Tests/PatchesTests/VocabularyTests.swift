import Foundation
import SutureFormats
import SuturePatches
import SutureTestSupport
import Testing

@Suite("Models whose vocabularies have other lengths, and numbers that are none")
struct VocabularyTests {
    private static let embeddings = "model.embed_tokens.weight"
    private static let projection = "model.layers.0.mlp.down_proj.weight"

    /// A folder with embeddings of so many rows of two, and a matrix.
    private func model(
        _ rows: Int, adding change: Float = 0, _ name: String, in directory: URL, file: String = "model.safetensors",
        config: String? = #"{"model_type": "llama"}"#
    ) throws -> Checkpoint {
        let folder = directory.appending(path: name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        if let config { try Data(config.utf8).write(to: folder.appending(path: "config.json")) }
        let tensors = [(Self.embeddings, [rows, 2]), (Self.projection, [2, 3])].map { name, shape in
            let values = (0..<shape.reduce(1, *)).map { Float($0) + change }
            return SafetensorsSource(name, .float32, shape, bytes: values.withUnsafeBytes { Array($0) })
        }
        try SafetensorsWriter.write(tensors, to: folder.appending(path: file))
        return try Checkpoint(folder)
    }

    private func values(_ checkpoint: Checkpoint, _ name: String) throws -> [Float] {
        let data = try checkpoint.data(of: #require(checkpoint[name]))
        return withExtendedLifetime(data) { Array(data.bytes.bindMemory(to: Float.self)) }
    }

    private func floats(_ values: [Int], _ change: Float) -> [Float] { values.map { Float($0) + change } }

    @Test("the rows that both have are compared, taken and changed", arguments: [(3, 5), (5, 3)])
    func commonRows(base: Int, tuned: Int) throws {
        try withQuickDirectory { directory in
            let (before, after) = try (
                model(base, "base", in: directory), model(tuned, adding: 0.5, "tuned", in: directory)
            )
            let left = "\(Self.embeddings): rows 3..<5, which only the \(base > tuned ? "first" : "second") model has"
            let difference = try CheckpointDifference(before, after)
            let found = try #require(difference.tensors.first { $0.name == Self.embeddings })
            #expect(found.shape == [3, 2] && found.changed == 6 && found.elements == 6)
            #expect(difference.others == [left])

            let forms: [Extraction.Form] = [.full, .sparse(density: 1), .lowRank(tolerance: 0.01, maximumRank: 2)]
            for (number, form) in forms.enumerated() {
                let extraction = try Extraction(from: before, to: after, as: form)
                #expect(extraction.ignored == [left])
                let out = directory.appending(path: "out-\(number)")
                try PatchedCheckpoint(before).adding([AppliedPatch(extraction.patch)]).write(to: out)
                let expected = (0..<base * 2).map { Float($0) + ($0 < 6 ? 0.5 : 0) }
                for (found, expected) in zip(try values(Checkpoint(out), Self.embeddings), expected) {
                    #expect(abs(found - expected) < 1e-5)
                }
            }
        }
    }

    @Test("a transfer changes the rows that all three models have", arguments: [2, 3, 7])
    func transfer(rows: Int) throws {
        try withQuickDirectory { directory in
            let before = try model(5, "base", in: directory)
            let (after, target) = try (
                model(3, adding: 0.5, "tuned", in: directory), model(rows, adding: 9, "target", in: directory)
            )
            let transfer = try DifferenceTransfer(from: before, to: after, onto: target)
            let out = directory.appending(path: "out")
            #expect(try transfer.write(to: out) == 2)
            let expected = (0..<rows * 2).map { Float($0) + ($0 < 6 ? 9.5 : 9) }
            #expect(try values(Checkpoint(out), Self.embeddings) == expected)

            let patch = try Extraction(from: before, to: after, as: .full).patch
            #expect(patch.rowsLeftOut(on: target).count == (rows == 5 ? 0 : 1))
            let moved = directory.appending(path: "moved")
            try PatchedCheckpoint(target).adding([AppliedPatch(patch.transferred(to: target))]).write(to: moved)
            #expect(try values(Checkpoint(moved), Self.embeddings) == expected)
        }
    }

    @Test("other tensors of another shape are refused still")
    func otherShapes() throws {
        try withQuickDirectory { directory in
            let before = try model(3, "base", in: directory)
            let folder = directory.appending(path: "other")
            try FileManager.default.copyItem(at: before.url, to: folder)
            let bytes = [UInt8](repeating: 0, count: 32)
            try FileManager.default.removeItem(at: folder.appending(path: "model.safetensors"))
            try SafetensorsWriter.write(
                [
                    SafetensorsSource(Self.embeddings, .float32, [4, 2], bytes: bytes),
                    SafetensorsSource(Self.projection, .float32, [4, 2], bytes: bytes)
                ], to: folder.appending(path: "model.safetensors"))
            let error = try #require(throws: PatchError.self) {
                try Extraction(from: before, to: Checkpoint(folder), as: .full)
            }
            #expect(error.found?.contains(Self.projection) == true, "\(error)")
        }
    }

    @Test("elements that are no numbers are counted and left out of norms; zeros of another sign are told")
    func notNumbers() throws {
        try withQuickDirectory { directory in
            func write(_ name: String, _ values: [[Float]]) throws -> Checkpoint {
                let folder = directory.appending(path: name)
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try Data("{}".utf8).write(to: folder.appending(path: "config.json"))
                let tensors = values.enumerated().map { index, values in
                    SafetensorsSource("\(index)", .float32, [4], bytes: values.withUnsafeBytes { Array($0) })
                }
                try SafetensorsWriter.write(tensors, to: folder.appending(path: "model.safetensors"))
                return try Checkpoint(folder)
            }
            let one = try write("one", [[1, .nan, 2, .infinity], [0, 1, -0.0, 3], [.nan, 1, 1, 1]])
            let two = try write("two", [[4, 5, 2, -.infinity], [-0.0, 1, 0, 3], [.nan, 1, 1, 1]])
            let difference = try CheckpointDifference(one, two)
            let tensor = try #require(difference.tensors.first)
            #expect(difference.tensors.count == 1 && difference.equal == 1)
            #expect(tensor.changed == 3 && tensor.notNumbers == 2 && tensor.norm == 3 && tensor.largest == 3)
            #expect(difference.others == ["1: equal but for the sign of 2 zeros"])
            let error = #expect(throws: PatchError.self) { try Extraction(from: one, to: two, as: .full) }
            #expect(error?.description.contains("0: a change is no number") == true, "\(String(describing: error))")
        }
    }

    @Test("a folder of tensors alone, or under diffusers' names, is compared, patched and replaced")
    func rawFolders() throws {
        try withQuickDirectory { directory in
            for (number, file) in ["diffusion_pytorch_model.safetensors", "model.safetensors", "model.fp16.safetensors"]
                .enumerated()
            {
                let base = try model(3, "base-\(number)", in: directory, file: file, config: nil).url
                try Data("x".utf8).write(to: base.appending(path: "chat_template.jinja"))
                let before = try Checkpoint(base)
                let after = try model(3, adding: 1, "tuned-\(number)", in: directory, file: file, config: nil)
                let patch = try Extraction(from: before, to: after, as: .full).patch
                let out = directory.appending(path: "out-\(number)")
                for overwriting in [false, true] {
                    try PatchedCheckpoint(before).adding([AppliedPatch(patch)]).write(to: out, overwriting: overwriting)
                }
                #expect(try values(Checkpoint(out), Self.projection) == floats(Array(0..<6), 1))
                #expect(FileManager.default.fileExists(atPath: out.appending(path: file).path))
                #expect(FileManager.default.fileExists(atPath: out.appending(path: "chat_template.jinja").path))
                #expect(
                    try DifferenceTransfer(from: before, to: after, onto: before).write(to: out, overwriting: true) == 2
                )
            }
            let other = directory.appending(path: "other")
            try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                at: directory.appending(path: "base-1/model.safetensors"), to: other.appending(path: "v1-5.safetensors")
            )
            let error = try #require(throws: FormatError.self) { try Checkpoint(other) }
            #expect(error.hint == "name the file v1-5.safetensors itself")
        }
    }
}
