import Foundation
import SutureCore
import SutureTensor
import SutureTokenizers

/// Several answers of a model to one prompt: the most likely ones by beam search, or drawn ones.
public struct CandidateWriting: Sendable {
    /// One answer.
    public struct Written: Sendable {
        public var tokens: [Int] = []
        /// Its text, special tokens left out.
        public var text = ""
        /// The sum of the log probabilities of its tokens.
        public var logProbability = 0.0
        /// Whether it ended, and not just the room for it.
        public var isEnded = false
        fileprivate var stream: StreamingDecoder

        fileprivate init(_ tokenizer: Tokenizer) { stream = StreamingDecoder(tokenizer, skippingSpecials: true) }
    }

    public var tokenizer: Tokenizer
    /// Tokens that end an answer.
    public var ends: Set<Int>
    /// How many tokens an answer has at most.
    public var limit: Int
    /// Whether a text has come to its end.
    public var isEnded: @Sendable (String) -> Bool

    /// Answers that end by these tokens, by their text, or by their length.
    public init(
        _ tokenizer: Tokenizer, ends: Set<Int>, limit: Int, isEnded: @escaping @Sendable (String) -> Bool
    ) {
        (self.tokenizer, self.ends, self.limit, self.isEnded) = (tokenizer, ends, limit, isEnded)
    }

    /// The answer of greedy decoding.
    public func greedy(_ session: DecodingSession) throws -> Written {
        var session = session
        var answer = Written(tokenizer)
        _ = try session.write(limit: room(session)) { written in
            extend(&answer, by: written[written.count - 1])
            return answer.isEnded
        }
        return answer
    }

    /// Drawn answers, `count` of them, among the 256 most likely tokens at each place.
    ///
    /// - Parameters:
    ///   - session: what has read the prompt.
    ///   - count: how many grow together.
    ///   - temperature: by which scores are divided.
    ///   - random: what draws.
    /// - Throws: ``ModelError`` with code `notFinite` where the scores are no numbers.
    public func samples(
        _ session: DecodingSession, count: Int, temperature: Double, random: inout SeededGenerator
    ) throws -> [Written] {
        var batch = try DecodingBatch(session, rows: count)
        var done: [Written] = []
        var open = Array(repeating: Written(tokenizer), count: count)
        let room = room(session)
        while true {
            let (scores, tokens, totals) = try best(batch.logits, 256)
            for row in open.indices {
                let weights = scores[row].map { exp(($0 - scores[row][0]) / temperature) }
                var rest = Double(random.next() >> 11) * 0x1p-53 * weights.reduce(0, +)
                let place = weights.firstIndex { weight in
                    rest -= weight
                    return rest < 0
                }
                let chosen = place ?? weights.count - 1
                open[row].logProbability += scores[row][chosen] - totals[row]
                extend(&open[row], by: tokens[row][chosen])
            }
            let going = open.indices.filter { !open[$0].isEnded && open[$0].tokens.count < room }
            done += open.indices.filter { !going.contains($0) }.map { open[$0] }
            guard !going.isEmpty else { return done }
            if going.count < open.count {
                try batch.keep(going)
                open = going.map { open[$0] }
            }
            try batch.append(open.map { $0.tokens[$0.tokens.count - 1] })
        }
    }

    /// The most likely answers that a beam of this width finds, the most likely first.
    ///
    /// - Throws: ``ModelError`` with code `notFinite` where the scores are no numbers.
    public func beam(_ session: DecodingSession, width: Int) throws -> [Written] {
        var batch = try DecodingBatch(session, rows: 1)
        var done: [Written] = []
        var open = [Written(tokenizer)]
        let room = room(session)
        while true {
            let (scores, tokens, totals) = try best(batch.logits, 2 * width)
            let steps = open.indices.flatMap { row in
                tokens[row].indices.map { place in
                    (row, tokens[row][place], open[row].logProbability + scores[row][place] - totals[row])
                }
            }
            .sorted { $0.2 > $1.2 }.prefix(2 * width)
            var (rows, next): ([Int], [Written]) = ([], [])
            for (row, token, score) in steps where next.count < width {
                var answer = open[row]
                answer.logProbability = score
                extend(&answer, by: token)
                if answer.isEnded || answer.tokens.count >= room {
                    done.append(answer)
                } else {
                    rows.append(row)
                    next.append(answer)
                }
            }
            if next.isEmpty || done.count >= width {
                return done.sorted { $0.logProbability > $1.logProbability }
            }
            open = next
            try batch.keep(rows)
            try batch.append(open.map { $0.tokens[$0.tokens.count - 1] })
        }
    }

    /// How many tokens may follow what was read.
    private func room(_ session: DecodingSession) -> Int {
        max(1, min(limit, session.model.architecture.contextLength - session.length))
    }

    private func extend(_ answer: inout Written, by token: Int) {
        answer.tokens.append(token)
        if ends.contains(token) {
            answer.text += answer.stream.finish()
            answer.isEnded = true
        } else {
            answer.text += answer.stream.append(token)
            answer.isEnded = isEnded(answer.text)
        }
    }

    /// The most likely tokens of each row, their scores, and the logarithm of the sum over all.
    private func best(
        _ logits: Tensor, _ count: Int
    ) throws -> (scores: [[Double]], tokens: [[Int]], totals: [Double]) {
        let (rows, vocabulary) = (logits.shape[0], logits.shape[1])
        guard try logits.max().item().isFinite else { throw ModelError.notFinite("the scores of the next token") }
        let count = min(count, vocabulary)
        let (values, indices) = try logits.top(count)
        let scores = try values.to(.float64).elements(as: Double.self)
        let (tokens, totals) = (try indices.ints(), try logits.logSumExp().to(.float64).elements(as: Double.self))
        func split<Element>(_ list: [Element]) -> [[Element]] {
            (0..<rows).map { Array(list[$0 * count..<($0 + 1) * count]) }
        }
        return (split(scores), split(tokens), totals)
    }
}
