import ArgumentParser
import Foundation
import SutureKit

/// Where a repair gets statistics of reference texts from.
struct StatisticsOptions: ParsableArguments {
    @Option(help: "A file of suture statistics, in place of reading reference texts.")
    var statistics: String?

    /// Throws unless a method reads them.
    func check(_ methods: [any RepairMethod]) throws {
        guard statistics != nil, !methods.contains(where: { MethodName(rawValue: $0.name)?.readsStatistics != false })
        else { return }
        let names = MethodName.allCases.filter(\.readsStatistics).map(\.rawValue)
        throw ValidationError(
            "--statistics goes with methods that read statistics: \(names.joined(separator: ", ")).")
    }

    /// The file, or the cache.
    func source(of checkpoint: Checkpoint, with patches: [AppliedPatch] = []) throws -> any StatisticsSource {
        guard let statistics else { return StatisticsCache(of: checkpoint, with: patches) }
        return try StatisticsFile(URL(filePath: statistics), of: checkpoint, with: patches)
    }
}
