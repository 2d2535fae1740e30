import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@Suite("Snapshot directories")
struct SnapshotDirectoryTests {
    private static let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]

    private func write(_ names: [String], to file: URL) throws {
        try SafetensorsWriter.write(
            names.map { SafetensorsSource($0, .uint8, [1], bytes: [UInt8($0.utf8.count)]) }, to: file)
    }

    /// A directory with two shards of the tensors a, bb and ccc, and `config.json`.
    private func withShards(_ body: (URL) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            try AtomicFile.write(Array(#"{"model_type": "llama"}"#.utf8), to: directory.appending(path: "config.json"))
            try write(["bb", "a"], to: directory.appending(path: Self.shards[0]))
            try write(["ccc"], to: directory.appending(path: Self.shards[1]))
            try body(directory)
        }
    }

    private func writeIndex(_ map: JSON, to directory: URL) throws {
        let index: JSON = ["metadata": ["total_size": 3], "weight_map": map]
        try AtomicFile.write(index.serialized(), to: directory.appending(path: "model.safetensors.index.json"))
    }

    private var map: JSON { ["a": JSON(Self.shards[0]), "bb": JSON(Self.shards[0]), "ccc": JSON(Self.shards[1])] }

    @Test("shards are read through the index")
    func sharded() throws {
        try withShards { directory in
            try writeIndex(map, to: directory)
            let snapshot = try SnapshotDirectory(directory)
            #expect(try snapshot.config.require("model_type").string == "llama")
            #expect(snapshot.tensors.keys.map(\.string) == ["bb", "a", "ccc"])
            #expect(snapshot.files.count == 2)
            for name in ["a", "bb", "ccc"] {
                let tensor = try #require(snapshot[name])
                #expect(tensor.bytes.withUnsafeBytes { $0[0] } == UInt8(name.utf8.count))
            }
            #expect(snapshot["d"] == nil)
            #expect(snapshot.notices.isEmpty)
            #expect(snapshot.otherFiles == ["config.json"])
        }
    }

    @Test("shards without an index are all read")
    func noIndex() throws {
        try withShards { directory in
            let snapshot = try SnapshotDirectory(directory)
            #expect(snapshot.tensors.count == 3)
        }
    }

    @Test("tensors that the index does not list are reported")
    func unlisted() throws {
        try withShards { directory in
            try writeIndex(["bb": JSON(Self.shards[0]), "ccc": JSON(Self.shards[1])], to: directory)
            let snapshot = try SnapshotDirectory(directory)
            #expect(snapshot["a"] != nil)
            #expect(snapshot.notices.count == 1)
            #expect(snapshot.notices[0].contains("1 tensors are not in the index"))
        }
    }

    @Test("an entry of the index that is nowhere is reported")
    func unknownEntry() throws {
        try withShards { directory in
            let all = try map.require("a").string
            try writeIndex(
                ["a": JSON(all), "bb": JSON(all), "ccc": JSON(Self.shards[1]), "d": JSON(all)], to: directory)
            let snapshot = try SnapshotDirectory(directory)
            #expect(snapshot.tensors.count == 3 && snapshot.notices.count == 1)
        }
    }

    @Test("a shard that is missing by its name is told, without an index too")
    func missingShard() throws {
        try withShards { directory in
            try FileManager.default.removeItem(at: directory.appending(path: Self.shards[1]))
            let error = #expect(throws: FormatError.self) { try SnapshotDirectory(directory) }
            #expect(error?.code == .missingFile && error?.found == "none with number 2", "\(error?.description ?? "")")
        }
    }

    @Test("shards yield to model.safetensors, as in transformers, and this is reported")
    func leftoverIndex() throws {
        try withShards { directory in
            try writeIndex(map, to: directory)
            try write(["whole"], to: directory.appending(path: "model.safetensors"))
            let snapshot = try SnapshotDirectory(directory)
            #expect(snapshot.tensors.keys.map(\.string) == ["whole"])
            #expect(snapshot.notices.count == 1)
        }
    }

    @Test("all other files are listed, links followed, hidden ones left out")
    func otherFiles() throws {
        try withShards { directory in
            let manager = FileManager.default
            try manager.createDirectory(at: directory.appending(path: "onnx"), withIntermediateDirectories: true)
            for name in ["tokenizer.json", "README.md", "onnx/model.onnx", ".hidden"] {
                try AtomicFile.write([1], to: directory.appending(path: name))
            }
            try manager.createSymbolicLink(
                at: directory.appending(path: "vocab.json"), withDestinationURL: directory.appending(path: ".hidden"))
            let link = directory.deletingLastPathComponent().appending(path: "link-\(UUID().uuidString)")
            try manager.createSymbolicLink(at: link, withDestinationURL: directory)
            defer { try? manager.removeItem(at: link) }
            for url in [directory, link] {
                #expect(
                    try SnapshotDirectory(url).otherFiles == [
                        "README.md", "config.json", "onnx/model.onnx", "tokenizer.json", "vocab.json"
                    ])
            }
        }
    }

    @Test("shards may be links, as in the cache of Hugging Face")
    func linkedShards() throws {
        try withShards { blobs in
            try withTemporaryDirectory { directory in
                for name in Self.shards + ["config.json"] {
                    try FileManager.default.createSymbolicLink(
                        at: directory.appending(path: name), withDestinationURL: blobs.appending(path: name))
                }
                try writeIndex(map, to: directory)
                #expect(try SnapshotDirectory(directory).tensors.count == 3)
            }
        }
    }

    @Test("pickled weights are refused with advice")
    func pickled() throws {
        let error = try #require(throws: FormatError.self) {
            try SnapshotDirectory(Goldens.url("hostile/snapshot/no-weights"))
        }
        #expect(error.hint?.contains("safetensors") == true)
    }
}
