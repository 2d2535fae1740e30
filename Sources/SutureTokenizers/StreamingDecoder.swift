/// Turns ids into text one by one, and never shows a part of a scalar.
///
/// ```swift
/// var stream = StreamingDecoder(tokenizer)
/// for id in ids { print(stream.append(id), terminator: "") }
/// print(stream.finish())
/// ```
///
/// All that it returns, put together, is what ``Tokenizer/decode(_:skippingSpecials:)`` makes of the same ids.
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecials: Bool
    private var isFirst = true
    /// Bytes that may be the beginning of a scalar.
    private var pending: [UInt8] = []
    /// Byte tokens that came one after another: whether they are text is known only when another token comes.
    private var byteRun: [UInt8] = []
    private var stripped = 0
    private var stripEnded = false

    /// A decoder at the beginning of a text, which may leave special tokens out.
    public init(_ tokenizer: Tokenizer, skippingSpecials: Bool = false) {
        self.tokenizer = tokenizer
        skipsSpecials = skippingSpecials
    }

    /// The text that can be shown now that `id` is there too.
    public mutating func append(_ id: Int) -> String {
        if skipsSpecials, tokenizer.isSpecial(id) { return "" }
        defer { isFirst = false }
        switch tokenizer.decoder.part(of: id, in: tokenizer, isFirst: isFirst) {
        case .byte(let byte): byteRun.append(byte)
        case .text(let bytes):
            endByteRun()
            pending += bytes
        }
        return takeText(upTo: completeCount())
    }

    /// The rest of the text.
    public mutating func finish() -> String {
        endByteRun()
        return takeText(upTo: pending.count)
    }

    /// A run of byte tokens that is not UTF-8 as a whole becomes U+FFFD for each byte, as in `tokenizers`.
    private mutating func endByteRun() {
        guard !byteRun.isEmpty else { return }
        if String(validating: byteRun, as: UTF8.self) != nil {
            pending += byteRun
        } else {
            for _ in byteRun { pending += TokenDecoder.replacementCharacter }
        }
        byteRun = []
    }

    /// How many of the pending bytes do not depend on what comes next.
    private func completeCount() -> Int {
        // The last scalar begins at most three bytes before the end.
        for length in 1...3 where length <= pending.count {
            let start = pending.count - length
            let byte = pending[start]
            if isContinuation(byte) { continue }
            let expected = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return expected > length ? start : pending.count
        }
        return pending.count
    }

    private mutating func takeText(upTo count: Int) -> String {
        var text = pending[..<count]
        if let strip = tokenizer.decoder.strip, !stripEnded {
            while stripped < strip.count, text.starts(with: strip.content) {
                text = text.dropFirst(strip.content.count)
                stripped += 1
            }
            stripEnded = stripped == strip.count || !text.isEmpty
        }
        defer { pending.removeFirst(count) }
        return String(decoding: text, as: UTF8.self)
    }
}
