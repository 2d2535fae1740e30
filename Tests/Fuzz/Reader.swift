import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureVision

/// What reads a file, by the name that the file has to have.
enum Reader: String, CaseIterable {
    case safetensors = "input.safetensors"
    case gguf = "input.gguf"
    case patch = "input.patch"
    case onnx = "input.onnx"
    case picture = "input.picture"
    case array = "input.npy"
    case digits = "plain/t10k-images-idx3-ubyte"
    case packedDigits = "packed/t10k-images-idx3-ubyte.gz"

    /// Whether the file begins with the length of a header in JSON.
    var hasHeader: Bool { self == .safetensors || self == .patch }

    /// Whether a file of the corpus with this name is one for it.
    func takes(_ name: String) -> Bool {
        switch self {
        case .safetensors, .patch: name.hasSuffix(".safetensors")
        case .gguf: name.hasSuffix(".gguf")
        case .onnx: name.hasSuffix(".onnx")
        case .picture: name.hasSuffix(".png") || name.hasSuffix(".jpg")
        case .array: name == "images.npy"
        case .digits, .packedDigits: rawValue.hasSuffix("/" + name)
        }
    }

    /// Reads the whole file; what is in it is looked at as far as it costs little.
    func read(_ url: URL) throws {
        switch self {
        case .safetensors:
            let file = try SafetensorsFile(url)
            for tensor in file.tensors.prefix(8) { _ = file.digest(of: tensor) }
        case .gguf:
            let file = try GGUFFile(url)
            for (_, tensor) in file.tensors.prefix(8) where tensor.rowCount < 1 << 16 && tensor.rowLength < 1 << 16 {
                _ = try file.dequantize(tensor)
            }
            _ = try Checkpoint(url).tensors.count
        case .patch:
            let patch = try Patch(contentsOf: url)
            for edit in patch.edits { _ = edit.summary }
        case .onnx: _ = try ImageClassifier.importing(onnx: url)
        case .picture: _ = try Picture(contentsOf: url)
        case .array: _ = try ImageSet(contentsOf: url, split: .test)
        case .digits, .packedDigits: _ = try ImageSet(contentsOf: url.deletingLastPathComponent(), split: .test)
        }
    }

    /// Makes places for two inputs in turn, each with the labels that belong to images.
    static func prepare(_ directory: URL, corpus: URL) throws {
        for turn in ["0", "1"] {
            for (folder, labels) in [
                ("", "labels.npy"), ("plain", "t10k-labels-idx1-ubyte"), ("packed", "t10k-labels-idx1-ubyte")
            ] {
                let place = directory.appending(path: "\(turn)/\(folder)")
                try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    at: corpus.appending(path: labels), to: place.appending(path: labels))
            }
        }
    }
}
