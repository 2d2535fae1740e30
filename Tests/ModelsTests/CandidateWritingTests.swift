import Foundation
import SutureCore
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

/// Several answers that grow together are what each would be alone.
@Suite("Candidate answers")
struct CandidateWritingTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer
    private let prompt: [Int]

    init() throws {
        (model, tokenizer) = try withTemporaryDirectory { directory in
            try TinySnapshot.write(to: directory)
            let checkpoint = try Checkpoint(directory)
            return (try LanguageModel.load(checkpoint), try Tokenizer(checkpoint))
        }
        prompt = tokenizer.encode("def f(x):", specials: .opening).ids
    }

    private func writing(_ limit: Int, isEnded: @escaping @Sendable (String) -> Bool = { _ in false })
        -> CandidateWriting
    {
        CandidateWriting(tokenizer, ends: [], limit: limit, isEnded: isEnded)
    }

    @Test("the scores of each row are those of a session of its own, also when rows are dropped")
    func batch() throws {
        let session = try DecodingSession(model, prompt: prompt)
        var batch = try DecodingBatch(session, rows: 3)
        let texts = [[40, 41], [50, 51], [60, 61]]
        try batch.append(texts.map { $0[0] })
        try batch.keep([2, 0])
        try batch.append([texts[2][1], texts[0][1]])
        for (row, text) in [texts[2], texts[0]].enumerated() {
            var alone = session
            for token in text { try alone.append(token) }
            let (a, b) = (try batch.logits.selected(0, row).floats(), try alone.logits.floats())
            #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 })
        }
    }

    @Test("greedy decoding, a beam of one, and samples at a temperature near zero agree")
    func agreement() throws {
        let session = try DecodingSession(model, prompt: prompt)
        let expected = try model.generate(prompt, limit: 6)
        #expect(try writing(6).greedy(session).tokens == expected)
        #expect(try writing(6).beam(session, width: 1).first?.tokens == expected)
        var random = SeededGenerator(seed: 1)
        let samples = try writing(6).samples(session, count: 3, temperature: 1e-6, random: &random)
        #expect(samples.count == 3 && samples.allSatisfy { $0.tokens == expected && !$0.isEnded })
    }

    @Test("a wide beam finds the most likely answers of two tokens; probabilities are the model's")
    func beam() throws {
        let session = try DecodingSession(model, prompt: prompt)
        let vocabulary = model.architecture.vocabulary
        let found = try writing(2).beam(session, width: vocabulary)
        var best = (tokens: [Int](), score: -Double.infinity)
        let first = try session.logits.unsqueezed(0).logSoftmax().squeezed(0).floats()
        for token in 0..<vocabulary {
            var next = session
            try next.append(token)
            let second = try next.logits.unsqueezed(0).logSoftmax().squeezed(0).floats()
            for (other, score) in second.enumerated() where Double(first[token] + score) > best.score {
                best = ([token, other], Double(first[token] + score))
            }
        }
        #expect(found.first?.tokens == best.tokens)
        #expect(abs((found.first?.logProbability ?? 0) - best.score) < 1e-3)
    }

    @Test("draws follow the model's probabilities, and equal seeds draw the same")
    func samples() throws {
        let session = try DecodingSession(model, prompt: prompt)
        var random = SeededGenerator(seed: 7)
        let drawn = try writing(1).samples(session, count: 4000, temperature: 1, random: &random)
        let probabilities = try session.logits.unsqueezed(0).softmax().squeezed(0).floats().map(Double.init)
        for token in probabilities.indices where probabilities[token] > 0.01 {
            let share = Double(drawn.count { $0.tokens == [token] }) / 4000
            let spread = (probabilities[token] * (1 - probabilities[token]) / 4000).squareRoot()
            #expect(abs(share - probabilities[token]) < 5 * spread)
        }
        var again = SeededGenerator(seed: 7)
        let same = try writing(1).samples(session, count: 4000, temperature: 1, random: &again)
        #expect(same.map(\.tokens) == drawn.map(\.tokens))
    }

    @Test("an answer ends by its text or by a token, and others go on")
    func ends() throws {
        let session = try DecodingSession(model, prompt: prompt)
        var random = SeededGenerator(seed: 2)
        let short = try writing(5) { $0.utf8.count >= 2 }.samples(
            session, count: 8, temperature: 3, random: &random)
        #expect(short.count == 8 && short.allSatisfy { $0.tokens.count <= 5 && ($0.isEnded || $0.tokens.count == 5) })
        let token = try model.generate(prompt, limit: 1)[0]
        let ended = CandidateWriting(tokenizer, ends: [token], limit: 5) { _ in false }
        let answer = try ended.greedy(session)
        #expect(answer.isEnded && answer.tokens == [token])
    }
}
