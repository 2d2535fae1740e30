import CTorch

/// The type of a tensor's elements.
public enum DType: String, Sendable, CaseIterable {
    /// IEEE 754 in 32 bits: what computation runs in unless told otherwise.
    case float32
    /// IEEE 754 in 64 bits.
    case float64
    /// IEEE 754 in 16 bits: 11 bits of precision, at most 65504.
    case float16
    /// The upper half of a float32: 8 bits of precision, the same range.
    case bfloat16
    /// Whole numbers; indices are of this type.
    case int64
    /// Whole numbers in 32 bits.
    case int32
    /// Bytes.
    case uint8
    /// Truth values, as comparisons give them.
    case bool

    /// The number of bytes of one element.
    public var byteWidth: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .uint8, .bool: 1
        }
    }

    var code: Int32 {
        switch self {
        case .float32: Int32(CT_FLOAT32)
        case .float64: Int32(CT_FLOAT64)
        case .float16: Int32(CT_FLOAT16)
        case .bfloat16: Int32(CT_BFLOAT16)
        case .int64: Int32(CT_INT64)
        case .int32: Int32(CT_INT32)
        case .uint8: Int32(CT_UINT8)
        case .bool: Int32(CT_BOOL)
        }
    }

    init?(code: Int32) {
        guard let match = DType.allCases.first(where: { $0.code == code }) else { return nil }
        self = match
    }
}
