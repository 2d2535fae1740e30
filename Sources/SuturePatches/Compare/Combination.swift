import Foundation
import SutureFormats

/// Several patches as one.
public struct Combination: Sendable {
    /// How changes of the same elements are brought together. Changes are those of the patches, times their scales.
    public enum Mode: Sendable, Equatable {
        /// They add up: exactly what applying all of them gives.
        case sum
        /// They add up and are divided by the number of patches.
        case mean
        /// Of each patch and tensor the largest `density` of the elements stay; of those that meet, the sign with the
        /// larger sum wins and the changes with that sign are averaged (TIES, 2306.01708).
        case ties(density: Double)
        /// Of each patch the elements stay with probability 1 - `drop`, times 1 / (1 - `drop`), and add up (DARE,
        /// 2311.03099).
        case dare(drop: Double, seed: UInt64)

        var name: String {
            switch self {
            case .sum: "sum"
            case .mean: "mean"
            case .ties: "ties"
            case .dare: "dare"
            }
        }
    }

    /// A tensor that several of the patches change.
    public struct Overlap: Sendable, Equatable {
        public let tensor: String
        /// The ids of the patches.
        public let patches: [String]
        /// How many elements more than one patch changes.
        public let elements: Int
        /// How many of those are pulled in opposite directions.
        public let opposed: Int
    }

    public let patch: Patch
    /// Where the patches meet, in the order of the tensors' names.
    public let overlaps: [Overlap]

    /// Combines patches that were made for the same model.
    ///
    /// A sum or a mean keeps the changes as they are, each with its scale, so it is exact and takes no more room than
    /// its parts. The other modes make new changes: sparse where all that meet store their originals, else dense.
    ///
    /// - Parameters:
    ///   - mode: how they are combined.
    ///   - spool: where new changes go until the patch is written.
    ///   - patches: the patches.
    ///   - allowingConflicts: whether patches that exclude one another (``NeuronConflict``) are taken all the same.
    /// - Throws: ``PatchError`` for fewer than two patches, for two that were made for different models or that exclude one
    ///   another, for options out of range, and with `emptyPatch` if nothing is left.
    public init(
        _ patches: [AppliedPatch], _ mode: Mode, spool: SpoolFile? = nil, allowingConflicts: Bool = false
    ) throws {
        guard patches.count > 1 else {
            throw PatchError(
                .badScale, "one patch alone cannot be combined", expected: "two or more", found: "\(patches.count)")
        }
        try Self.check(mode)
        let stack = try PatchStack(patches)
        if !allowingConflicts { try stack.refuseConflicts() }
        let names = stack.base.keys.sorted()
        overlaps = try Parallel.map(names.map(\.string)) { try Self.overlap(stack, $0) }.compactMap { $0 }
        let writer = EditWriter(spool: try spool ?? SpoolFile())
        var base = OrderedTable<BaseTensor>()
        var edits: [Edit] = []
        for name in names {
            guard let sum = stack.sum(for: name.string) else { continue }
            let made =
                switch mode {
                case .sum: Self.scaled(sum, by: 1)
                case .mean: Self.scaled(sum, by: 1 / Double(patches.count))
                default: try Self.merged(MergedTensor(sum, mode: mode), name.string, writer).map { [$0] } ?? []
                }
            if made.isEmpty { continue }
            base[name] = stack.base[name]
            edits += made
        }
        patch = try Patch(
            base: base, edits: edits, method: Self.method(stack, mode), results: .null, tool: "suture",
            created: Date.now.ISO8601Format(), parents: [], source: "the combined patch")
    }

    private static func check(_ mode: Mode) throws {
        switch mode {
        case .ties(let density) where !(density > 0 && density <= 1):
            throw PatchError(.badScale, "impossible density", expected: "above 0, at most 1", found: "\(density)")
        case .dare(let drop, _) where !(drop >= 0 && drop < 1):
            throw PatchError(.badScale, "impossible probability", expected: "0 or more, below 1", found: "\(drop)")
        default: break
        }
    }

    private static func method(_ stack: PatchStack, _ mode: Mode) -> Patch.Method {
        let parts = stack.patches.sorted { $0.patch.id < $1.patch.id }.map { applied -> JSON in
            ["id": JSON(applied.patch.id), "scale": JSON(applied.scale), "method": JSON(applied.patch.method.name)]
        }
        var options: JSONObject = ["mode": JSON(mode.name), "patches": .array(parts)]
        var seed: Int?
        switch mode {
        case .ties(let density): options["density"] = JSON(density)
        case .dare(let drop, let number):
            options["drop"] = JSON(drop)
            seed = Int(truncatingIfNeeded: number)
        default: break
        }
        return Patch.Method(name: "combine", options: .object(options), seed: seed)
    }

    private static func scaled(_ sum: EditSum, by factor: Double) -> [Edit] {
        sum.terms.filter { $0.scale != 0 }.map { term in
            Edit(
                tensor: term.edit.tensor, scale: term.scale * factor, delta: term.edit.delta,
                original: term.edit.original)
        }
    }

    private static func merged(_ merged: MergedTensor, _ name: String, _ writer: EditWriter) throws -> Edit? {
        let sum = merged.sum
        let original: ((Range<Int>) throws -> [UInt8])? = sum.needsOriginal ? nil : { try merged.storedOriginal($0) }
        return try writer.edit(
            of: name, type: sum.type, shape: sum.shape, values: { try merged.values($0) }, original: original)
    }

    private static func overlap(_ stack: PatchStack, _ name: String) throws -> Overlap? {
        guard let sum = stack.sum(for: name) else { return nil }
        let merged = MergedTensor(grouping: sum)
        guard merged.parts.count > 1 else { return nil }
        var (elements, opposed) = (0, 0)
        try EditWriter.forEachChunk(of: sum.shape.reduce(1, *)) { range in
            var (risen, fallen) = ([Int](repeating: 0, count: range.count), [Int](repeating: 0, count: range.count))
            for part in merged.parts {
                let values = try merged.values(of: part, range)
                for index in values.indices {
                    if values[index] > 0 { risen[index] += 1 } else if values[index] < 0 { fallen[index] += 1 }
                }
            }
            for index in risen.indices where risen[index] + fallen[index] > 1 {
                elements += 1
                if risen[index] > 0, fallen[index] > 0 { opposed += 1 }
            }
        }
        guard elements > 0 else { return nil }
        return Overlap(tensor: name, patches: merged.parts.map(\.patch), elements: elements, opposed: opposed)
    }
}
