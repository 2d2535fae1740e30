/// Reads the little-endian primitives of a GGUF file; nothing past the end, nothing larger than the file can hold.
struct GGUFReader {
    let bytes: UnsafeRawBufferPointer
    let source: String
    private(set) var position = 0
    /// How many array elements may still be read: they take more memory than their bytes in the file.
    private var elementBudget = 1 << 24

    /// How many arrays may lie within each other.
    static let maximumDepth = 4

    init(_ bytes: UnsafeRawBufferPointer, source: String) {
        self.bytes = bytes
        self.source = source
    }

    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type = Value.self) throws -> Value {
        let width = MemoryLayout<Value>.size
        try require(width)
        defer { position += width }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Value.self))
    }

    /// A count of things that take at least `width` bytes each.
    mutating func count(of things: String, width: Int) throws -> Int {
        let start = position
        let count = try integer(UInt64.self)
        guard count <= UInt64((bytes.count - position) / width) else {
            throw error(
                .truncated, "more \(things) than the file can hold", at: start,
                expected: "at most \((bytes.count - position) / width)", found: "\(count)")
        }
        return Int(count)
    }

    mutating func string() throws -> ByteString {
        let count = try count(of: "bytes in a string", width: 1)
        defer { position += count }
        return ByteString(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)]))
    }

    /// A string that must be UTF-8.
    mutating func name() throws -> ByteString {
        let start = position
        let name = try string()
        guard name.bytes.withUnsafeBytes(isUTF8) else { throw error(.invalidUTF8, "a name is not UTF-8", at: start) }
        return name
    }

    /// A value of the metadata: its type, then what is stored.
    mutating func value() throws -> GGUFValue { try value(of: try integer(), depth: 0) }

    private mutating func value(of type: UInt32, depth: Int) throws -> GGUFValue {
        switch type {
        case 0: .unsigned(UInt64(try integer(UInt8.self)))
        case 1: .signed(Int64(try integer(Int8.self)))
        case 2: .unsigned(UInt64(try integer(UInt16.self)))
        case 3: .signed(Int64(try integer(Int16.self)))
        case 4: .unsigned(UInt64(try integer(UInt32.self)))
        case 5: .signed(Int64(try integer(Int32.self)))
        case 6: .float(Double(Float(bitPattern: try integer())))
        case 7: .bool(try bool())
        case 8: .string(try string())
        case 9: .array(try array(depth: depth + 1))
        case 10: .unsigned(try integer())
        case 11: .signed(try integer())
        case 12: .float(Double(bitPattern: try integer()))
        default: throw error(.malformedMetadata, "unknown type of a value", at: position - 4, found: "\(type)")
        }
    }

    private mutating func bool() throws -> Bool {
        let byte = try integer(UInt8.self)
        guard byte <= 1 else {
            throw error(.malformedMetadata, "not a boolean", at: position - 1, expected: "0 or 1", found: "\(byte)")
        }
        return byte == 1
    }

    private mutating func array(depth: Int) throws -> [GGUFValue] {
        let start = position
        guard depth <= Self.maximumDepth else {
            throw error(.tooDeep, "arrays nest deeper than \(Self.maximumDepth) levels", at: start)
        }
        let type = try integer(UInt32.self)
        let widths = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8]
        guard type < widths.count else {
            throw error(.malformedMetadata, "unknown type of a value", at: start, found: "\(type)")
        }
        let count = try count(of: "array elements", width: widths[Int(type)])
        elementBudget -= count
        guard elementBudget >= 0 else {
            throw error(.tooLarge, "the metadata holds too many array elements", at: start, found: "\(count)")
        }
        var elements: [GGUFValue] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try value(of: type, depth: depth)) }
        return elements
    }

    private func require(_ count: Int) throws {
        guard bytes.count - position >= count else {
            throw error(.truncated, "the file ends too early", at: position, hint: "fetch it again")
        }
    }

    func error(
        _ code: FormatError.Code, _ problem: String, at offset: Int, expected: String? = nil, found: String? = nil,
        hint: String? = nil
    ) -> FormatError {
        FormatError(
            code, problem, subject: "\(source), byte \(offset)", expected: expected, found: found, hint: hint)
    }
}
