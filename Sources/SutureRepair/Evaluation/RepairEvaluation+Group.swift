import Foundation
import SutureFormats
import SutureTensor

extension RepairEvaluation {
    /// Shares an evaluation out to a group of processes, and brings what they found together in the log of rank 0.
    ///
    /// Each process writes to a log of its own, beside that of rank 0 where they share a disk: what a process that was
    /// killed had found is there when the evaluation is started again, by as many processes or others.
    ///
    /// - Parameters:
    ///   - url: the log of rank 0.
    ///   - group: the processes; all make this call.
    /// - Returns: the whole log at rank 0, nil elsewhere.
    /// - Throws: ``RepairError`` with code `unfinished` that names a rank which has died, and what ``run(_:)`` throws.
    public func run(at url: URL, in group: ProcessGroup) throws -> EvaluationLog? {
        let own = Self.log(url, rank: group.rank)
        let log = try EvaluationLog(own, settings)
        for other in Self.logs(beside: url) where other != own {
            try log.take(MappedFile(other).copy(), of: other.relativePath)
        }
        var part = self
        part.share = (group.rank, group.size)
        let whole = tasks.reduce(0) { $0 + repaired($1).count } * (1 + methods.count)
        var told = 0
        var watch = ProcessGroup.Watch()
        part.progress = { activity, done, total in
            // Without the others there is no result; what was found so far is in the log.
            let all = try Self.together { () throws(TensorError) in
                try group.check(&watch)
                return try group.count("done", adding: activity == Self.repairing ? done - told : 0)
            }
            guard activity == Self.repairing else { return try progress(activity, done, total) }
            told = done
            try progress(activity, all, whole)
        }
        try part.run(log)
        // The others may have more to do.
        try Self.together { () throws(TensorError) in try group.meet() }
        let found = try group.gather(group.rank == 0 ? [] : MappedFile(own).copy())
        guard group.rank == 0 else { return nil }
        for (rank, lines) in found.enumerated().dropFirst() { try log.take(lines, of: "the log of rank \(rank)") }
        return log
    }

    /// Says what it means where the others cannot be reached.
    private static func together<Value>(_ body: () throws(TensorError) -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            throw RepairError(
                .unfinished, "a process that shares the evaluation is missing", found: error.reason,
                hint: "start it again: it goes on with what the logs have")
        }
    }

    /// `run.jsonl` for rank 0, `run.rank1.jsonl` for rank 1.
    public static func log(_ url: URL, rank: Int) -> URL {
        guard rank > 0 else { return url }
        let end = url.pathExtension.isEmpty ? "" : "." + url.pathExtension
        return url.deletingPathExtension().appendingPathExtension("rank\(rank)\(end)")
    }

    private static func logs(beside url: URL) -> [URL] {
        let ranks = (0...).lazy.map { log(url, rank: $0) }
        // Rank 0 may not have begun yet.
        return Array(ranks.prefix { $0 == url || FileManager.default.fileExists(atPath: $0.path) })
            .filter { FileManager.default.fileExists(atPath: $0.path) }
    }
}
