import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers
import Testing

@testable import SutureModels

@Suite("Patterns of attention, texts that stop, activations on disk")
struct ReadingTests {
    @Test("each row sums to 1, and the values weighted so are what the heads read", arguments: TinyModel.names)
    func patterns(name: String) throws {
        let model = try TinyModel(name).model
        let architecture = model.architecture
        let layers = Array(0..<architecture.layers)
        let run = try model.run([TinyModel.promptA], capturing: layers.flatMap { [.values($0), .heads($0)] })
        let patterns = try model.attentionPatterns(TinyModel.promptA, layers: layers)
        for (layer, pattern) in zip(layers, patterns) {
            let count = TinyModel.promptA.count
            #expect(pattern.shape == [architecture.heads, count, count])
            #expect(try distance(pattern.sum([2]), Tensor.full([architecture.heads, count], 1)) < 1e-5)
            let values = try run[.values(layer)].reshaped([count, architecture.keyValueHeads, architecture.headWidth])
            for head in 0..<architecture.heads {
                let own = try values.selected(1, head / (architecture.heads / architecture.keyValueHeads))
                let width = architecture.headWidth
                let read = try run[.heads(layer)].squeezed(0).narrowed(1, head * width..<(head + 1) * width)
                #expect(try distance(pattern.selected(0, head).matmul(own), read) < 1e-5, "\(name), \(layer).\(head)")
            }
        }
    }

    @Test("a text ends before the first stop string, and nothing of one is shown")
    func stops() {
        func written(_ pieces: [String], _ stops: [String]) -> (shown: [String], all: String, isStopped: Bool) {
            var text = StoppedText(stops)
            let shown = pieces.map { text.append($0) } + [text.finish()]
            return (shown, text.shown, text.isStopped)
        }
        #expect(written(["ab", "cd"], []).shown == ["ab", "cd", ""])
        #expect(written(["ab", "cd", "ef"], ["bcd"]).shown == ["a", "", "", ""])
        #expect(written(["ab", "cx"], ["bcd"]).shown == ["a", "bcx", ""])
        #expect(written(["a\n", "\nb"], ["\n\n"]).all == "a")
        #expect(written(["a\n"], ["\n\n"]).shown == ["a", "\n"])
        #expect(written(["aab"], ["ab", "aa"]).all == "")
        #expect(written(["xyab"], ["ab", "yab"]).all == "x")
        #expect(written(["é", "ö"], ["ö"]).all == "é")
        #expect(!written(["é"], ["ö"]).isStopped)
    }

    @Test("what is recorded is what a run captures", arguments: ["llama", "gpt2"])
    func recording(name: String) throws {
        let model = try TinyModel(name).model
        let folder = FileManager.default.temporaryDirectory.appending(path: "recording-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let texts = [TinyModel.promptA, TinyModel.promptB, [3], TinyModel.promptA.reversed()]
        let sites: [Site] = [.residual(1), .mlpHidden(0), .head(layer: 1, index: 1), .logits]
        func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
            stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
        }
        for tokens in LanguageModel.RecordedTokens.allCases {
            let url = folder.appending(path: "\(tokens).safetensors")
            try model.record(texts, at: sites, tokens: tokens, to: url)
            let file = try SafetensorsFile(url)
            for site in sites {
                let expected = try texts.flatMap { text in
                    let values = try model.run([text], capturing: [site], logits: .all)[site].squeezed(0)
                    return try tokens == .all ? values.floats() : values.selected(0, text.count - 1).floats()
                }
                let entry = try #require(file[site.description])
                let rows = tokens == .all ? texts.reduce(0) { $0 + $1.count } : texts.count
                #expect(entry.shape == [rows, site.width(in: model.architecture)])
                let found = file.bytes(of: entry).withUnsafeBytes(floats)
                #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-4 } && found.count == expected.count)
            }
            #expect((file["lengths"] != nil) == (tokens == .all))
        }
        let array = folder.appending(path: "x.npy")
        try model.record(texts, at: [.residual(1)], to: array)
        let bytes = try [UInt8](Data(contentsOf: array))
        let header = String(decoding: bytes[10..<128], as: UTF8.self)
        #expect(header.contains("'descr': '<f4'") && header.contains("(4, \(model.architecture.width))"))
        #expect(bytes.count == 128 + 4 * 4 * model.architecture.width)
        #expect(throws: ModelError.self) { try model.record(texts, at: sites, to: array, overwriting: true) }
        #expect(throws: FormatError.self) { try model.record(texts, at: [.logits], to: array) }
        #expect(throws: ModelError.self) {
            try model.record(texts, at: [.residual(77)], to: folder.appending(path: "y.npy"))
        }
    }
}
