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
public struct Patch: Sendable {
    /// How a patch was found.
    public struct Method: Sendable, Equatable {
        public let name: String
        public let version: String
        /// The options that the method ran with, an object.
        public let options: JSON
        public let seed: Int?
        /// Entries that this version does not know; they are kept.
        let unknown: JSONObject

        /// How a patch was made: a method, its version, its options and its random seed.
        public init(name: String, version: String = "1", options: JSON = [:], seed: Int? = nil) {
            self.init(name: name, version: version, options: options, seed: seed, unknown: [:])
        }

        init(name: String, version: String, options: JSON, seed: Int?, unknown: JSONObject) {
            self.name = name
            self.version = version
            self.options = options
            self.seed = seed
            self.unknown = unknown
        }
    }

    /// `sha256:` and the digest of what the patch does and to what: base, edits and payload, but no notes.
    public let id: String
    /// The tensors that it changes, by name, as they are before.
    public let base: OrderedTable<BaseTensor>
    /// What is changed: each of those tensors has one or more, together and in the same order.
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

    /// What it adds to each element of a tensor at a scale, summed in float64 and rounded once to float32; nothing
    /// for a tensor that it does not change.
    public func added(to tensor: String, scale: Double = 1) throws -> [Float] {
        guard let shape = base[ByteString(tensor)]?.shape else { return [] }
        var sums = [Double](repeating: 0, count: shape.reduce(1, *))
        try sums.withUnsafeMutableBufferPointer { sums in
            for edit in edits(of: tensor) {
                try edit.delta.add(scale * edit.scale, of: 0..<sums.count, shape: shape, to: sums)
            }
        }
        return sums.map { Float($0) }
    }

    /// The edits of the tensor of that name, in their order.
    func edits(of tensor: String) -> [Edit] { edits.filter { $0.tensor == tensor } }
}

extension Patch: Equatable {
    /// Equal in what they do and in all that is noted of them.
    public static func == (a: Patch, b: Patch) -> Bool { a.manifest == b.manifest }
}

// MARK: Checks

extension Patch {
    private static func check(_ edits: [Edit], against base: OrderedTable<BaseTensor>, source: String) throws {
        guard !edits.isEmpty else {
            throw PatchError(.emptyPatch, "the patch changes nothing", subject: source, found: "no edits")
        }
        var names: [ByteString] = []
        for edit in edits where names.last != ByteString(edit.tensor) { names.append(ByteString(edit.tensor)) }
        guard names.elementsEqual(base.keys) else {
            throw PatchError(
                .malformedManifest, "the edits are not those of the base's tensors", subject: source,
                expected: "those of each tensor of the base together, in the same order")
        }
        var changes = false
        for edit in edits {
            guard let tensor = base[ByteString(edit.tensor)] else { continue }
            let subject = "\(source): \(edit.tensor)"
            guard tensor.type.isPatchable else {
                throw PatchError(
                    .unsupportedType, "tensors of this type cannot be patched", subject: subject,
                    expected: "F32, BF16 or F16", found: tensor.type.rawValue)
            }
            guard edit.scale.isFinite else {
                throw PatchError(.badPayload, "the scale of an edit is not finite", subject: subject)
            }
            try edit.delta.check(against: tensor, subject: subject)
            changes = try changes || edit.mayChangeAnything()
        }
        guard changes else {
            throw PatchError(
                .emptyPatch, "the patch changes nothing", subject: source,
                found: "no weight differs after rounding to its type")
        }
    }
}

extension Edit {
    /// Whether at scale 1 some element is another one, as far as can be told without the base.
    fileprivate func mayChangeAnything() throws -> Bool {
        if scale == 0 { return false }
        let values: PayloadTensor
        switch delta {
        case let delta as SliceDelta: values = delta.values
        case let delta as SparseDelta: values = delta.values
        default: return delta.isNonzero
        }
        guard let original else { return values.hasNonzero }
        var changes = false
        try values.forEachChunk { start, values in
            if changes { return }
            let before = try original.floats(start..<start + values.count)
            var element = [UInt8](repeating: 0, count: original.type.width)
            element.withUnsafeMutableBytes { element in
                changes = zip(before, values).contains { before, value in
                    original.type.store(Float(Double(before) + scale * Double(value)), in: element, at: 0)
                    return original.type.load(UnsafeRawBufferPointer(element), at: 0) != before
                }
            }
        }
        return changes
    }
}
