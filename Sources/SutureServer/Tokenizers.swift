import SutureTasks
import SutureTokenizers

/// How texts and conversations become tokens: a template may write the beginning of a text itself.
struct Tokenizers: Sendable {
    let plain: Tokenizer
    /// The model's chat format, or why there is none.
    let chat: Result<ChatFormat, ServerError>

    var hasChat: Bool { if case .success = chat { true } else { false } }

    /// The tokenizer of raw text, or of conversations.
    func of(isChat: Bool) -> Tokenizer { isChat ? (try? chat.get().tokenizer) ?? plain : plain }

    /// The tokens of a prompt.
    func tokens(of text: String, isChat: Bool) -> [Int] {
        of(isChat: isChat).encode(text, specials: .opening).ids
    }

    /// The tokens that end an answer.
    func ends(isChat: Bool) -> Set<Int> {
        let stop = isChat ? (try? chat.get()).map { [$0.stop] } ?? [] : []
        return plain.roles.stops.union(stop)
    }
}
