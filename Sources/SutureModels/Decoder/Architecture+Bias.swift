import SutureFormats
import SutureTensor

extension Architecture {
    /// The bias of what the MLP of a layer writes, as a checkpoint names it, stored or not.
    ///
    /// A vector that is added to it is added to the residual stream that leaves the layer, at every position. Throws
    /// ``ModelError`` with code `outOfRange` for a layer that is not there, and `unsupported` where a norm or a factor lies
    /// between.
    public func outputBias(ofLayer layer: Int) throws -> String {
        guard (0..<layers).contains(layer) else {
            throw ModelError(
                .outOfRange, "there is no such layer", expected: "0...\(layers - 1)", found: "\(layer)")
        }
        try checkDirect()
        return tensors.name(tensors.down.tensor, layer: layer) + ".bias"
    }

    /// Whether the model has these biases itself.
    public var hasOutputBias: Bool { tensors.down.bias }

    /// The names of those biases where the model has none.
    var missingBiases: [String] {
        tensors.down.bias
            ? [] : (0..<layers).map { tensors.name(tensors.down.tensor, layer: $0) + ".bias" }
    }

    /// A bias that the model does not have, if `replacing` gives one in place of zeros; `[width]`, float32.
    func addedBias(
        _ name: String, _ replacing: (Checkpoint.Tensor, () throws -> TensorData) throws -> TensorData?
    ) throws -> SutureTensor.Tensor? {
        let tensor = Checkpoint.Tensor(name: name, type: .float32, shape: [width])
        let zeros = { TensorData(byteCount: 4 * width) { $0.initializeMemory(as: UInt8.self, repeating: 0) } }
        guard let data = try replacing(tensor, zeros) else { return nil }
        try checkDirect()
        return try SutureTensor.Tensor(data, of: tensor)
    }

    private func checkDirect() throws {
        guard writesDirectly else {
            throw ModelError(
                .unsupported, "a norm or a factor lies between the MLPs of this family and the residual stream",
                subject: family, hint: "suture generate --steer adds vectors to the stream itself")
        }
    }
}
