import Foundation

/// The members of a JSON object, in their order.
public typealias JSONObject = OrderedTable<JSON>

/// A JSON value that keeps what it was read from: the bytes of strings, the text of numbers, the order of keys.
///
/// ```swift
/// let config = try JSON.parse(text)
/// let width = try config.require("hidden_size").int
/// ```
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number as it is written, `-1.50e3`; see ``intValue`` and ``doubleValue``.
    case number(ByteString)
    case string(ByteString)
    case array([JSON])
    case object(JSONObject)

    /// What to do with an object that has a key twice.
    public enum DuplicateKeys: Sendable {
        /// An error.
        case reject
        /// Both stay in the object; a lookup finds the first.
        case keep
    }

    /// How many arrays and objects may lie within each other.
    public static let maximumDepth = 128

    /// Reads the one value that `bytes` hold, as RFC 8259 has it and nothing beyond.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8.
    ///   - source: where the bytes are from, for the messages of errors.
    ///   - duplicateKeys: what becomes of a key that an object has twice.
    /// - Throws: ``FormatError`` that names the byte offset.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, source: String = "JSON", duplicateKeys: DuplicateKeys = .reject
    ) throws -> JSON {
        var parser = JSONParser(bytes, source: source, duplicateKeys: duplicateKeys)
        return try parser.parse()
    }

    /// Reads the one value that `bytes` hold.
    public static func parse(
        _ bytes: [UInt8], source: String = "JSON", duplicateKeys: DuplicateKeys = .reject
    ) throws -> JSON {
        try bytes.withUnsafeBytes { try parse($0, source: source, duplicateKeys: duplicateKeys) }
    }

    /// Reads the one value that `text` holds.
    public static func parse(
        _ text: String, source: String = "JSON", duplicateKeys: DuplicateKeys = .reject
    ) throws -> JSON {
        try parse(Array(text.utf8), source: source, duplicateKeys: duplicateKeys)
    }

    /// Reads the one value that a file holds, of at most 256 MiB.
    public static func parse(contentsOf url: URL, duplicateKeys: DuplicateKeys = .reject) throws -> JSON {
        let file = try MappedFile(url)
        let limit = 256 << 20
        guard file.bytes.count <= limit else {
            throw FormatError(
                .tooLarge, "too large for a JSON file", subject: file.name, expected: "at most \(limit) bytes",
                found: "\(file.bytes.count)")
        }
        return try withExtendedLifetime(file) {
            try parse(file.bytes, source: file.name, duplicateKeys: duplicateKeys)
        }
    }
}

// MARK: Looking at values

extension JSON {
    /// The value under `key`; `nil` if there is none or this is not an object.
    public subscript(key: ByteString) -> JSON? { objectValue?[key] }

    /// The number, if it is written as an integer and fits.
    public var intValue: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text.string)
    }

    /// The number nearest to what is written, if it is finite.
    public var doubleValue: Double? {
        guard case .number(let text) = self, let value = Double(text.string), value.isFinite else { return nil }
        return value
    }

    public var stringValue: String? { bytesValue?.string }

    /// The string as bytes.
    public var bytesValue: ByteString? {
        guard case .string(let bytes) = self else { return nil }
        return bytes
    }

    public var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    public var arrayValue: [JSON]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    public var objectValue: JSONObject? {
        guard case .object(let object) = self else { return nil }
        return object
    }

    public var isNull: Bool { self == .null }

    /// What kind of value this is, in words.
    var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

// MARK: Making values

extension JSON {
    /// A whole number.
    public init(_ value: Int) { self = .number(ByteString(String(value))) }

    /// A number that reads back as the same `Double`, or `null` for what JSON cannot say: infinities and NaN.
    public init(_ value: Double) { self = value.isFinite ? .number(ByteString(value.description)) : .null }

    /// `true` or `false`.
    public init(_ value: Bool) { self = .bool(value) }

    /// A text.
    public init(_ text: String) { self = .string(ByteString(text)) }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// `null`.
    public init(nilLiteral: ()) { self = .null }
    /// `true` or `false`.
    public init(booleanLiteral value: Bool) { self.init(value) }
    /// A whole number.
    public init(integerLiteral value: Int) { self.init(value) }
    /// A number.
    public init(floatLiteral value: Double) { self.init(value) }
    /// A text.
    public init(stringLiteral text: String) { self.init(text) }
    /// A list.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }

    /// An object; of a key that is there twice the last value counts.
    public init(dictionaryLiteral members: (ByteString, JSON)...) {
        var object = JSONObject()
        for (key, value) in members { object[key] = value }
        self = .object(object)
    }
}
