import Foundation

extension Terminal {
    /// Puts color around text, or does not.
    public struct Style: Sendable {
        public let isColored: Bool

        /// Never any color.
        public static let plain = Style(isColored: false)
        public static let colored = Style(isColored: true)

        /// Color where a person reads the stream and neither `NO_COLOR` nor `TERM=dumb` is set.
        public static func automatic(for stream: Stream) -> Style {
            let refuses = ProcessInfo.processInfo.environment["NO_COLOR"].map { !$0.isEmpty } ?? false
            return Style(isColored: isInteractive(stream) && !refuses)
        }

        /// Blue for good, orange for bad and mixed: told apart by nearly every eye.
        public func callAsFunction(_ tone: Report.Tone, _ text: String) -> String {
            switch tone {
            case .good: paint("34", text)
            case .bad, .mixed: paint("33", text)
            case .neutral: text
            }
        }

        /// The color of a group of bars, in the order of those on a page.
        func group(_ index: Int, _ text: String) -> String {
            let codes = ["34", "33", "32", "35", "90", "36"]
            return paint(codes[index % codes.count], text)
        }

        /// The text as a heading.
        public func bold(_ text: String) -> String { paint("1", text) }
        /// The text as something less important.
        public func dim(_ text: String) -> String { paint("2", text) }

        /// Line by line, so that a pager or a cut line does not carry a color on.
        private func paint(_ code: String, _ text: String) -> String {
            guard isColored, !text.isEmpty else { return text }
            return text.split(separator: "\n", omittingEmptySubsequences: false)
                .map { $0.isEmpty ? "" : "\u{1B}[\(code)m\($0)\u{1B}[0m" }.joined(separator: "\n")
        }
    }
}
