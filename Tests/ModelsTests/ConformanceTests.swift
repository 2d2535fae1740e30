import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@Suite("A sample of the random variants of make conformance")
struct ConformanceTests {
    /// The golden's name, without its ending.
    static let names: [String] = {
        let ending = ".golden.safetensors"
        let files = (try? FileManager.default.contentsOfDirectory(atPath: Goldens.url("conformance").path)) ?? []
        return files.filter { $0.hasSuffix(ending) }.map { String($0.dropLast(ending.count)) }.sorted()
    }()

    /// The folder of a snapshot, or the last part of what is in a folder of GGUF files.
    private func model(_ name: String) throws -> URL {
        let folder = Goldens.url("conformance/\(name)")
        guard name.hasPrefix("gguf") else { return folder }
        let parts = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        return folder.appending(path: try #require(parts.last))
    }

    @Test("there are two variants of each family, and a GGUF file of each that has them")
    func count() { #expect(Self.names.count == 2 * 19 + 17) }

    @Test("logits are those of transformers", arguments: names)
    func logits(name: String) throws {
        let golden = Goldens.url("conformance/\(name).golden.safetensors")
        let parity = try Parity(LanguageModel.load(model(name)), golden: golden)
        let file = try SafetensorsFile(golden)
        let size = file.tensors.filter { $0.name.hasSuffix("logits") }.reduce(Float(1)) { size, tensor in
            file.bytes(of: tensor).withUnsafeBytes { bytes in
                bytes.bindMemory(to: Float.self).reduce(size) { max($0, $1.magnitude) }
            }
        }
        #expect(parity.largestDifference < 1e-4 * Double(size), "\(parity.largestDifference) of \(size)")
    }

    @Test("a text for which LongRoPE has other factors is refused by that")
    func longTexts() throws {
        for name in Self.names {
            let model = try LanguageModel.load(model(name))
            guard case .rotary(let rotary) = model.architecture.positions, let reach = rotary.reach else { continue }
            let error = #expect(throws: ModelError.self) {
                try model.run([Array(repeating: 1, count: reach + 1)], logits: .last)
            }
            #expect(error?.hint?.contains("other factors") == true)
            return
        }
        Issue.record("no such model")
    }

    @Test("token by token they are the same", arguments: names)
    func decoding(name: String) throws {
        let model = try LanguageModel.load(model(name))
        let file = try SafetensorsFile(Goldens.url("conformance/\(name).golden.safetensors"))
        let entry = try #require(file["a.ids"])
        let ids = file.bytes(of: entry).withUnsafeBytes { Array($0.bindMemory(to: Int.self)) }
        let all = try model.run([ids], logits: .all).logits.squeezed(0)
        let size = max(1, try all.abs().max().item())
        var session = try DecodingSession(model, prompt: Array(ids[..<5]))
        for position in 5..<ids.count {
            let far = try (session.logits - all.selected(0, position - 1)).abs().max().item()
            #expect(far < 1e-4 * size, "position \(position): \(far) of \(size)")
            try session.append(ids[position])
        }
    }
}
