import SutureKit

/// Says what is odd about where a prompt and its answer meet, if they were typed; nothing is changed.
func noteBoundary(of failure: Failure) {
    if failure.runsTogether {
        note(
            "the answer continues the prompt's last word, \"\(failure.prompt.suffix(12))\(failure.expected.prefix(12))\"; a word of "
                + "its own begins with a space")
    }
    if failure.endsInSpace {
        note(
            "the prompt ends in white space, \(String(reflecting: String(failure.prompt.suffix(8)))), which most models keep for "
                + "the next word")
    }
}
