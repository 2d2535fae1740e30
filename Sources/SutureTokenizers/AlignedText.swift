/// A stretch of text on its way through the stages, whose every byte knows where in the source it is from.
struct AlignedText {
    /// UTF-8, as the stages so far left it.
    private(set) var bytes: [UInt8]
    /// Where in the source the text begins.
    let start: Int
    /// For each byte the source of its scalar; empty while the text is the source itself.
    private var sources: [Range<Int>] = []

    init(_ bytes: some Sequence<UInt8>, start: Int) {
        self.bytes = Array(bytes)
        self.start = start
    }

    /// The part of the source that `range` stands for, always whole scalars.
    func source(of range: Range<Int>) -> Range<Int> {
        guard sources.isEmpty else {
            guard !range.isEmpty else { return start..<start }
            return sources[range.lowerBound].lowerBound..<sources[range.upperBound - 1].upperBound
        }
        var (lower, upper) = (range.lowerBound, range.upperBound)
        while lower > 0, lower < bytes.count, isContinuation(bytes[lower]) { lower -= 1 }
        while upper < bytes.count, isContinuation(bytes[upper]) { upper += 1 }
        return start + lower..<start + upper
    }

    func slice(_ range: Range<Int>) -> AlignedText {
        guard range != bytes.indices else { return self }
        var slice = AlignedText(bytes[range], start: source(of: range).lowerBound)
        if !sources.isEmpty { slice.sources = Array(sources[range]) }
        return slice
    }

    /// Adds a text that comes later in the same source.
    mutating func append(_ other: AlignedText) {
        alignAll()
        copy(other.bytes.indices, of: other)
    }

    /// Puts `text` before the first scalar, which becomes its source.
    mutating func prepend(_ text: [UInt8]) {
        guard !bytes.isEmpty else { return }
        alignAll()
        sources.insert(contentsOf: repeatElement(sources[0], count: text.count), at: 0)
        bytes.insert(contentsOf: text, at: 0)
    }

    /// Replaces every `pattern` by `content`; its source is the last scalar of what it replaces.
    mutating func replace(_ pattern: BytePattern, with content: [UInt8]) {
        let old = self
        old.bytes.withUnsafeBufferPointer { text in
            var copied: Int?
            pattern.forEachMatch(in: text, 0..<text.count) { place in
                if copied == nil { (bytes, sources) = ([], []) }
                copy((copied ?? 0)..<place.lowerBound, of: old)
                bytes += content
                sources.append(
                    contentsOf: repeatElement(
                        old.source(of: place.upperBound - 1..<place.upperBound), count: content.count))
                copied = place.upperBound
            }
            if let copied { copy(copied..<text.count, of: old) }
        }
    }

    private mutating func copy(_ range: Range<Int>, of other: AlignedText) {
        bytes += other.bytes[range]
        if other.sources.isEmpty {
            for position in range { sources.append(other.source(of: position..<position + 1)) }
        } else {
            sources += other.sources[range]
        }
    }

    /// Puts the scalars of `changes` in place of the text.
    mutating func apply(_ changes: [ScalarChange]) {
        alignAll()
        let old = self
        (bytes, sources) = ([], [])
        old.bytes.withUnsafeBufferPointer { text in
            var position = 0
            for change in changes {
                let source: Range<Int>
                if change.consumed == 0 {
                    source = position > 0 ? old.sources[position - 1] : start..<start
                } else {
                    source = position < text.count ? old.sources[position] : start..<start
                }
                for _ in 0..<change.consumed where position < text.count { position = text.scalar(at: position).end }
                let count = bytes.count
                bytes.append(scalar: change.scalar)
                sources.append(contentsOf: repeatElement(source, count: bytes.count - count))
            }
        }
    }

    private mutating func alignAll() {
        guard sources.isEmpty else { return }
        sources = bytes.indices.map { source(of: $0..<$0 + 1) }
    }
}

/// One scalar of a normalized text, and how many scalars of the text before it takes the place of.
struct ScalarChange {
    var scalar: UInt32
    var consumed: Int
}
