import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

/// Reads what methods need of reference texts, to be written as one file.
public final class StatisticsRecorder {
    private let checkpoint: Checkpoint
    private let patches: [AppliedPatch]
    private var entries: [(entry: StatisticsFile.Entry, names: [String], tensors: [Tensor])] = []

    /// Nothing is read yet.
    public init(of checkpoint: Checkpoint, with patches: [AppliedPatch] = []) {
        (self.checkpoint, self.patches) = (checkpoint, patches)
    }

    /// What was read, each with its size in bytes.
    public var contents: [(what: String, bytes: Int)] {
        entries.map { ($0.entry.what, $0.tensors.reduce(0) { $0 + 8 * $1.count }) }
    }

    /// Reads what a method needs of a model: see ``RepairMethod/readStatistics(_:)``.
    ///
    /// Throws ``RepairError`` with code `badRequest` for a method that needs nothing that could be kept.
    public func read(for method: any RepairMethod, _ material: RepairMaterial) throws {
        let taking = Taking(material.statistics)
        guard MethodName(rawValue: method.name)?.readsStatistics != false else { throw Self.nothing(for: method) }
        try method.readStatistics(
            RepairMaterial(
                material.model, texts: material.texts, restated: material.restated, reserved: material.reserved,
                statistics: taking, progress: material.progress))
        guard !taking.taken.isEmpty else { throw Self.nothing(for: method) }
        for taken in taking.taken where !entries.contains(where: { $0.entry == taken.entry }) { entries.append(taken) }
    }

    private static func nothing(for method: any RepairMethod) -> RepairError {
        RepairError(
            .badRequest, "the method \(method.name) reads no statistics that could be kept",
            expected: "one of \(MethodName.readingStatistics.joined(separator: ", "))")
    }

    /// Writes the file.
    ///
    /// Throws `FormatError` where it cannot be written, and ``RepairError`` where something is not a number.
    public func write(to url: URL, overwriting: Bool = false) throws {
        for (entry, _, tensors) in entries { for tensor in tensors { try tensor.requireFinite(entry.what) } }
        let manifest: JSON = [
            "schema": JSON(StatisticsFile.schema), "version": JSON(StatisticsCache.version),
            "model": JSON(try checkpoint.digest()), "patches": StatisticsFile.list(patches),
            "entries": .array(entries.map { ["what": JSON($0.entry.what), "texts": JSON($0.entry.texts)] })
        ]
        try KeptTensors(
            entries.enumerated().flatMap { place, entry in entry.names.map { "\(place).\($0)" } },
            entries.flatMap(\.tensors)
        ).write(["statistics": ByteString(manifest.serialized())], to: url, overwriting: overwriting)
    }
}

/// Notes what is asked for, and not what that is made of in turn.
private final class Taking: StatisticsSource, @unchecked Sendable {
    // Sendable: a method that reads statistics does so on one thread.
    private(set) var taken: [(entry: StatisticsFile.Entry, names: [String], tensors: [Tensor])] = []
    private let source: (any StatisticsSource)?
    private var depth = 0

    init(_ source: (any StatisticsSource)?) { self.source = source }

    func tensors(_ request: StatisticsRequest) throws -> [Tensor] {
        depth += 1
        defer { depth -= 1 }
        let tensors = try source?.tensors(request) ?? request.made()
        if depth == 1 {
            taken.append((.init(what: request.what, texts: request.textDigest), request.forms.map(\.key), tensors))
        }
        return tensors
    }
}
