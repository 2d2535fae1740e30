import Foundation
import SutureFormats
import SutureTensor

extension Checkpoint {
    /// All tensors of floating-point numbers, each as it is stored: mapped, not copied.
    ///
    /// `replacing` may give another tensor in place of a stored one.
    func weights(
        replacing: (Checkpoint.Tensor, TensorData) throws -> TensorData?
    ) throws -> [String: SutureTensor.Tensor] {
        let wanted = tensors.filter { $0.type.isWeight }
        let stored = try Parallel.map(wanted) { try data(of: $0) }
        var weights: [String: SutureTensor.Tensor] = [:]
        for (tensor, data) in zip(wanted, stored) {
            let data = try replacing(tensor, data) ?? data
            weights[tensor.name] = try SutureTensor.Tensor(data, of: tensor)
        }
        return weights
    }

    /// The tensors of floating-point numbers, `without` some, as a decoder holds them: matrices of few bits as they are stored, all else as
    /// float32 on the device.
    ///
    /// `replacing` may give another tensor in place of a stored one, which it can read.
    func storedWeights(
        in memory: WeightMemory, on device: Device, without others: Set<String> = [],
        replacing: (Checkpoint.Tensor, () throws -> TensorData) throws -> TensorData?
    ) throws -> [String: StoredTensor] {
        try tensors.filter { $0.type.isWeight && !others.contains($0.name) }.reduce(into: [:]) { weights, tensor in
            if let data = try replacing(tensor, { try data(of: tensor) }) {
                weights[tensor.name] = try StoredTensor(.init(data, of: tensor), on: device, memory)
            } else if let converted = try converted(tensor), StoredTensor.staysStored(converted.shape, on: device) {
                weights[tensor.name] = StoredTensor(converted, memory)
            } else {
                weights[tensor.name] = try StoredTensor(.init(data(of: tensor), of: tensor), on: device, memory)
            }
        }
    }

    /// Throws ``ModelError`` for a device that is not there.
    func checkDevice(_ device: Device) throws {
        guard device.isAvailable else {
            throw ModelError(
                .noDevice, "this device is not available", subject: "\(device)",
                hint: "for CUDA, build with TORCH_HOME set to a CUDA build of libtorch")
        }
    }

    /// Throws ``ModelError`` for a device that is not there, and for a model that as float32 does not fit into memory.
    func checkRoom(on device: Device) throws {
        try checkDevice(device)
        let needed = tensors.reduce(0.0) { sum, tensor in
            tensor.type.isWeight ? sum + 4 * tensor.shape.reduce(1.0) { $0 * Double($1) } : sum
        }
        let present = Double(MachineMemory.available)
        guard needed < present else {
            throw ModelError(
                .tooLarge, "the model does not fit into memory", subject: url.relativePath,
                expected: "\(needed.gigabytes) for its weights as float32", found: present.gigabytes)
        }
    }
}

extension SutureTensor.Tensor {
    /// A checkpoint's tensor without a copy, unless its bytes are not aligned to its elements.
    convenience init(_ data: TensorData, of tensor: Checkpoint.Tensor) throws {
        let dtype: DType =
            switch tensor.type {
            case .float64: .float64
            case .float16: .float16
            case .bfloat16: .bfloat16
            default: .float32
            }
        let isAligned = Int(bitPattern: data.bytes.baseAddress) % dtype.byteWidth == 0
        if isAligned || data.bytes.isEmpty {
            try self.init(borrowing: data.bytes, shape: tensor.shape, dtype: dtype, owner: data)
        } else {
            let copy = TensorData(copying: data.bytes)
            try self.init(borrowing: copy.bytes, shape: tensor.shape, dtype: dtype, owner: copy)
        }
    }
}
