import Foundation
import SutureFormats
import SutureTensor
import SutureTokenizers

extension LanguageModel {
    /// Loads a model from a snapshot directory or a GGUF file.
    ///
    /// Weights stay mapped as they are stored, and are widened to float32 where they are used: once, as long as they fit
    /// `memory` (nil for a bound by what is free), or each time. Throws a `FormatError` for bad files and a ``ModelError``
    /// for a family, a feature or a tensor that does not fit.
    public static func load(_ url: URL, device: Device = .cpu, memory: Int? = nil) throws -> LanguageModel {
        try load(Checkpoint(url), device: device, memory: memory)
    }

    /// Loads a model from a checkpoint that was opened.
    ///
    /// `replacing` may give another tensor in place of a stored one, which it can read: this is how a patch is applied on
    /// load. It is also asked for the bias of each MLP's output projection where the model has none: zeros.
    ///
    /// With a `ring` only the layers that this process holds are loaded.
    public static func load(
        _ checkpoint: Checkpoint, device: Device = .cpu, memory: Int? = nil, ring: LayerRing? = nil,
        replacing: (Checkpoint.Tensor, () throws -> TensorData) throws -> TensorData? = { _, _ in nil }
    ) throws -> LanguageModel {
        var architecture = try Architecture(config: checkpoint.config.value, source: checkpoint.config.path)
        try checkpoint.checkDevice(device)
        architecture = try architecture.fitted(to: checkpoint)
        let others = ring?.othersTensors(architecture) ?? []
        let memory = try WeightMemory(for: checkpoint, architecture, device, without: others, bound: memory)
        var tensors = try checkpoint.storedWeights(in: memory, on: device, without: others, replacing: replacing)
        for name in architecture.missingBiases where !others.contains(name) {
            // One that is stored though the configuration asks for none is not read, as transformers does not.
            tensors[name] =
                try checkpoint[name] == nil
                ? architecture.addedBias(name, replacing).map { StoredTensor(try $0.to(device)) } : nil
        }
        return try LanguageModel(
            architecture, tensors: tensors, device: device, memory: memory, storage: checkpoint,
            ring: ring)
    }

    /// The same model with some of its checkpoint's tensors changed as on loading; it shares all others.
    ///
    /// Throws what `replacing` throws, and ``ModelError`` for a tensor that does not fit.
    public func replacing(
        _ names: Set<String>, of checkpoint: Checkpoint,
        by replacing: (Checkpoint.Tensor, TensorData) throws -> TensorData?
    ) throws -> LanguageModel {
        var changed: [String: SutureTensor.Tensor] = [:]
        for tensor in checkpoint.tensors where names.contains(tensor.name) && tensor.type.isWeight {
            let data = try checkpoint.data(of: tensor)
            changed[tensor.name] = try SutureTensor.Tensor(replacing(tensor, data) ?? data, of: tensor)
        }
        for name in architecture.missingBiases where names.contains(name) && checkpoint[name] == nil {
            changed[name] = try architecture.addedBias(name) { try replacing($0, $1()) }
        }
        return try changed.isEmpty ? self : self.replacing(changed)
    }
}
