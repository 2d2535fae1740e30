import Foundation

/// What a method found, ready to be shown: as JSON, HTML, Markdown or text for a terminal.
///
/// Knows nothing of repairs, signatures or subspaces: whoever reports fills in the blocks and supplies
/// the machine-readable data.
///
///     let report = try Report(
///         title: "Repair of SmolLM2-135M", verdict: .init(.good, "Fixed with one neuron."),
///         schema: "suture.repair/1", data: outcome,
///         blocks: [.heading("The answer"), .tokenStrip(strip)])
///     print(report.terminal(width: Terminal.width))
public struct Report: Sendable {
    public var title: String
    public var subtitle: String?
    public var verdict: Verdict?
    public var blocks: [Block]
    /// Whether a terminal shows the verdict behind all else, where the eye is when a command has ended.
    public var isVerdictLast = false
    /// The machine-readable part: a JSON object, keys in snake case and sorted, indented, ending in a newline.
    public let json: String

    /// - Parameters:
    ///   - title: The heading of the page.
    ///   - subtitle: A line below it.
    ///   - verdict: What it all came to, in one sentence.
    ///   - schema: Name and version of what `data` looks like, such as `suture.repair/1`; added to the JSON.
    ///   - data: Must encode as an object (a struct or a string-keyed dictionary).
    ///     Numbers that JSON cannot write become the strings `NaN`, `Infinity` and `-Infinity`.
    ///   - blocks: What is shown, in order.
    /// - Throws: What encoding `data` throws.
    public init(
        title: String, subtitle: String? = nil, verdict: Verdict? = nil, schema: String,
        data: some Encodable & Sendable, blocks: [Block] = []
    ) throws {
        self.title = title
        self.subtitle = subtitle
        self.verdict = verdict
        self.blocks = blocks
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        let bytes = try encoder.encode(Labeled(schema: schema, data: data))
        self.json = String(decoding: bytes, as: UTF8.self) + "\n"
    }
}

extension Report {
    /// The outcome in one line.
    public struct Verdict: Sendable {
        public var tone: Tone
        public var text: String

        /// A sentence and how it is to be read.
        public init(_ tone: Tone, _ text: String) {
            self.tone = tone
            self.text = text
        }
    }

    /// How a result is to be read at a glance.
    public enum Tone: String, Sendable, CaseIterable {
        case good, bad, mixed, neutral

        /// A mark that says the same without color.
        var symbol: String {
            switch self {
            case .good: "✓"
            case .bad: "✗"
            case .mixed: "≈"
            case .neutral: "i"
            }
        }
    }
}

/// Writes `schema` beside the keys of `data`.
private struct Labeled<Content: Encodable>: Encodable {
    let schema: String
    let data: Content

    private enum Key: String, CodingKey {
        case schema
    }

    func encode(to encoder: any Encoder) throws {
        try data.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(schema, forKey: .schema)
    }
}
