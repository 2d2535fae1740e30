import SutureFormats

/// The tokens of an answer with their probabilities, as OpenAI's two forms have them.
struct TokenLog: Sendable {
    /// nil for the first token of a text, which nothing comes before.
    typealias Entry = (token: Int, score: TokenScore?)

    var entries: [Entry] = []
    let texts: TokenText

    /// As in an answer to `/v1/completions`; offsets are in characters from the beginning of the answer's text.
    func json(from offset: Int = 0) -> JSON {
        var offset = offset
        var offsets: [JSON] = []
        for entry in entries {
            offsets.append(JSON(offset))
            offset += String(decoding: texts.bytes(entry.token), as: UTF8.self).count
        }
        return [
            "tokens": .array(entries.map { JSON(texts.text($0.token)) }),
            "token_logprobs": .array(entries.map { $0.score.map { JSON($0.logProbability) } ?? .null }),
            "top_logprobs": .array(
                entries.map { entry in
                    entry.score.map { score in
                        // The token itself is told beyond the most likely ones, as there.
                        let own = TokenScore.Rival(token: score.token, logProbability: score.logProbability)
                        return .object(
                            (score.rivals + [own]).reduce(into: JSONObject()) {
                                $0[ByteString(texts.text($1.token))] = JSON($1.logProbability)
                            })
                    } ?? .null
                }),
            "text_offset": .array(offsets)
        ]
    }

    /// As in an answer to `/v1/chat/completions`.
    var chat: JSON {
        func one(_ token: Int, _ logProbability: Double) -> JSONObject {
            [
                "token": JSON(texts.text(token)), "logprob": JSON(logProbability),
                "bytes": .array(texts.bytes(token).map { JSON(Int($0)) })
            ]
        }
        return [
            "content": .array(
                entries.compactMap { entry in
                    entry.score.map { score in
                        var object = one(score.token, score.logProbability)
                        object["top_logprobs"] = .array(
                            score.rivals.map { .object(one($0.token, $0.logProbability)) })
                        return .object(object)
                    }
                }), "refusal": .null
        ]
    }
}
