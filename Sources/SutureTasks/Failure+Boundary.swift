extension Failure {
    /// Whether the answer runs together with the prompt's last word, as in `The capital isParis`: it mostly lacks its space.
    public var runsTogether: Bool {
        guard let end = prompt.unicodeScalars.last, let start = expected.unicodeScalars.first else { return false }
        return end.properties.isAlphabetic && start.properties.isAlphabetic
    }

    /// Whether the prompt ends in white space, which most tokenizers keep for the next word.
    public var endsInSpace: Bool { prompt.unicodeScalars.last?.properties.isWhitespace == true }

    /// Whether the answer ends in a space, a tab or a carriage return, which then have to be written, too. A line break is let
    /// be: it says that the answer ends there.
    public var answerEndsInSpace: Bool {
        expected.unicodeScalars.last.map { [" ", "\t", "\r"].contains($0) } == true || expected.hasSuffix("\r\n")
    }
}
