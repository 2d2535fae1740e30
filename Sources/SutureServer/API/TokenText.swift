import SutureFormats
import SutureTokenizers

/// What tokens look like in a text.
struct TokenText: Sendable {
    private let tokenizer: Tokenizer
    private let anchor: Int?

    init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        anchor = tokenizer.encode("a").ids.last
    }

    /// The bytes of a token in the middle of a text.
    func bytes(_ token: Int) -> [UInt8] {
        var stream = StreamingDecoder(tokenizer)
        if let anchor { _ = stream.append(anchor) }
        let text = stream.append(token) + stream.finish()
        return text.contains("\u{FFFD}") ? tokenizer.token(token) ?? Array(text.utf8) : Array(text.utf8)
    }

    /// The text of a token; one that is not UTF-8 by its bytes, `bytes:\xe2\x82`, as OpenAI's API has it.
    func text(_ token: Int) -> String {
        let bytes = bytes(token)
        return String(validating: bytes, as: UTF8.self)
            ?? "bytes:"
            + bytes.map { byte in
                let digits = String(byte, radix: 16)
                return "\\x" + (digits.count == 1 ? "0" : "") + digits
            }.joined()
    }
}
