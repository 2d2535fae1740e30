import ArgumentParser
import Foundation
import SutureKit

extension FaithfulCommand {
    /// Examines a patch on the failures that it says it fixed.
    func examine(
        patch path: String, _ original: LanguageModel, _ checkpoint: Checkpoint, _ tokenizer: Tokenizer,
        _ note: (String, Int, Int) -> Void, _ progress: ProgressReporter
    ) throws {
        let patch = try Patch(contentsOf: URL(filePath: path))
        let cases = try repaired(patch, tokenizer, path)
        note("examining the patch", 0, 1)
        let patched = try model.load(checkpoint, patches: [AppliedPatch(patch)])
        let examined = Set(
            (0..<original.architecture.layers).map { original.architecture.writeVectors(layer: $0).tensor })
        let pathway = try PatchPathway(
            original, patched, cases: cases, reference: Texts.guards.map { tokenizer.encode($0).ids },
            modelName: model.url.lastPathComponent,
            unexamined: patch.base.keys.map(\.string).filter { !examined.contains($0) })
        progress.finish()
        let page = try Report(pathway)
        for path in report { try ReportFile.write(page, to: path, force: force) }
        printing.show(page, quietly: String(format: "%.3f", pathway.kernelShare))
    }

    /// The first token of each answer that the patch's report calls fixed.
    private func repaired(_ patch: Patch, _ tokenizer: Tokenizer, _ path: String) throws -> [PatchPathway.Case] {
        let failures = patch.results["failures"]?.arrayValue ?? []
        let cases = failures.compactMap { failure -> PatchPathway.Case? in
            guard failure["status"]?.stringValue == "fixed", let prompt = failure["prompt"]?.stringValue,
                let answer = failure["expected"]?.stringValue.flatMap({ tokenizer.encode($0).ids.first })
            else { return nil }
            return (tokenizer.encode(prompt).ids, answer)
        }
        guard !cases.isEmpty else {
            throw SubspaceError(
                .badFile, "the patch does not say which answers it repaired", subject: path,
                expected: "results with failures, as suture repair writes them")
        }
        return cases
    }
}
