import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import SutureVariants
import Testing

@Suite("Products with blocks as they are stored")
struct BlockProductTests {
    private static let types: [GGUFType] = [.f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q4_K, .q5_K, .q6_K]

    @Test("they are those with the same numbers as float32, up to rounding", arguments: types)
    func product(type: GGUFType) throws {
        let length = type.blockLength == 256 ? 256 : 32
        let width = length / type.blockLength * type.blockWidth
        #expect(Tensor.multiplies(blocksOf: type.rawValue, columns: 3 * length))
        #expect(!Tensor.multiplies(blocksOf: type.rawValue, columns: length - 16))
        var random = SplitMix64(state: 8)
        let golden = [UInt8](try Data(contentsOf: Goldens.url("formats/\(type.name).blocks")))
        let usable =
            type.blockLength == 1
            ? (0..<9).map { _ in
                (0..<length).flatMap { _ -> [UInt8] in
                    let value = Float.random(in: -1...1, using: &random)
                    return GGUFDraft.bytes(type == .f16 ? value.float16 : value.bfloat16)
                }
            } : stride(from: 0, through: golden.count - width, by: width).map { Array(golden[$0..<$0 + width]) }
        let rows = 37
        let bytes = (0..<rows * 3).flatMap { _ in usable.randomElement(using: &random) ?? [] }
        let weight = try Tensor(values(type, bytes), shape: [rows, 3 * length])
        let order = (0..<rows).map { Int64(rows - 1 - $0) }
        let reversed = try weight.indexSelected(0, at: order.map(Int.init))
        for count in [1, 2, 3, 9] {
            let input = try Tensor(
                (0..<count * 3 * length).map { _ in Float.random(in: -1...1, using: &random) },
                shape: [count, 1, 3 * length])
            let size = try input.abs().linear(weight.abs())
            for (order, weight, size) in [
                (nil, weight, size), (order, reversed, try input.abs().linear(reversed.abs()))
            ] {
                let found = try bytes.withUnsafeBytes {
                    try input.linear(blocks: $0, type: type.rawValue, order: order, rows: rows)
                }
                #expect(found.shape == [count, 1, rows])
                // Relative to the sum of magnitudes, as rounding is.
                let error = try ((found - input.linear(weight)).abs() / (size + 1e-20)).max().item()
                #expect(error < 2e-6, "\(type.name): \(error)")
            }
        }
    }

    private func values(_ type: GGUFType, _ blocks: [UInt8]) -> [Float] {
        var values = [Float](repeating: .nan, count: blocks.count / type.blockWidth * type.blockLength)
        try? values.withUnsafeMutableBufferPointer { values in
            try blocks.withUnsafeBytes { try type.dequantize($0, into: values) }
        }
        return values
    }

    @Test("a text that is written token by token is the one of whole runs", arguments: GGUFDraft.names)
    func decoding(name: String) throws {
        try GGUFDraft.seed(name, hasTokenizer: false).withFile { url in
            let model = try LanguageModel.load(Checkpoint(url))
            var session = try DecodingSession(model, prompt: [3, 90, 7])
            var tokens = [3, 90, 7]
            for token in [41, 5, 66, 2] {
                try session.append(token)
                tokens.append(token)
                let whole = try model.run([tokens], logits: .last).logits.squeezed(0)
                #expect(try (session.logits - whole).abs().max().item() < 1e-4)
            }
            var sessions = try [[3, 90, 7], [1, 2]].map { try DecodingSession(model, prompt: $0) }
            try DecodingSession.append([41, 9], to: &sessions)
            let whole = try model.run([[3, 90, 7, 41], [1, 2, 9]], logits: .last).logits
            for row in 0..<2 {
                #expect(try (sessions[row].logits - whole.selected(0, row)).abs().max().item() < 1e-4)
            }
        }
    }
}
