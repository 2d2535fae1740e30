import Foundation
import SutureCore
import SutureFormats
import SutureModels
import SuturePatches
import SutureRepair
import SutureTensor

/// Does jobs, one at a time, on a thread of its own.
actor JobWorker {
    private let executor = EngineExecutor("suture.jobs")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated let checkpoint: Checkpoint
    nonisolated let tokenizers: Tokenizers
    nonisolated let cases: CaseStore
    /// The model without patches.
    nonisolated let base: LanguageModel
    /// Those of the model without patches.
    private let statistics: StatisticsFile?
    /// Repairs that are prepared, by the patches that the model has and how it is asked, the latest last.
    private var prepared: [(patches: [AppliedPatch], isChat: Bool, repair: Repair)] = []

    init(
        _ checkpoint: Checkpoint, _ base: LanguageModel, _ tokenizers: Tokenizers, _ cases: CaseStore,
        _ statistics: StatisticsFile? = nil
    ) {
        (self.checkpoint, self.base, self.tokenizers) = (checkpoint, base, tokenizers)
        (self.cases, self.statistics) = (cases, statistics)
    }

    /// What the model is called in reports.
    nonisolated var modelName: String { checkpoint.url.lastPathComponent }

    /// Does what is asked for.
    ///
    /// Throws `CancellationError` where the task is cancelled, and what the work throws.
    func run(_ request: any JobRequest, _ setting: JobSetting) throws -> JobOutcome {
        try Task.checkCancellation()
        return try request.run(by: self, setting)
    }

    /// Makes ready for repairs of a model, so that the first one need not read reference texts.
    func prepare(_ model: LanguageModel, _ patches: [AppliedPatch], isChat: Bool) throws {
        try Task.checkCancellation()
        _ = try repair(of: model, patches, isChat: isChat) { _, _, _ in }
    }

    /// The repair of a model with some patches, made when it is first asked for.
    func repair(
        of model: LanguageModel, _ patches: [AppliedPatch], isChat: Bool, _ progress: @escaping ProgressHandler
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
}
