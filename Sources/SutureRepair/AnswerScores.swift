import SutureModels
import SutureTensor
import SutureTokenizers

/// How a model does on an answer under teacher forcing.
public struct AnswerScores: Sendable {
    /// The probability of each token of the answer, given those before it.
    public let probabilities: [Double]
    /// The most likely token in each place.
    public let top: [Int]
    /// The scores in each place, `[answer, vocabulary]`.
    public let logits: Tensor

    init(logits: Tensor, answer: [Int]) throws {
        self.logits = logits
        top = try logits.argmax(1).ints()
        let targets = try Tensor(answer, shape: [answer.count, 1], device: logits.device)
        probabilities = try logits.softmax().gathered(1, at: targets).elements()
    }

    /// The places where another token than the answer's is most likely.
    public func wrong(_ answer: [Int]) -> [Int] { answer.indices.filter { top[$0] != answer[$0] } }
}

extension TokenizedFailure {
    /// The prompt and all of the answer that the model reads while it writes the answer.
    package var forced: [Int] { prompt + answer.dropLast() }

    /// The positions of ``forced`` after which the answer's tokens come.
    var places: Range<Int> { prompt.count - 1..<prompt.count - 1 + answer.count }
}

extension LanguageModel {
    /// Teacher forcing, in one run.
    public func scores(_ failure: TokenizedFailure) throws -> AnswerScores {
        let last = Site.residual(architecture.layers)
        let residual = try run([failure.forced], capturing: [last])[last].squeezed(0).narrowed(0, failure.places)
        return try AnswerScores(logits: logits(ofResidual: residual), answer: failure.answer)
    }

    /// Teacher forcing and greedy decoding, with one run of the prompt for both.
    func answer(_ failure: TokenizedFailure) throws -> (scores: AnswerScores, written: [Int]) {
        try trace([failure.forced]).answer(failure)
    }

    /// What the model writes after the prompt under greedy decoding, as many tokens as the answer has.
    public func write(_ failure: TokenizedFailure) throws -> [Int] {
        try generate(failure.prompt, limit: failure.answer.count)
    }
}

extension Trace {
    /// How the traced model does on the answer that the trace holds (teacher forcing), and what it writes (greedy decoding).
    func answer(_ failure: TokenizedFailure) throws -> (scores: AnswerScores, written: [Int]) {
        let scores = try scores(failure)
        // Greedy writing leaves the answer where the first wrong token is, so a right reading is a right writing.
        guard let start = scores.wrong(failure.answer).first else { return (scores, failure.answer) }
        var session = try DecodingSession(prefix(failure.prompt.count + start))
        return (scores, try failure.answer[..<start] + session.write(limit: failure.answer.count - start))
    }

    /// How the traced model does on the answer that the trace holds (teacher forcing).
    func scores(_ failure: TokenizedFailure) throws -> AnswerScores {
        let residual = try self[.residual(model.architecture.layers)].squeezed(0).narrowed(0, failure.places)
        return try AnswerScores(logits: model.logits(ofResidual: residual), answer: failure.answer)
    }
}

/// What a model writes under greedy decoding, to where it ends the answer itself.
struct FreeAnswer {
    /// The tokens up to the end, and with it.
    let tokens: [Int]
    /// The answer as text, with ``Frame/ending``; as it is where it does not end in time.
    let text: String
    let isEnded: Bool

    /// Writes behind a prompt, until the frame's closing or twice as much as is expected.
    init(_ prompt: Trace, _ frame: Frame, expecting count: Int, _ tokenizer: Tokenizer) throws {
        let closing = frame.closing
        var session = try DecodingSession(prompt)
        tokens = try session.write(limit: max(2 * count, count + 32)) { tokenizer.decode($0).contains(closing) }
        let written = tokenizer.decode(tokens)
        let end = written.range(of: closing)
        text = end.map { String(written[..<$0.lowerBound]) + frame.ending } ?? written
        isEnded = end != nil
    }
}

/// What a changed model does; nil where a change has made its scores something else than numbers.
func finite<Result>(_ work: () throws -> Result) throws -> Result? {
    do { return try work() } catch let error as ModelError where error.code == .notFinite { return nil }
}
