/// A value in a JSON document with the way to it, so that an error says where.
public struct JSONField: Sendable {
    public let value: JSON
    /// Where the value is, `config.json: rope_scaling.factor`.
    public let path: String

    /// The root of a document, which `source` names in errors.
    public init(_ value: JSON, source: String) {
        self.init(value, path: source, isRoot: true)
    }

    private let isRoot: Bool

    private init(_ value: JSON, path: String, isRoot: Bool = false) {
        self.value = value
        self.path = path
        self.isRoot = isRoot
    }

    /// The value under `key`.
    ///
    /// - Throws: ``FormatError`` if this is not an object or has no such key.
    public func require(_ key: ByteString) throws -> JSONField {
        guard let found = try object[key] else {
            throw FormatError(.missingKey, "key \"\(key)\" is missing", subject: path)
        }
        return child(key, found)
    }

    /// The value under `key`, or `nil` if the key is absent or its value `null`.
    ///
    /// - Throws: ``FormatError`` if this is not an object.
    public func optional(_ key: ByteString) throws -> JSONField? {
        guard let found = try object[key], !found.isNull else { return nil }
        return child(key, found)
    }

    public var int: Int {
        get throws { try value.intValue ?? mismatch("an integer") }
    }

    public var double: Double {
        get throws { try value.doubleValue ?? mismatch("a finite number") }
    }

    public var bool: Bool {
        get throws { try value.boolValue ?? mismatch("a boolean") }
    }

    public var string: String {
        get throws { try value.stringValue ?? mismatch("a string") }
    }

    public var bytes: ByteString {
        get throws { try value.bytesValue ?? mismatch("a string") }
    }

    public var object: JSONObject {
        get throws { try value.objectValue ?? mismatch("an object") }
    }

    public var array: [JSONField] {
        get throws {
            guard let elements = value.arrayValue else { return try mismatch("an array") }
            return elements.enumerated().map { JSONField($1, path: "\(path)[\($0)]") }
        }
    }

    /// A member of this object, already looked up.
    func child(_ key: ByteString, _ value: JSON) -> JSONField {
        JSONField(value, path: "\(path)\(isRoot ? ": " : ".")\(key)")
    }

    private func mismatch<Value>(_ expected: String) throws -> Value {
        var found = value.kindName
        if case .number(let text) = value { found = String(text.string.prefix(40)) }
        throw FormatError(.wrongJSONType, "wrong kind of value", subject: path, expected: expected, found: found)
    }
}

extension JSON {
    /// The value under `key`, with a path for the errors of what is read from it.
    ///
    /// - Throws: ``FormatError`` if this is not an object or has no such key.
    public func require(_ key: ByteString) throws -> JSONField {
        try JSONField(self, source: "JSON").require(key)
    }
}
