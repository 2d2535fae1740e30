import Foundation
import SutureCore
import SutureModels
import SutureTasks
import SutureTokenizers

/// Looks for an answer that passes a check: the user's, then what beam search finds, then drawn ones.
struct CandidateSearch {
    /// An answer as it is judged, and as the model would write it, to where it ends.
    struct Candidate: Sendable {
        var answer: String
        var target: String
        var source: CheckOutcome.Source
    }

    let model: LanguageModel
    let tokenizer: Tokenizer
    let check: AnswerCheck
    let settings: CheckedRepair.Settings
    /// The tokens that end an answer.
    let ends: Set<Int>

    /// Whether something can be written behind a prompt.
    func fits(_ prompt: String) -> Bool {
        (1..<model.architecture.contextLength).contains(tokenizer.encode(prompt, specials: .opening).ids.count)
    }

    /// What greedy decoding writes behind a prompt, up to its end.
    func greedy(_ model: LanguageModel, behind prompt: String, _ end: AnswerEnd) throws -> Candidate {
        let written = try writing(prompt, end).greedy(session(model, prompt))
        return candidate(written, behind: prompt, end, .greedy)
    }

    /// The first answer that passes, and how many were run. Of those that pass in one round it is the one that takes the
    /// least change: with the fewest tokens that are not the most likely.
    ///
    /// `known` are answers that were judged before.
    func passing(
        _ task: CheckedTask, _ end: AnswerEnd, known: Set<String>, progress: ProgressHandler
    ) throws -> (found: Candidate?, tried: Int) {
        var known = known
        var tried = 0
        func first(of candidates: [Candidate]) throws -> Candidate? {
            let fresh = candidates.filter { !$0.answer.contains("\u{FFFD}") && known.insert($0.answer).inserted }
            tried += fresh.count
            let verdicts = try Parallel.map(fresh) { try check($0.answer, to: task) }
            return try easiest(zip(fresh, verdicts).filter { $0.1.isPassing }.map(\.0), behind: task.prompt)
        }
        let closing = end.stops.first ?? (end.isBlock ? "\n" : ends.min().map { tokenizer.decode([$0]) } ?? "")
        let given = task.candidates.map { text in
            let place = end.place(in: text, behind: task.prompt)
            let answer = place.map { String(text[..<$0]) } ?? text
            return Candidate(answer: answer, target: place == nil ? text + closing : text, source: .given)
        }
        if let found = try first(of: given) { return (found, tried) }
        let session = try session(model, task.prompt)
        let writing = writing(task.prompt, end)
        func candidates(_ written: [CandidateWriting.Written], _ source: CheckOutcome.Source) -> [Candidate] {
            written.map { candidate($0, behind: task.prompt, end, source) }
        }
        if settings.beam > 1 {
            progress("searching", 0, settings.samples)
            let found = try first(of: candidates(writing.beam(session, width: settings.beam), .beam))
            if let found { return (found, tried) }
        }
        var random = SeededGenerator(seed: settings.seed)
        for start in stride(from: 0, to: settings.samples, by: settings.batch) {
            progress("drawing answers", start, settings.samples)
            let written = try writing.samples(
                session, count: min(settings.batch, settings.samples - start), temperature: settings.temperature,
                random: &random)
            if let found = try first(of: candidates(written, .sample)) { return (found, tried) }
        }
        return (nil, tried)
    }

    private func session(_ model: LanguageModel, _ prompt: String) throws -> DecodingSession {
        try DecodingSession(model, prompt: tokenizer.encode(prompt, specials: .opening).ids)
    }

    private func writing(_ prompt: String, _ end: AnswerEnd) -> CandidateWriting {
        CandidateWriting(tokenizer, ends: ends, limit: settings.tokens) { end.place(in: $0, behind: prompt) != nil }
    }

    private func candidate(
        _ written: CandidateWriting.Written, behind prompt: String, _ end: AnswerEnd, _ source: CheckOutcome.Source
    ) -> Candidate {
        let text = written.text
        return Candidate(
            answer: end.place(in: text, behind: prompt).map { String(text[..<$0]) } ?? text,
            target: tokenizer.decode(written.tokens), source: source)
    }

    private func easiest(_ passing: [Candidate], behind prompt: String) throws -> Candidate? {
        let ranked = try passing.compactMap { candidate -> (Candidate, Int, Double)? in
            let failure = Failure(prompt: prompt, expected: candidate.target)
            guard let tokens = try? TokenizedFailure(failure, tokenizer) else { return nil }
            let scores = try model.scores(tokens)
            return (candidate, scores.wrong(tokens.answer).count, scores.probabilities.reduce(0) { $0 + log($1) })
        }
        return ranked.min { ($0.1, -$0.2) < ($1.1, -$1.2) }?.0
    }
}
