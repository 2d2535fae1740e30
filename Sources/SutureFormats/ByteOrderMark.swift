/// The mark that some editors put before a text; it is no part of it.
public enum ByteOrderMark {
    public static let utf8: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The bytes of a text without the mark.
    public static func skipped<Bytes: RandomAccessCollection>(in bytes: Bytes) -> Bytes.SubSequence
    where Bytes.Element == UInt8 {
        bytes.starts(with: utf8) ? bytes.dropFirst(utf8.count) : bytes[...]
    }
}
