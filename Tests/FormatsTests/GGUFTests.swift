import Foundation
import SutureFormats
import SutureTestSupport
import Testing

func floats(at url: URL) throws -> [Float] {
    try Data(contentsOf: url).withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 4).map {
            Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
        }
    }
}

@Suite("GGUF")
struct GGUFTests {
    static let weightTypes: [GGUFType] = [
        .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_NL, .iq4_XS
    ]

    @Test("dequantized values equal the reference to the last bit", arguments: weightTypes)
    func dequantization(type: GGUFType) throws {
        let blocks = try Data(contentsOf: Goldens.url("formats/\(type.name).blocks"))
        let expected = try floats(at: Goldens.url("formats/\(type.name).values"))
        var values = [Float](repeating: .nan, count: expected.count)
        try values.withUnsafeMutableBufferPointer { values in
            try blocks.withUnsafeBytes { try type.dequantize($0, into: values) }
        }
        let differing = zip(values, expected).filter { $0.bitPattern != $1.bitPattern }
        #expect(differing.isEmpty, "\(differing.count) of \(values.count) differ")
        #expect(Set(expected.map(\.bitPattern)).count > 100, "the golden must not be trivial")
    }

    @Test("conversion refuses sizes that do not match", arguments: [31, 33, 64])
    func conversionSizes(count: Int) {
        let blocks = [UInt8](repeating: 0, count: 34)
        var values = [Float](repeating: 0, count: count)
        #expect(throws: FormatError.self) {
            try values.withUnsafeMutableBufferPointer { values in
                try blocks.withUnsafeBytes { try GGUFType.q8_0.dequantize($0, into: values) }
            }
        }
    }

    @Test("every type of metadata is read as the reference wrote it")
    func metadata() throws {
        let file = try GGUFFile(Goldens.url("formats/small.gguf"))
        #expect(file.version == 3)
        #expect(try file.string("general.architecture") == "llama")
        #expect(try file.int("test.u8") == 200)
        #expect(try file.int("test.i8") == -100)
        #expect(try file.int("test.u16") == 60000)
        #expect(try file.int("test.i16") == -30000)
        #expect(try file.int("test.u32") == 4_000_000_000)
        #expect(try file.int("test.i32") == -2_000_000_000)
        #expect(file.metadata["test.u64"] == .unsigned(.max))
        #expect(file.metadata["test.i64"] == .signed(.min))
        #expect(try file.double("test.f32") == Double(Float(0.1)))
        #expect(try file.double("test.f64") == 0.1)
        #expect(file.metadata["test.bool"]?.boolValue == true)
        #expect(file.metadata["test.string"]?.bytesValue == "é e\u{301} 😀")
        #expect(try file.strings("test.strings") == ["a", "", "Ġthe"])
        #expect(try file.ints("test.ints") == [1, -2, 3])
        #expect(try file.doubles("test.floats") == [0.5, -1.5])
        let nested = try #require(file.metadata["test.nested"]?.arrayValue)
        #expect(nested.map { $0.arrayValue?.map(\.intValue) } == [[1, 2], [3]])
        #expect(Array(file.metadata.keys.prefix(2)) == ["general.architecture", "test.u8"])
    }

    @Test("metadata that is missing or of another type is named")
    func metadataErrors() throws {
        let file = try GGUFFile(Goldens.url("formats/small.gguf"))
        let missing = try #require(throws: FormatError.self) { try file.int("llama.block_count") }
        #expect(missing.code == .missingKey && missing.problem.contains("llama.block_count"))
        #expect(throws: FormatError.self) { try file.int("test.u64") }
        #expect(throws: FormatError.self) { try file.ints("test.strings") }
        #expect(throws: FormatError.self) { try file.string("test.u8") }
    }

    @Test("tensors keep their order, shapes are outermost first")
    func tensors() throws {
        let file = try GGUFFile(Goldens.url("formats/small.gguf"))
        #expect(file.tensors.map(\.value.name) == ["matrix", "half", "quantized", "vector"])
        #expect(file["matrix"]?.shape == [4, 64])
        #expect(file["half"]?.shape == [4, 6])
        #expect(file["quantized"]?.type == .q8_0)
        #expect(file["missing"] == nil)
        #expect(try file.dequantize(#require(file["vector"])) == [0, 1, 2, 3, 4])
        let quantized = try #require(file["quantized"])
        let expected = try floats(at: Goldens.url("formats/small.gguf.quantized.values"))
        #expect(try file.dequantize(quantized) == expected)
    }

    @Test("rows can be converted apart")
    func rows() throws {
        let file = try GGUFFile(Goldens.url("formats/small.gguf"))
        let tensor = try #require(file["quantized"])
        let whole = try file.dequantize(tensor)
        var part = [Float](repeating: 0, count: 2 * 64)
        try part.withUnsafeMutableBufferPointer { try file.dequantize(tensor, rows: 1..<3, into: $0) }
        #expect(part == Array(whole[64..<192]))
        #expect(throws: FormatError.self) {
            try part.withUnsafeMutableBufferPointer { try file.dequantize(tensor, rows: 3..<5, into: $0) }
        }
    }

    @Test("a real model is read", .enabled(if: Goldens.smollm2 != nil, "run Scripts/setup to get SmolLM2"))
    func realModel() throws {
        let file = try GGUFFile(#require(Goldens.smollm2))
        #expect(try file.string("general.architecture") == "llama")
        #expect(try file.int("llama.block_count") == 30)
        #expect(try file.strings("tokenizer.ggml.tokens").count == 49152)
        #expect(
            file.tensors.map(\.value.type).reduce(into: [:]) { $0[$1, default: 0] += 1 } == [
                .q4_1: 210, .q8_0: 1, .f32: 61
            ])
        #expect(file.tensors.map { $0.value.rowCount * $0.value.rowLength }.reduce(0, +) == 134_515_008)
        let norm = try file.dequantize(#require(file["output_norm.weight"]))
        #expect(norm.count == 576 && norm.allSatisfy(\.isFinite))
    }
}
