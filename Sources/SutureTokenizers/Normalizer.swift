/// What is done to text before it is cut into pieces.
enum Normalizer: Sendable {
    case compose
    case prepend([UInt8])
    case replace(BytePattern, with: [UInt8])

    func apply(to text: inout AlignedText) {
        switch self {
        case .compose:
            if let changes = CanonicalComposition.shared.changes(in: text.bytes) { text.apply(changes) }
        case .prepend(let prefix): text.prepend(prefix)
        case .replace(let pattern, let content): text.replace(pattern, with: content)
        }
    }

    /// How many times as long as it was it can make a text.
    var growth: Double {
        switch self {
        // In UTF-8, of any scalar (Unicode Standard Annex 15).
        case .compose: 3
        case .prepend(let prefix): Double(1 + prefix.count)
        case .replace(let pattern, let content): max(1, Double(content.count) / Double(max(1, pattern.bytes.count)))
        }
    }
}

extension [Normalizer] {
    func apply(to text: inout AlignedText) {
        for normalizer in self { normalizer.apply(to: &text) }
    }

    func normalized(_ bytes: [UInt8]) -> [UInt8] {
        var text = AlignedText(bytes, start: 0)
        apply(to: &text)
        return text.bytes
    }
}
