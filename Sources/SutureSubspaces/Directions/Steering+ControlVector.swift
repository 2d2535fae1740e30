import Foundation
import SutureFormats
import SutureModels

// Control vectors of llama.cpp: a GGUF file whose architecture is `controlvector`, with a float32 tensor `direction.K`
// `[width]` for each layer K, counted from 0, behind which it is added (llama.cpp: `common_control_vector_load_one` in
// common/common.cpp, `llama_adapter_cvec` in src/llama-adapter.cpp; repeng: `ControlVector.export_gguf`). Layer 0 cannot be
// steered there.
extension Steering {
    private static let architectureName = "controlvector"
    private static let prefix = "direction."

    /// Whether a file begins as a GGUF file does, so that it may be a control vector.
    public static func isControlVector(_ url: URL) -> Bool {
        // What cannot be read is refused by whoever reads it next.
        guard let file = try? MappedFile(url) else { return false }
        return withExtendedLifetime(file) { file.bytes.starts(with: Array("GGUF".utf8)) }
    }

    /// Writes the vectors as a control vector for llama.cpp.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - base: the model, whose family is named in the file.
    ///   - overwriting: whether what is there already is replaced.
    /// - Throws: ``SubspaceError`` for a vector behind the first layer, which llama.cpp does not add; `FormatError` if there
    ///   is something already or it cannot be written.
    public func writeControlVector(to url: URL, base: Checkpoint, overwriting: Bool = false) throws {
        guard vectors.allSatisfy({ $0.layer > 0 }) else {
            throw SubspaceError(
                .badRequest, "llama.cpp adds no vector behind the first layer", subject: url.relativePath,
                found: "layer 0", hint: "suture steer --layers takes others")
        }
        let bias = try Architecture(base).outputBias(ofLayer: vectors[0].layer)
        let family = try base.ggufPlace(of: bias.dropLast("bias".count) + "weight").family
        try GGUFWriter.write(
            [
                ("general.architecture", .string(Self.architectureName)),
                ("\(Self.architectureName).model_hint", .string(family)),
                ("\(Self.architectureName).layer_count", .uint32(UInt32(vectors.count)))
            ],
            vectors.map { GGUFWriter.Matrix("\(Self.prefix)\($0.layer)", [$0.values.count], $0.values) }, to: url,
            overwriting: overwriting)
    }

    /// Reads a control vector of llama.cpp or repeng for a model.
    ///
    /// Throws `FormatError` for a file that is no GGUF file, ``SubspaceError`` for one that is no control vector, or whose
    /// directions are not float32 vectors as wide as the model, finite, one for a layer; `ModelError` for a layer that the
    /// model does not have.
    public init(controlVector url: URL, for architecture: Architecture) throws {
        let file = try GGUFFile(url)
        let name = url.relativePath
        let kind = file.metadata["general.architecture"]?.stringValue
        guard kind == Self.architectureName else {
            throw SubspaceError(
                .badFile, "this GGUF file is no control vector", subject: name,
                expected: "general.architecture \(Self.architectureName)", found: kind ?? "none")
        }
        let vectors = try file.tensors.map { key, tensor in
            let subject = "\(name): \(key)"
            let digits = key.string.hasPrefix(Self.prefix) ? key.string.dropFirst(Self.prefix.count) : ""
            guard let layer = Int(digits), layer > 0, String(layer) == digits else {
                throw SubspaceError(
                    .badFile, "this tensor is no direction of a layer", subject: subject,
                    expected: "\(Self.prefix)1 ... \(Self.prefix)\(architecture.layers - 1)")
            }
            guard tensor.type == .f32, tensor.shape.count == 1 else {
                throw SubspaceError(
                    .badFile, "a direction is a float32 vector", subject: subject, expected: "F32 [width]",
                    found: "\(tensor.type.name) \(tensor.shape)")
            }
            return Vector(layer: layer, values: try file.dequantize(tensor))
        }
        try self.init(vectors, for: architecture, source: name)
    }
}
