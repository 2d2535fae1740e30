import ArgumentParser
import Foundation
import SutureKit

extension FaithfulCommand {
    /// Examines a patch on the failures that it says it fixed, or on those of a file.
    func examine(
        patch path: String, _ original: LanguageModel, _ checkpoint: Checkpoint, _ tokenizer: Tokenizer,
        _ note: ProgressHandler, _ progress: ProgressReporter
    ) throws {
        let patch = try Patch(contentsOf: URL(filePath: path))
        let repaired = try failures.map { try Failure.read(URL(filePath: $0)) } ?? Self.repaired(patch, path)
        let reworded = try reworded.map { try Failure.read(URL(filePath: $0)) } ?? []
        let patched = try model.load(checkpoint, patches: [AppliedPatch(patch)])
        let pathway = try PatchPathway(
            original, patched,
            on: .init(repaired: repaired, reworded: reworded, of: original, tokenizer),
            modelName: model.url.lastPathComponent, progress: note)
        progress.finish()
        let page = try Report(pathway)
        try reports.write(page)
        printing.show(page, quietly: pathway.headline)
    }

    /// What the patch's own report calls fixed.
    private static func repaired(_ patch: Patch, _ path: String) throws -> [Failure] {
        guard !patch.repaired.isEmpty else {
            throw SubspaceError(
                .badFile, "the patch does not say which answers it repaired", subject: path,
                expected: "results with failures, as suture repair writes them",
                hint: "name a file of them with --failures")
        }
        return patch.repaired
    }
}

extension PatchPathway.Material {
    /// How many failures are examined, and how many texts are put before each.
    private static let limit = (cases: 16, contexts: 4)

    /// Repaired failures, each at the first token that the original model gets wrong, with Suture's own texts beside them.
    init(repaired: [Failure], reworded: [Failure] = [], of original: LanguageModel, _ tokenizer: Tokenizer) throws {
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
