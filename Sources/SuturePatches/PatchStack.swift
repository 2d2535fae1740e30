import Foundation
import SutureFormats

/// A patch and how much of it.
public struct AppliedPatch: Sendable, Equatable {
    public let patch: Patch
    /// The factor of the patch's change: 1 is all of it, 0 is the base.
    public let scale: Double

    /// A patch and how much of it is applied; 1 is all.
    public init(_ patch: Patch, scale: Double = 1) {
        self.patch = patch
        self.scale = scale
    }
}

/// The patches that a model has, in the order of their application, each once.
///
/// The order is a record: the weights do not depend on it.
public struct PatchStack: Sendable, Equatable {
    public let patches: [AppliedPatch]
    /// The tensors that the patches change, by name, as they are without any of them.
    public let base: OrderedTable<BaseTensor>

    /// - Throws: ``PatchError`` if a patch is there twice, two were made for different models, or a scale is not finite.
    public init(_ patches: [AppliedPatch] = []) throws {
        var base = OrderedTable<BaseTensor>()
        var ids: Set<String> = []
        for applied in patches {
            guard applied.scale.isFinite else {
                throw PatchError(.badScale, "the scale is not a finite number", found: "\(applied.scale)")
            }
            guard ids.insert(applied.patch.id).inserted else {
                throw PatchError(
                    .alreadyApplied, "the model has this patch already", subject: applied.patch.id,
                    hint: "to change its scale, revert it and apply it again")
            }
            try Self.add(applied.patch, to: &base)
        }
        self.patches = patches
        self.base = base
    }

    /// This stack and another on top.
    public func adding(_ patches: [AppliedPatch]) throws -> PatchStack { try PatchStack(self.patches + patches) }

    /// This stack without one patch.
    ///
    /// - Parameter id: its id, or the beginning of it, also without `sha256:`.
    public func removing(_ id: String) throws -> PatchStack {
        let id = try find(id).patch.id
        return try PatchStack(patches.filter { $0.patch.id != id })
    }

    /// The one patch whose id begins so.
    public func find(_ beginning: String) throws -> AppliedPatch {
        let prefix = BaseTensor.digestPrefix
        let wanted = beginning.hasPrefix(prefix) ? beginning : prefix + beginning
        let found = patches.filter { $0.patch.id.hasPrefix(wanted) && wanted != prefix }
        guard let first = found.first else {
            throw PatchError(
                .notApplied, "the model has no such patch", subject: beginning,
                expected: patches.isEmpty ? "a patched model" : patches.map(\.patch.shortID).joined(separator: " or "))
        }
        guard found.count == 1 else {
            throw PatchError(
                .ambiguousID, "several patches have ids that begin so", subject: beginning,
                found: found.map(\.patch.shortID).joined(separator: " and "), hint: "give more digits")
        }
        return first
    }

    /// The patches that change a tensor.
    func patches(of tensor: String) -> [AppliedPatch] {
        patches.filter { $0.patch.base[ByteString(tensor)] != nil }
    }

    /// What is added to a tensor; nil where no patch changes it.
    func sum(for tensor: String) -> EditSum? {
        guard let base = base[ByteString(tensor)] else { return nil }
        let terms = patches.sorted { $0.patch.id < $1.patch.id }.flatMap { applied in
            applied.patch.edits(of: tensor).map {
                EditSum.Term(edit: $0, scale: applied.scale * $0.scale, patch: applied.patch.id)
            }
        }
        return EditSum(type: base.type, shape: base.shape, terms: terms)
    }

    private static func add(_ patch: Patch, to base: inout OrderedTable<BaseTensor>) throws {
        for (name, tensor) in patch.base {
            if let known = base[name], let difference = known.difference(to: tensor, named: name.string) {
                throw PatchError(
                    .conflict, "two patches were made for different models", subject: name.string,
                    expected: difference.expected, found: difference.found, differences: [difference])
            }
            base[name] = tensor
        }
    }
}
