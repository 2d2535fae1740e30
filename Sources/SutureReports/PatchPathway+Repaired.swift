import SutureModels
import SutureRepair
import SutureSubspaces
import SutureTasks
import SutureTokenizers

extension PatchPathway.Material {
    /// How many failures are examined, and how many texts are put before each.
    private static let limit = (cases: 16, contexts: 4)

    /// Repaired failures, each at the first token that the original model gets wrong, with Suture's own texts beside them.
    package init(repaired: [Failure], reworded: [Failure] = [], of original: LanguageModel, _ tokenizer: Tokenizer)
        throws
    {
        func wrong(_ failures: [Failure]) throws -> [PatchPathway.Case] {
            try failures.compactMap { failure in
                let tokens = try TokenizedFailure(failure, tokenizer)
                guard let place = try original.scores(tokens).wrong(tokens.answer).first else { return nil }
                return (tokens.prompt + tokens.answer[..<place], tokens.answer[place])
            }
        }
        let cases = try wrong(Array(repaired.prefix(Self.limit.cases)))
        guard !cases.isEmpty else {
            throw SubspaceError(.badRequest, "the model answers all of these rightly without the patch")
        }
        self.init(cases: cases, reference: Texts.guards.map { tokenizer.encode($0, specials: .opening).ids })
        self.reworded = try wrong(reworded)
        contexts = Texts.reference.prefix(Self.limit.contexts).map {
            tokenizer.encode($0 + "\n\n", specials: .opening).ids
        }
    }
}
