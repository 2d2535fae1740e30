/// A value in the metadata of a GGUF file.
public enum GGUFValue: Sendable, Equatable {
    case unsigned(UInt64)
    case signed(Int64)
    /// A 32-bit or 64-bit float.
    case float(Double)
    case bool(Bool)
    /// Text as stored; unlike names it is not checked to be UTF-8, for vocabularies may hold any bytes.
    case string(ByteString)
    case array([GGUFValue])

    /// The number, if it is stored as an integer and fits.
    public var intValue: Int? {
        switch self {
        case .unsigned(let value): Int(exactly: value)
        case .signed(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The number, if it is stored as a float or an integer.
    public var doubleValue: Double? {
        switch self {
        case .float(let value): value
        case .unsigned(let value): Double(value)
        case .signed(let value): Double(value)
        default: nil
        }
    }

    public var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    public var bytesValue: ByteString? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    public var stringValue: String? { bytesValue?.string }

    public var arrayValue: [GGUFValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The value itself, for messages; of an array how long it is.
    var text: String {
        switch self {
        case .unsigned(let value): "\(value)"
        case .signed(let value): "\(value)"
        case .float(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        case .array(let elements): "an array of \(elements.count)"
        }
    }
}
