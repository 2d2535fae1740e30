import Foundation
import SutureFormats
import SuturePatches
import SutureTensor

/// Statistics of one model in a safetensors file, to be kept beside it and shared: what ``StatisticsRecorder`` writes.
///
/// Metadata `statistics` says in JSON what they are of: the digest of the model, its patches, and for each entry what was
/// computed and the digest of the texts' tokens. Entry i has the tensors `i.NAME`, float64; metadata `sha256` is of all
/// tensors' bytes in their order.
public struct StatisticsFile: StatisticsSource {
    static let schema = "suture.statistics/1"

    /// What the file has.
    struct Entry: Equatable {
        let what, texts: String
    }

    private let file: SafetensorsFile
    private let entries: [Entry]
    /// Where to look for what the file does not have; nil to refuse.
    public var otherwise: (any StatisticsSource)?

    /// Opens the statistics of a model with patches on top.
    ///
    /// Throws ``RepairError`` with code `otherStatistics` for those of another model or other patches, and `FormatError` for
    /// a file that is damaged or something else.
    public init(_ url: URL, of checkpoint: Checkpoint, with patches: [AppliedPatch] = []) throws {
        file = try SafetensorsFile(url)
        let source = url.relativePath
        guard let manifest = file.metadata["statistics"] else {
            throw FormatError(
                .malformedMetadata, "this file holds no statistics", subject: source,
                expected: "what suture statistics writes")
        }
        let fields = JSONField(try JSON.parse(manifest.bytes, source: source), source: source)
        let (schema, version) = (try fields.require("schema").string, try fields.require("version").int)
        guard schema == Self.schema, version == StatisticsCache.version else {
            throw FormatError(
                .unsupportedVersion, "the statistics are of another version of suture", subject: source,
                expected: "\(Self.schema), version \(StatisticsCache.version)", found: "\(schema), version \(version)",
                hint: "make them again with suture statistics")
        }
        entries = try fields.require("entries").array.map {
            Entry(what: try $0.require("what").string, texts: try $0.require("texts").string)
        }
        let model = try fields.require("model").string
        let digest = try checkpoint.digest()
        guard model == digest else {
            throw RepairError(
                .otherStatistics, "these are the statistics of another model", subject: source,
                expected: "\(checkpoint.url.relativePath) with SHA-256 \(digest.prefix(12))...",
                found: "SHA-256 \(model.prefix(12))...", hint: "make its own with suture statistics")
        }
        guard try fields.require("patches").value == Self.list(patches) else {
            throw RepairError(
                .otherStatistics, "these are the statistics of the model with other patches", subject: source,
                expected: Self.list(patches).text, found: try fields.require("patches").value.text,
                hint: "make them with the same --patch, in the same order")
        }
        guard KeptTensors.isWhole(file) else {
            throw FormatError(
                .sizeMismatch, "the statistics are damaged: their bytes are not those that were written",
                subject: source, hint: "fetch the file again")
        }
    }

    /// The entry that is asked for.
    ///
    /// Throws ``RepairError`` with code `otherStatistics` where the file does not have it, unless there is ``otherwise``.
    public func tensors(_ request: StatisticsRequest) throws -> [Tensor] {
        let wanted = Entry(what: request.what, texts: request.textDigest)
        guard let place = entries.firstIndex(of: wanted) else {
            if let otherwise { return try otherwise.tensors(request) }
            let same = entries.contains { $0.what == wanted.what }
            throw RepairError(
                .otherStatistics,
                same ? "these statistics are of other texts" : "these statistics are not what the method needs",
                subject: file.file.name,
                expected: same ? "the same --corpus, and --chat or not, as here" : request.what,
                found: same ? nil : entries.map(\.what).joined(separator: "; "),
                hint: "make them with suture statistics, and the same options")
        }
        guard
            let tensors = try KeptTensors.read(
                request.forms.map { (name: "\(place).\($0.key)", shape: $0.value) }, of: file)
        else {
            throw FormatError(
                .sizeMismatch, "the statistics do not have the form that they say", subject: file.file.name,
                expected: request.forms.map { "\(place).\($0.key) \($0.value)" }.joined(separator: ", "),
                hint: "make them again with suture statistics")
        }
        return tensors
    }

    static func list(_ patches: [AppliedPatch]) -> JSON {
        .array(patches.map { [JSON($0.patch.id), JSON($0.scale)] })
    }
}

extension JSON {
    fileprivate var text: String { String(decoding: serialized(), as: UTF8.self) }
}
