import Foundation
import SutureFormats

/// A stored change of weights: what is added where, what was there before, who made it and what is known of it.
///
/// A patch never changes. It is written as one safetensors file, specified in `Documentation/patch-format.md`, and known
/// by the digest of its content:
///
/// ```swift
/// let patch = try Patch(contentsOf: url)
/// let patched = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch, scale: 0.5)])
/// try patched.write(to: directory)
/// ```
public struct Patch: Sendable, Equatable {
    /// How a patch was found.
    public struct Method: Sendable, Equatable {
        public let name: String
        public let version: String
        /// The options that the method ran with, an object.
        public let options: JSON
        public let seed: Int?

        public init(name: String, version: String = "1", options: JSON = [:], seed: Int? = nil) {
            self.name = name
            self.version = version
            self.options = options
            self.seed = seed
        }
    }

    /// `sha256:` and the digest of what the patch does and to what: base, edits and payload, but no notes.
    public let id: String
    /// The tensors that it changes, by name, as they are before.
    public let base: OrderedTable<BaseTensor>
    /// One for each of those tensors, in the same order.
    public let edits: [Edit]
    public let method: Method
    /// What the method measured: free form, null if it says nothing.
    public let results: JSON
    /// The software that wrote it.
    public let tool: String
    /// When it was made, as ISO 8601 in UTC.
    public let created: String
    /// The ids of patches that the model had when this one was made for it.
    public let parents: [String]
    /// Entries of the manifest that this version does not know; they are kept.
    let unknown: JSONObject

    /// Checks everything that can be checked without the base.
    ///
    /// - Throws: ``PatchError`` for edits that do not fit the base, a payload that is not finite, or no effect at all.
    init(
        base: OrderedTable<BaseTensor>, edits: [Edit], method: Method, results: JSON, tool: String, created: String,
        parents: [String], unknown: JSONObject = [:], source: String
    ) throws {
        try Self.check(edits, against: base, source: source)
        id = Self.id(base: base, edits: edits)
        self.base = base
        self.edits = edits
        self.method = method
        self.results = results
        self.tool = tool
        self.created = created
        self.parents = parents
        self.unknown = unknown
    }

    /// The first digits of the id, for people and for file names.
    public var shortID: String { String(id.dropFirst(BaseTensor.digestPrefix.count).prefix(16)) }

    /// The edit of the tensor of that name.
    func edit(of tensor: String) -> Edit? { base.position(of: ByteString(tensor)).map { edits[$0] } }
}

// MARK: Checks

extension Patch {
    private static func check(_ edits: [Edit], against base: OrderedTable<BaseTensor>, source: String) throws {
        guard !edits.isEmpty else {
            throw PatchError(.emptyPatch, "the patch changes nothing", subject: source, found: "no edits")
        }
        guard edits.map({ ByteString($0.tensor) }).elementsEqual(base.keys) else {
            throw PatchError(
                .malformedManifest, "the edits are not those of the base's tensors", subject: source,
                expected: "one edit for each tensor of the base, in the same order")
        }
        var changes = false
        for (edit, (_, tensor)) in zip(edits, base) {
            try check(edit, against: tensor, source: source)
            changes = try changes || edit.changesAnything(type: tensor.type)
        }
        guard changes else {
            throw PatchError(
                .emptyPatch, "the patch changes nothing", subject: source,
                found: "no weight differs after rounding to its type")
        }
    }

    private static func check(_ edit: Edit, against base: BaseTensor, source: String) throws {
        let subject = "\(source): \(edit.tensor)"
        guard base.type.isPatchable else {
            throw PatchError(
                .unsupportedType, "tensors of this type cannot be patched", subject: subject,
                expected: "F32, BF16 or F16", found: base.type.rawValue)
        }
        guard base.shape.count == 2, base.shape.allSatisfy({ $0 > 0 }) else {
            throw PatchError(
                .malformedManifest, "only a matrix has columns and rows", subject: subject, found: "\(base.shape)")
        }
        let count = Edit.count(edit.kind, shape: base.shape)
        let isAscending = zip(edit.indices, edit.indices.dropFirst()).allSatisfy { $0 < $1 }
        guard let first = edit.indices.first, let last = edit.indices.last, isAscending, first >= 0, last < count else {
            throw PatchError(
                .malformedManifest, "impossible indices of \(edit.kind.rawValue)", subject: subject,
                expected: "ascending, each once, in 0..<\(count)",
                found: edit.indices.isEmpty ? "none" : "\(edit.indices.prefix(8))")
        }
        let length = Edit.length(edit.kind, shape: base.shape)
        let (elements, overflows) = edit.indices.count.multipliedReportingOverflow(by: length)
        guard !overflows, edit.delta.count == elements, edit.original.count / base.type.width == elements else {
            throw PatchError(
                .badPayload, "the payload does not fit the edit", subject: subject,
                expected: "[\(edit.indices.count), \(length)]", found: "\(edit.delta.count) elements")
        }
        guard edit.delta.allSatisfy(\.isFinite) else {
            throw PatchError(.badPayload, "the payload is not finite", subject: subject)
        }
    }
}

extension Edit {
    /// Whether at scale 1 some element is another one.
    fileprivate func changesAnything(type: StorageType) throws -> Bool {
        var element = [UInt8](repeating: 0, count: type.width)
        return original.withUnsafeBytes { original in
            element.withUnsafeMutableBytes { element in
                delta.indices.contains { index in
                    let before = type.load(original, at: index)
                    type.store(Float(Double(before) + Double(delta[index])), in: element, at: 0)
                    return type.load(UnsafeRawBufferPointer(element), at: 0) != before
                }
            }
        }
    }
}
