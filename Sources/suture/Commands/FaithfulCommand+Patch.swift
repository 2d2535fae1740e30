import ArgumentParser
import Foundation
import SutureKit
import SutureReports

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
