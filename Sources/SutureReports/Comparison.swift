extension Report {
    /// Two texts side by side, with what differs marked.
    public struct Comparison: Sendable, Figure {
        public var caption: String
        public var beforeTitle: String
        public var before: String
        public var afterTitle: String
        public var after: String

        /// Two texts with their titles.
        public init(
            caption: String, before: String, after: String, beforeTitle: String = "before", afterTitle: String = "after"
        ) {
            self.caption = caption
            self.beforeTitle = beforeTitle
            self.before = before
            self.afterTitle = afterTitle
            self.after = after
        }

        var values: Table {
            Table(
                columns: ["", .code("text")],
                rows: [[.init(beforeTitle), .init(before)], [.init(afterTitle), .init(after)]])
        }

        /// A stretch of text that both sides share, or that only one has.
        struct Span: Equatable {
            var text: String
            var isChanged: Bool
        }

        /// Both texts in spans, by words.
        var spans: (before: [Span], after: [Span]) {
            let old = Self.words(before)
            let new = Self.words(after)
            // Differences of long texts that share little take quadratic time.
            guard old.count <= 2000, new.count <= 2000 else {
                let isChanged = before != after
                return ([Span(text: before, isChanged: isChanged)], [Span(text: after, isChanged: isChanged)])
            }
            var removed = Set<Int>()
            var inserted = Set<Int>()
            for change in new.difference(from: old) {
                switch change {
                case .remove(let offset, _, _): removed.insert(offset)
                case .insert(let offset, _, _): inserted.insert(offset)
                }
            }
            return (Self.join(old, changed: removed), Self.join(new, changed: inserted))
        }

        /// Alternating runs of white space and of everything else. As bytes, because equality of strings
        /// takes composed and decomposed letters for the same, and tokens do not.
        private static func words(_ text: String) -> [[UInt8]] {
            var words: [[UInt8]] = []
            var wasSpace: Bool?
            for byte in text.utf8 {
                let isSpace = byte == 0x20 || byte == 0x0A || byte == 0x09
                if isSpace == wasSpace {
                    words[words.count - 1].append(byte)
                } else {
                    words.append([byte])
                }
                wasSpace = isSpace
            }
            return words
        }

        private static func join(_ words: [[UInt8]], changed: Set<Int>) -> [Span] {
            var spans: [Span] = []
            for (index, word) in words.enumerated() {
                let text = String(decoding: word, as: UTF8.self)
                let isChanged = changed.contains(index)
                if spans.last?.isChanged == isChanged {
                    spans[spans.count - 1].text += text
                } else {
                    spans.append(Span(text: text, isChanged: isChanged))
                }
            }
            return spans
        }
    }
}
