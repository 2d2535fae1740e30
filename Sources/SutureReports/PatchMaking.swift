import Foundation
import SuturePatches

/// What there is to say of how a patch was made.
public struct PatchMaking: Sendable {
    let facts: any Encodable & Sendable
    let blocks: [Report.Block]

    /// Of a difference: what of it the patch does not have.
    public init(_ extraction: Extraction) {
        facts = Extracted(lost: extraction.losses, ignored: extraction.ignored)
        blocks = [.facts([.init("Lost", extraction.lost)])]
    }

    /// Of a signature: its layers, and how large it is beside the model, in bytes of files.
    public init(signature extraction: Extraction, bytes: Int, modelBytes: Int) {
        let layers = extraction.patch.method.options.objectValue?["layers"]?.arrayValue ?? []
        let compaction = Double(modelBytes) / Double(bytes)
        facts = Signed(
            layers: layers.compactMap(\.stringValue), bytes: bytes, modelBytes: modelBytes, compaction: compaction,
            lost: extraction.losses)
        blocks = [
            .facts([
                .init("Lost", extraction.lost), .init("Size", "\(bytes) bytes"),
                .init("Compaction", String(format: "%.1f times smaller than the model", compaction))
            ])
        ]
    }

    /// Of several patches: the tensors that more than one of them changes.
    public init(_ combination: Combination) {
        facts = Combined(
            overlaps: combination.overlaps.map {
                Combined.Overlap(tensor: $0.tensor, patches: $0.patches, elements: $0.elements, opposed: $0.opposed)
            })
        let table = Report.Table(
            columns: ["Tensor", "Patches", .number("Elements"), .number("Opposed")],
            rows: combination.overlaps.map { overlap in
                [
                    .init(overlap.tensor), .init(overlap.patches.map(Self.short).joined(separator: ", ")),
                    .init("\(overlap.elements)"), .init("\(overlap.opposed)")
                ]
            })
        blocks = [
            .heading("Changed by several"), combination.overlaps.isEmpty ? .paragraph("Nothing.") : .table(table)
        ]
    }

    /// Of a larger patch: how much of it is left.
    public init(_ minimization: Minimization) {
        facts = ["before": minimization.before, "after": minimization.after, "checks": minimization.checks]
        blocks = [
            .facts([
                .init("Left", "\(minimization.after) of \(minimization.before) columns, rows and other edits"),
                .init("Checks", "\(minimization.checks)")
            ])
        ]
    }

    /// The first digits of an id.
    private static func short(_ id: String) -> String { String(id.drop { $0 != ":" }.dropFirst().prefix(8)) }
}

private struct Extracted: Encodable, Sendable {
    var lost: [LostPart]
    var ignored: [String]
}

private struct Signed: Encodable, Sendable {
    var layers: [String]
    /// Of the patch file, and of the model's weight files.
    var bytes, modelBytes: Int
    /// The ratio of these.
    var compaction: Double
    var lost: [LostPart]
}

private struct Combined: Encodable, Sendable {
    struct Overlap: Encodable, Sendable {
        var tensor: String
        /// The ids.
        var patches: [String]
        var elements, opposed: Int
    }
    var overlaps: [Overlap]
}

/// What a patch does not have of the difference of a tensor.
private struct LostPart: Encodable, Sendable {
    var tensor: String
    /// Its norm, as a fraction of that of the difference.
    var error: Double
}

extension Extraction {
    fileprivate var losses: [LostPart] { parts.map { LostPart(tensor: $0.tensor, error: $0.error) } }

    /// The greatest loss, for people.
    fileprivate var lost: String {
        guard let worst = parts.max(by: { $0.error < $1.error }), worst.error > 0 else { return "nothing" }
        return "at most \(String(format: "%.2g", worst.error)) of a tensor's difference (\(worst.tensor))"
    }
}
