import SutureKit

/// Says what is odd about where prompts and answers meet and end; nothing is changed.
///
/// - Parameter isChat: whether the prompts were written by a chat template, which knows how they end.
func noteBoundaries(of failures: [Failure], isChat: Bool) {
    func say(_ which: [Int], _ problem: (Failure) -> String) {
        guard let first = which.first else { return }
        let names = which.prefix(5).map { "\($0 + 1)" }.joined(separator: ", ") + (which.count > 5 ? ", ..." : "")
        note((failures.count > 1 ? "failure \(names): " : "") + problem(failures[first]))
    }
    func places(_ isOdd: (Failure) -> Bool) -> [Int] { failures.indices.filter { isOdd(failures[$0]) } }
    if !isChat {
        say(places(\.runsTogether)) {
            "the answer continues the prompt's last word, \"\($0.prompt.suffix(12))\($0.expected.prefix(12))\"; a word of its "
                + "own begins with a space"
        }
        say(places(\.endsInSpace)) {
            "the prompt ends in white space, \(String(reflecting: String($0.prompt.suffix(8)))), which most models keep for the "
                + "next word"
        }
    }
    say(places(\.answerEndsInSpace)) {
        "the answer ends in white space, \(String(reflecting: String($0.expected.suffix(8)))), which the model has to write, too"
    }
}
