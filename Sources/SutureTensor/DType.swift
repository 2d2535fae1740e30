import CTorch

/// The type of a tensor's elements.
public enum DType: String, Sendable, CaseIterable {
    case float32, float64, float16, bfloat16, int64, int32, uint8, bool

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
