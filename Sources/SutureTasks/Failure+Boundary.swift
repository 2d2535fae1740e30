extension Failure {
    /// Whether the answer runs together with the prompt's last word, as in `The capital isParis`: it mostly lacks its space.
    public var runsTogether: Bool {
        guard let end = prompt.unicodeScalars.last, let start = expected.unicodeScalars.first else { return false }
        return end.properties.isAlphabetic && start.properties.isAlphabetic
    }

    /// Whether the prompt ends in white space, which most tokenizers keep for the next word.
    public var endsInSpace: Bool { prompt.unicodeScalars.last?.properties.isWhitespace == true }
}
