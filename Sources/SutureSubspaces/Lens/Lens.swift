import SutureModels
import SutureTensor
import SutureTokenizers

/// A prompt seen from inside: what the model would say after each layer, and what each part writes toward an answer.
public struct Lens: Codable, Sendable {
    public let model, prompt, answer: String
    public let other: String?
    public let logitLens: LogitLens
    public let attribution: DirectAttribution

    /// Of an answer of one token, the one that the model says if it is nil, less the score of a rival if there is one;
    /// `strongest` neurons are listed. The prompt is run once.
    ///
    /// Throws ``SubspaceError`` with code `badTokens` for an answer that is not one token; `ModelError` for a prompt that
    /// does not fit the model.
    public init(
        _ model: LanguageModel, _ prompt: Prompt, answer: String? = nil, less other: String? = nil, strongest: Int = 20,
        _ tokenizer: Tokenizer, modelName: String
    ) throws {
        let ids = try prompt.tokens(tokenizer).ids
        let chosen = try answer.map { try PromptPair.token($0, after: prompt.text, tokenizer) }
        let otherToken = try other.map { try PromptPair.token($0, after: prompt.text, tokenizer) }
        let sites = Set(LogitLens.sites(model) + DirectAttribution.sites(model))
        let run = try Tensor.withoutGradients { try model.run([ids], capturing: Array(sites)) }
        let answerToken = try chosen ?? Int(run.logits.argmax().item())
        guard answerToken != otherToken else {
            throw SubspaceError(.badTokens, "the answer and its rival are the same", subject: "\"\(other ?? "")\"")
        }
        (self.model, self.prompt, self.other) = (modelName, prompt.text, other)
        self.answer = answer ?? tokenizer.decode([answerToken])
        logitLens = try LogitLens(model, ids, run, answer: answerToken, tokenizer)
        attribution = try DirectAttribution(model, run, answer: answerToken, less: otherToken, strongest: strongest)
    }

    /// The lowest layer before which, and before all later ones, the answer would be said; nil where it is not said.
    public var settledLayer: Int? {
        let ranks = logitLens.cells.map { $0[$0.count - 1].answer?.rank }
        let first = ranks.lastIndex { $0 != 1 }.map { $0 + 1 } ?? 0
        return first < ranks.count ? first : nil
    }
}
