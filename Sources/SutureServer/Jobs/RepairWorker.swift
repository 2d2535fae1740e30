import Foundation
import SutureCore
import SutureFormats
import SutureModels
import SuturePatches
import SutureRepair
import SutureTensor

/// Repairs the model, one failure at a time, on a thread of its own.
actor RepairWorker {
    private let executor = EngineExecutor("suture.repairs")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let checkpoint: Checkpoint
    private let tokenizers: Tokenizers
    /// Those of the model without patches.
    private let statistics: StatisticsFile?
    /// Repairs that are prepared, by the patches that the model has and how it is asked, the latest last.
    private var prepared: [(patches: [AppliedPatch], isChat: Bool, repair: Repair)] = []

    /// How many tokens of the answers before and after are told.
    private static let shown = 48

    init(_ checkpoint: Checkpoint, _ tokenizers: Tokenizers, _ statistics: StatisticsFile? = nil) {
        (self.checkpoint, self.tokenizers, self.statistics) = (checkpoint, tokenizers, statistics)
    }

    /// What came of it.
    struct Outcome: Sendable {
        /// nil where nothing was changed.
        var patch: Patch?
        /// The report, the answer before and the answer after.
        var members: JSONObject
    }

    /// Repairs one failure of a model that has some patches.
    ///
    /// Throws `CancellationError` where the task is cancelled, and what `Repair` throws.
    func repair(
        _ request: RepairRequest, _ model: LanguageModel, _ patches: [AppliedPatch],
        progress: @escaping @Sendable (Job.Progress) -> Void
    ) throws -> Outcome {
        let tell: ProgressHandler = { progress(Job.Progress(activity: $0, done: $1, total: $2)) }
        var repair = try prepared(model, patches, isChat: request.passage.isChat, tell)
        repair.progress = tell
        try Task.checkCancellation()
        let result = try repair.run([request.failure], modelName: checkpoint.url.lastPathComponent)
        try Task.checkCancellation()
        var members: JSONObject = [
            "report": try JSON(encoding: result.report), "before": JSON(try answer(model, to: request))
        ]
        guard !result.change.isEmpty else { return Outcome(members: members) }
        let patch = try result.patch(of: checkpoint, model.architecture, on: patches)
        let changed = try model.applying(result.change)
        members["after"] = JSON(try answer(changed, to: request))
        return Outcome(patch: patch, members: members)
    }

    private func prepared(
        _ model: LanguageModel, _ patches: [AppliedPatch], isChat: Bool, _ progress: @escaping ProgressHandler
    ) throws -> Repair {
        if let place = prepared.firstIndex(where: { $0.patches == patches && $0.isChat == isChat }) {
            prepared.append(prepared.remove(at: place))
        } else {
            let stack = try PatchedCheckpoint(checkpoint).adding(patches).stack
            var repair = try Repair(
                model, tokenizers.of(isChat: isChat), reserved: stack.neurons(of: model.architecture),
                statistics: source(patches), progress: progress)
            repair.earlier = stack.repaired
            prepared.append((patches, isChat, repair))
            if prepared.count > 4 { prepared.removeFirst() }
        }
        return prepared[prepared.count - 1].repair
    }

    /// The statistics that were given, where they are of these patches and texts; else those that are kept.
    private func source(_ patches: [AppliedPatch]) -> any StatisticsSource {
        let cache = StatisticsCache(of: checkpoint, with: patches)
        guard var statistics, patches.isEmpty else { return cache }
        statistics.otherwise = cache
        return statistics
    }

    /// What the model writes from the beginning of its answer, most likely token by token.
    private func answer(_ model: LanguageModel, to request: RepairRequest) throws -> String {
        let isChat = request.passage.isChat
        let writing = TextWriting(tokenizers.plain, ends: tokenizers.ends(isChat: isChat), limit: Self.shown)
        let tokens = tokenizers.tokens(of: request.passage.prompt, isChat: isChat)
        return try Tensor.withoutGradients { try writing.write(model, behind: tokens).text }
    }
}
