import Foundation
import SutureFormats
import SutureTensor

extension ImageClassifier {
    /// Loads a classifier from a snapshot directory.
    ///
    /// Throws a `FormatError` for bad files and a ``ModelError`` for a family, a number or a tensor that does not fit.
    public static func load(_ url: URL, device: Device = .cpu) throws -> ImageClassifier {
        try load(Checkpoint(url), device: device)
    }

    /// Loads a classifier from a checkpoint that was opened.
    ///
    /// `replacing` may give another tensor in place of a stored one: this is how a patch is applied on load.
    public static func load(
        _ checkpoint: Checkpoint, device: Device = .cpu,
        replacing: (Checkpoint.Tensor, TensorData) throws -> TensorData? = { _, _ in nil }
    ) throws -> ImageClassifier {
        let architecture = try ClassifierArchitecture(config: checkpoint.config.value, source: checkpoint.config.path)
        try checkpoint.checkRoom(on: device)
        let tensors = try checkpoint.weights(replacing: replacing)
        return try ImageClassifier(architecture, tensors: tensors, device: device)
    }

    /// Writes this classifier as a snapshot directory: `config.json` and `model.safetensors`, whole or not at all.
    ///
    /// - Parameters:
    ///   - url: the place of the directory.
    ///   - overwriting: whether a directory there is replaced that holds a model and nothing else.
    ///   - finish: is given the directory before it gets its name, and may add files.
    /// - Throws: `FormatError` if there is something already, or if the files cannot be written.
    public func write(to url: URL, overwriting: Bool = false, finish: (URL) throws -> Void = { _ in }) throws {
        try SnapshotDirectory.create(at: url, overwriting: overwriting) { directory in
            try AtomicFile.write(
                architecture.config.serialized(pretty: true), to: directory.appending(path: "config.json"))
            let sources = try architecture.tensors.map { role -> SafetensorsSource in
                guard let tensor = tensors[role.name] else {
                    throw ModelError(.badWeights, "the tensor is missing", subject: role.name)
                }
                return SafetensorsSource(role.name, tensor)
            }
            try SafetensorsWriter.write(sources, to: directory.appending(path: "model.safetensors"))
            try finish(directory)
        }
    }
}

extension SafetensorsSource {
    /// A tensor of the engine, as float32 in row-major order.
    public init(_ name: String, _ tensor: SutureTensor.Tensor) {
        self.init(name, .float32, tensor.shape) { append in
            try tensor.elements(as: Float.self).withUnsafeBytes(append)
        }
    }
}
