import SutureFormats

extension TensorBytes {
    /// Some elements as float32. The type must be patchable.
    func floats(_ range: Range<Int>, _ type: StorageType) throws -> [Float] {
        let (start, end) = (range.lowerBound * type.width, range.upperBound * type.width)
        guard type == .float32 else { return try bytes(start..<end).withUnsafeBytes { type.floats($0) } }
        return try [Float](unsafeUninitializedCapacity: range.count) { values, initialized in
            try read(
                at: start,
                into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(values)[..<(end - start)]))
            initialized = range.count
        }
    }
}

extension StorageType {
    /// Elements as float32. The type must be patchable.
    func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
        let count = bytes.count / width
        return [Float](unsafeUninitializedCapacity: count) { values, initialized in
            load(bytes, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
            initialized = count
        }
    }

    // One tight loop for each type, of which the compiler makes vectors: extracting, comparing and applying spend their
    // time here.

    /// Reads as many elements as `values` has room for. The type must be patchable.
    func load(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        guard let start = bytes.baseAddress else { return }
        switch self {
        case .float32: UnsafeMutableRawBufferPointer(values).copyMemory(from: bytes)
        case .bfloat16:
            for index in 0..<values.count {
                let bits = start.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self)
                values[index] = Float(bitPattern: UInt32(bits) << 16)
            }
        default:
            for index in 0..<values.count {
                values[index] = Float(float16: start.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self))
            }
        }
    }

    /// Writes all of `values`, rounded to nearest, ties to even. The type must be patchable.
    func store(_ values: UnsafeBufferPointer<Float>, in bytes: UnsafeMutableRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        switch self {
        case .float32: bytes.copyMemory(from: UnsafeRawBufferPointer(values))
        case .bfloat16:
            for index in 0..<values.count {
                start.storeBytes(of: values[index].bfloat16, toByteOffset: 2 &* index, as: UInt16.self)
            }
        default:
            for index in 0..<values.count {
                start.storeBytes(of: values[index].float16, toByteOffset: 2 &* index, as: UInt16.self)
            }
        }
    }
}
