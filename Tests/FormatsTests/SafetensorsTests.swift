import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@Suite("Safetensors")
struct SafetensorsTests {
    @Test("a file of the reference package is read")
    func reference() throws {
        let file = try SafetensorsFile(Goldens.url("formats/reference.safetensors"))
        #expect(Array(file.metadata.keys) == ["format"])
        #expect(file.metadata["format"] == "np")
        #expect(file.tensors.count == 10)
        #expect(file["weight"]?.shape == [2, 3])
        #expect(file["scalar"]?.shape == [])
        #expect(file["empty"]?.range.isEmpty == true)
        #expect(file["quote\"\\\n"]?.type == .uint16)
        #expect(file["missing"] == nil)
        let scalar = try #require(file["scalar"])
        #expect(file.bytes(of: scalar).withUnsafeBytes(Array.init) == [7, 0, 0, 0, 0, 0, 0, 0])
        let flags = try #require(file["flags"])
        #expect(file.bytes(of: flags).withUnsafeBytes(Array.init) == [1, 0, 1])
    }

    @Test("names that are only canonically equivalent are two tensors")
    func canonicallyEquivalentNames() throws {
        let file = try SafetensorsFile(Goldens.url("formats/reference.safetensors"))
        let (decomposed, composed) = (try #require(file["e\u{301}"]), try #require(file["\u{E9}"]))
        #expect(file.bytes(of: decomposed).withUnsafeBytes(Array.init) == [1, 0, 0, 0])
        #expect(file.bytes(of: composed).withUnsafeBytes(Array.init) == [2, 0, 0, 0])
    }

    @Test("a file of the reference package, written again, has the same bytes")
    func rewriting() throws {
        let original = Goldens.url("formats/reference.safetensors")
        let file = try SafetensorsFile(original)
        try withTemporaryDirectory { directory in
            let copy = directory.appending(path: "copy.safetensors")
            try SafetensorsWriter.write(
                file.tensors.map { SafetensorsSource($0, of: file) }, metadata: file.metadata, to: copy)
            #expect(try Data(contentsOf: copy) == Data(contentsOf: original))
        }
    }

    /// Tensors in an order that the reference writer would not choose.
    private var sources: [SafetensorsSource] {
        [
            SafetensorsSource("z", .uint8, [3], bytes: [1, 2, 3]),
            SafetensorsSource("a.weight", .float32, [2, 1], bytes: [0, 0, 128, 63, 0, 0, 0, 192]),
            SafetensorsSource("none", .bfloat16, [0], bytes: []),
            SafetensorsSource("é", .bool, [], bytes: [1])
        ]
    }

    @Test("what is written is what the reference package reads (see formats.py)")
    func written() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "written.safetensors")
            try SafetensorsWriter.write(
                sources, metadata: ["format": "pt", "note": "a \"note\"\n"], to: url)
            #expect(try Data(contentsOf: url) == Data(contentsOf: Goldens.url("formats/suture.safetensors")))
            let file = try SafetensorsFile(url)
            #expect(file.tensors.map(\.name) == ["z", "a.weight", "none", "é"])
            #expect(file.metadata == ["format": "pt", "note": "a \"note\"\n"])
            let weight = try #require(file["a.weight"])
            #expect(file.bytes(of: weight).withUnsafeBytes(Array.init) == [0, 0, 128, 63, 0, 0, 0, 192])
        }
    }

    @Test("every type survives", arguments: StorageType.allCases)
    func types(type: StorageType) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "typed.safetensors")
            let bytes = (0..<(6 * type.width)).map { UInt8(truncatingIfNeeded: $0 * 37) }
            try SafetensorsWriter.write([SafetensorsSource("t", type, [2, 3], bytes: bytes)], to: url)
            let file = try SafetensorsFile(url)
            let tensor = try #require(file["t"])
            #expect(tensor.type == type && tensor.shape == [2, 3])
            #expect(file.bytes(of: tensor).withUnsafeBytes(Array.init) == bytes)
        }
    }

    @Test("data comes in pieces, and must be as much as the shape asks for", arguments: [0, 9, 10, 11])
    func pieces(count: Int) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "pieces.safetensors")
            let source = SafetensorsSource("t", .uint8, [10]) { append in
                for index in 0..<count { try withUnsafeBytes(of: UInt8(index), append) }
            }
            if count == 10 {
                try SafetensorsWriter.write([source], to: url)
                let file = try SafetensorsFile(url)
                #expect(file.bytes(of: file.tensors[0]).withUnsafeBytes(Array.init) == Array(0..<10))
            } else {
                let error = try #require(throws: FormatError.self) { try SafetensorsWriter.write([source], to: url) }
                #expect(error.code == .sizeMismatch)
                #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
            }
        }
    }

    @Test("the writer refuses names that are taken and shapes that overflow")
    func refusals() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "refused.safetensors")
            func code(_ sources: [SafetensorsSource]) throws -> FormatError.Code {
                try #require(throws: FormatError.self) { try SafetensorsWriter.write(sources, to: url) }.code
            }
            let tensor = SafetensorsSource("t", .uint8, [1], bytes: [1])
            let codes = try [
                code([tensor, tensor]),
                code([SafetensorsSource("__metadata__", .uint8, [1], bytes: [1])]),
                code([SafetensorsSource("t", .float64, [1 << 61], bytes: [])]),
                code([SafetensorsSource("t", .uint8, [-1], bytes: [])])
            ]
            #expect(codes == [.duplicateName, .duplicateName, .overflow, .overflow])
        }
    }

    @Test("mapped bytes stay valid when only they are kept")
    func lifetime() throws {
        func bytes() throws -> MappedBytes {
            let file = try SafetensorsFile(Goldens.url("formats/reference.safetensors"))
            return file.bytes(of: try #require(file["scalar"]))
        }
        #expect(try bytes().withUnsafeBytes { $0[0] } == 7)
    }

    @Test("the digest of a tensor covers type, shape and bytes, and not the name")
    func digests() throws {
        func digest(_ type: StorageType, _ shape: [Int], _ bytes: [UInt8]) -> String {
            bytes.withUnsafeBytes { Digest.tensor(type: type, shape: shape, bytes: $0) }
        }
        let digests = [
            digest(.uint8, [4], [1, 2, 3, 4]), digest(.int8, [4], [1, 2, 3, 4]), digest(.uint8, [2, 2], [1, 2, 3, 4]),
            digest(.uint8, [4], [1, 2, 3, 5]), digest(.float32, [], [1, 2, 3, 4])
        ]
        #expect(Set(digests).count == digests.count)
        #expect(digests[0] == Digest.sha256(Array("U8[4]\0".utf8) + [1, 2, 3, 4]))
        #expect(
            Digest.sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let url = Goldens.url("formats/reference.safetensors")
        let manifest = try JSON.parse(contentsOf: Goldens.url("formats/manifest.json"))
        #expect(try Digest.sha256(contentsOf: url) == manifest["sha256"]?["reference.safetensors"]?.stringValue)
    }
}
