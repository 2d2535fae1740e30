/// Text as the bytes of its UTF-8, equal only when the bytes are.
///
/// `String` compares by canonical equivalence, so a dictionary keyed by `String` merges `"é"` with `"e\u{301}"`.
/// Vocabularies and tensor names must not be merged: key them by `ByteString`.
public struct ByteString: Hashable, Sendable {
    /// The bytes; UTF-8 for everything a reader of this module returns, unless it says otherwise.
    public var bytes: [UInt8]

    /// These bytes, whether they are text or not.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// A copy of these bytes.
    public init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = [UInt8](bytes)
    }

    /// A text as UTF-8.
    public init(_ text: some StringProtocol) {
        bytes = Array(text.utf8)
    }

    /// The text; exact for UTF-8, and with U+FFFD for what is not.
    public var string: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether both have the same bytes: unlike a String, no two spellings of a character are equal.
    public static func == (a: ByteString, b: ByteString) -> Bool {
        a.bytes == b.bytes
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        // In one piece: the hash of an array combines its elements one by one, several times slower.
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension ByteString: Comparable {
    /// Orders by bytes, which for UTF-8 is the order of the Unicode scalars.
    public static func < (a: ByteString, b: ByteString) -> Bool {
        a.bytes.lexicographicallyPrecedes(b.bytes)
    }
}

extension ByteString: ExpressibleByStringLiteral, CustomStringConvertible {
    /// The bytes of a text as UTF-8.
    public init(stringLiteral text: String) {
        self.init(text)
    }

    public var description: String { string }
}
