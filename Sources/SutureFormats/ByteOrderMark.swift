/// The mark that some editors put before a text; it is no part of it.
enum ByteOrderMark {
    static let utf8: [UInt8] = [0xEF, 0xBB, 0xBF]
}
