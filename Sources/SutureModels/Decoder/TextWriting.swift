import SutureTokenizers

/// Text that a model writes behind a prompt: until a token that ends it, a string that it must not hold, or a limit.
public struct TextWriting: Sendable {
    public var tokenizer: Tokenizer
    /// Tokens that end the text.
    public var ends: Set<Int>
    /// The text ends before the first of these that it would hold.
    public var stopStrings: [String]
    /// How many tokens are written at most.
    public var limit: Int
    /// How tokens are drawn; nil for the most likely each time.
    public var sampling: Sampling?

    /// With the tokenizer's own ends if `ends` is nil.
    public init(
        _ tokenizer: Tokenizer, ends: Set<Int>? = nil, stopStrings: [String] = [], limit: Int, sampling: Sampling? = nil
    ) {
        (self.tokenizer, self.ends) = (tokenizer, ends ?? tokenizer.roles.stops)
        (self.stopStrings, self.limit, self.sampling) = (stopStrings, limit, sampling)
    }

    /// Writes behind a prompt, and hands over the text piece by piece as soon as it is certain.
    ///
    /// The tokens are all that were written, also those of a stop string; special ones have no text. Interventions are as
    /// in ``LanguageModel/generate(_:limit:sampling:_:until:)``, and so is what is thrown, besides what `show` throws.
    public func write(
        _ model: LanguageModel, behind prompt: [Int], _ interventions: [Intervention] = [],
        show: (String) throws -> Void = { _ in }
    ) throws -> (text: String, tokens: [Int]) {
        var stream = StreamingDecoder(tokenizer, skippingSpecials: true)
        var text = StoppedText(stopStrings)
        let tokens = try model.generate(prompt, limit: limit, sampling: sampling, interventions) { written in
            guard let last = written.last, !ends.contains(last) else { return true }
            try show(text.append(stream.append(last)))
            return text.isStopped
        }
        try show(text.append(stream.finish()) + text.finish())
        return (text.shown, tokens)
    }
}

/// A text that grows, and ends before the first of some strings.
package struct StoppedText: Sendable {
    package private(set) var isStopped = false
    private var bytes: [UInt8] = []
    /// How much was handed over.
    private var count = 0
    private let stops: [[UInt8]]

    package init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) } }

    /// What was handed over until now.
    package var shown: String { String(decoding: bytes[..<count], as: UTF8.self) }

    /// Adds a piece; returns what can be shown now: all but a tail that may be the beginning of a stop string.
    package mutating func append(_ piece: String) -> String {
        guard !isStopped else { return "" }
        bytes += piece.utf8
        // What was shown holds no stop string, nor the beginning of one.
        let found = stops.compactMap { stop in (count..<bytes.count).first { bytes[$0...].starts(with: stop) } }.min()
        if let found {
            isStopped = true
            return take(upTo: found)
        }
        let open = (count..<bytes.count).first { start in stops.contains { $0.starts(with: bytes[start...]) } }
        return take(upTo: open ?? bytes.count)
    }

    /// The rest of the text.
    package mutating func finish() -> String { isStopped ? "" : take(upTo: bytes.count) }

    private mutating func take(upTo end: Int) -> String {
        defer { count = end }
        return String(decoding: bytes[count..<end], as: UTF8.self)
    }
}
