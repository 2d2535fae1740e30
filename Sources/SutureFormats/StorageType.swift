/// The type of the elements of a tensor in a safetensors file; the raw value is its name there.
public enum StorageType: String, Sendable, CaseIterable {
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case float8E4M3 = "F8_E4M3"
    case float8E5M2 = "F8_E5M2"
    case float8E4M3FNUZ = "F8_E4M3FNUZ"
    case float8E5M2FNUZ = "F8_E5M2FNUZ"
    case float8E8M0 = "F8_E8M0"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint64 = "U64"
    case uint32 = "U32"
    case uint16 = "U16"
    case uint8 = "U8"
    case bool = "BOOL"

    /// The width of an element in bytes.
    public var width: Int {
        switch self {
        case .float64, .int64, .uint64: 8
        case .float32, .int32, .uint32: 4
        case .float16, .bfloat16, .int16, .uint16: 2
        case .float8E4M3, .float8E5M2, .float8E4M3FNUZ, .float8E5M2FNUZ, .float8E8M0, .int8, .uint8, .bool: 1
        }
    }

    /// The bytes that a tensor of this shape takes, or `nil` if a size is negative or the product overflows.
    public func byteCount(shape: [Int]) -> Int? {
        elementCount(shape).flatMap { count in
            let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
            return overflow ? nil : bytes
        }
    }
}

/// The product of the sizes, 1 for a scalar, or `nil` if a size is negative or a product of some of them overflows.
///
/// So whoever multiplies sizes of a tensor that was read need not check again, not of an empty one either.
func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    for size in shape where size != 0 {
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        if overflow || size < 0 { return nil }
        count = product
    }
    return shape.contains(0) ? 0 : count
}
