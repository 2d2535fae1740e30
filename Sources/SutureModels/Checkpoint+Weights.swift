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

    /// Throws ``ModelError`` for a device that is not there, and for a model that as float32 does not fit into memory.
    func checkRoom(on device: Device) throws {
        guard device.isAvailable else {
            throw ModelError(
                .noDevice, "this device is not available", subject: "\(device)",
                hint: "for CUDA, build with TORCH_HOME set to a CUDA build of libtorch")
        }
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
