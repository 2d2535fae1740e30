import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

/// A tiny random model of `Tests/Goldens/models` and what transformers computed with it.
struct TinyModel {
    static let names = [
        "llama", "llama-tied", "llama-bias", "llama-bf16", "llama-sharded", "mistral", "qwen2", "gpt2", "gpt2-unusual",
        "gptj", "codegen", "gpt-neox", "gpt-neox-sequential", "qwen3", "starcoder2", "gpt-bigcode", "gpt-bigcode-heads",
        "phi",
        "phi3", "gemma"
    ]
    static let promptA = [5, 60, 23, 91, 7, 42, 42, 88, 14, 3, 71, 29]
    static let promptB = [81, 2, 33, 67, 19, 54, 11]

    let model: LanguageModel
    private let golden: SafetensorsFile

    init(_ name: String) throws {
        model = try LanguageModel.load(Goldens.url("models/\(name)"))
        golden = try SafetensorsFile(Goldens.url("models/\(name)/golden.safetensors"))
    }

    subscript(name: String) -> Tensor {
        get throws {
            let entry = try #require(golden[name], "no golden \(name)")
            return try golden.bytes(of: entry).withUnsafeBytes { bytes in
                switch entry.type {
                case .float32: try Tensor(Array(bytes.bindMemory(to: Float.self)), shape: entry.shape)
                default: try Tensor(Array(bytes.bindMemory(to: Int.self)), shape: entry.shape)
                }
            }
        }
    }

    func number(_ name: String) throws -> Int { try Int(self[name].item()) }
}

/// The largest difference between two tensors of one shape.
func distance(_ a: Tensor, _ b: Tensor) throws -> Double {
    try #require(a.shape == b.shape, "shapes differ: \(a.shape) and \(b.shape)")
    return a.count == 0 ? 0 : try (a - b).abs().max().item()
}
