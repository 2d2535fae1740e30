import SutureFormats

/// What is added to every element, as float32 or in the tensor's own type.
struct DenseDelta: Delta {
    let values: PayloadTensor

    var kind: Edit.Kind { .dense }
    var summary: String { "all elements as \(values.type.rawValue)" }
    var payload: [(key: ByteString, tensor: PayloadTensor)] { [("delta", values)] }

    func check(against base: BaseTensor, subject: String) throws {
        try checkPayload(values, shape: base.shape, subject: subject)
    }

    var isNonzero: Bool { values.hasNonzero }

    func add(_ scale: Double, of range: Range<Int>, shape: [Int], to sums: UnsafeMutableBufferPointer<Double>) throws {
        let values = try values.floats(range)
        values.withUnsafeBufferPointer { values in
            for index in 0..<values.count { sums[index] += scale * Double(values[index]) }
        }
    }
}
