import Foundation

extension JSON {
    /// What an encodable value is as JSON, with keys in snake case.
    ///
    /// Throws what encoding throws.
    public init(encoding value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        self = try JSON.parse([UInt8](encoder.encode(value)), source: "\(type(of: value))")
    }
}

/// So that a report may hold what a file says as it is.
extension JSON: Encodable {
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Writes the value in the encoder's own way; numbers that no machine number holds become strings.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(element) }
        case .object(let members):
            var container = encoder.container(keyedBy: Name.self)
            for (key, value) in members { try container.encode(value, forKey: Name(stringValue: key.string)) }
        default:
            var container = encoder.singleValueContainer()
            switch self {
            case .bool(let value): try container.encode(value)
            case .string(let text): try container.encode(text.string)
            case .number(let text):
                if let value = intValue {
                    try container.encode(value)
                } else if let value = doubleValue {
                    try container.encode(value)
                } else {
                    try container.encode(text.string)
                }
            default: try container.encodeNil()
            }
        }
    }
}
