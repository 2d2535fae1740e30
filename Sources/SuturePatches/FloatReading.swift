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
    ///
    /// One tight loop for each type: this is where extracting, comparing and adding dense changes spend their time.
    func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
        let count = bytes.count / width
        return [Float](unsafeUninitializedCapacity: count) { values, initialized in
            switch self {
            case .float32: UnsafeMutableRawBufferPointer(values).copyMemory(from: bytes)
            case .bfloat16:
                for index in 0..<count {
                    let bits = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                    values[index] = Float(bitPattern: UInt32(bits) << 16)
                }
            default: for index in 0..<count { values[index] = StorageType.float16.load(bytes, at: index) }
            }
            initialized = count
        }
    }
}
