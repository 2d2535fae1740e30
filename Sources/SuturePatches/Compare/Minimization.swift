import Foundation
import SutureFormats

/// A patch with everything left out that a check does not need.
public struct Minimization: Sendable {
    public let patch: Patch
    /// How many columns, rows and other edits there were, and are.
    public let before, after: Int
    /// How often the check ran.
    public let checks: Int

    /// A column, a row, or an edit of another kind.
    private struct Atom: Hashable {
        let edit: Int
        /// Which of the edit's indices; 0 for kinds without.
        let position: Int
    }

    /// Leaves out what can be left out, by delta debugging (ddmin; Zeller and Hildebrandt, 2002): the result holds, and
    /// without any one column, row or other edit of it the check fails.
    ///
    /// - Parameters:
    ///   - holds: the check; it is not run twice on the same patch.
    ///   - patch: the patch.
    /// - Throws: ``PatchError`` with `checkFailed` if the check fails for the whole patch; what `holds` throws.
    public init(of patch: Patch, while holds: (Patch) throws -> Bool) throws {
        var atoms = patch.edits.enumerated().flatMap { number, edit in
            (0..<(edit.indices?.count ?? 1)).map { Atom(edit: number, position: $0) }
        }
        before = atoms.count
        var known: [Set<Atom>: Bool] = [:]
        var runs = 0
        func check(_ kept: [Atom]) throws -> Bool {
            if let result = known[Set(kept)] { return result }
            runs += 1
            var result = false
            do {
                result = try holds(kept.count == atoms.count && runs == 1 ? patch : Self.part(kept, of: patch))
            } catch let error as PatchError where error.code == .emptyPatch {
                // What is left is rounded away.
            }
            known[Set(kept)] = result
            return result
        }
        guard try check(atoms) else {
            throw PatchError(
                .checkFailed, "the check fails with the whole patch", subject: patch.id,
                hint: "the check must hold for what is to be made smaller")
        }
        var parts = 2
        while atoms.count > 1 {
            let size = (atoms.count + parts - 1) / parts
            let chunks = stride(from: 0, to: atoms.count, by: size).map { $0..<min($0 + size, atoms.count) }
            let current = atoms
            let without = try chunks.lazy.map { chunk in
                current.indices.filter { !chunk.contains($0) }.map { current[$0] }
            }.first { try !$0.isEmpty && check($0) }
            if let without {
                atoms = without
                parts = max(parts - 1, 2)
            } else if parts < atoms.count {
                parts = min(2 * parts, atoms.count)
            } else {
                break
            }
        }
        after = atoms.count
        checks = runs
        self.patch = after == before ? patch : try Self.part(atoms, of: patch)
    }

    /// The patch with these atoms alone.
    private static func part(_ atoms: [Atom], of patch: Patch) throws -> Patch {
        var base = OrderedTable<BaseTensor>()
        var edits: [Edit] = []
        for (number, edit) in patch.edits.enumerated() {
            let positions = atoms.filter { $0.edit == number }.map(\.position)
            if positions.isEmpty { continue }
            base[ByteString(edit.tensor)] = patch.base[ByteString(edit.tensor)]
            edits.append(try edit.keeping(positions))
        }
        let options: JSON = ["of": JSON(patch.id), "method": JSON(patch.method.name)]
        return try Patch(
            base: base, edits: edits, method: Patch.Method(name: "minimize", options: options, seed: patch.method.seed),
            results: .null, tool: "suture", created: Date.now.ISO8601Format(), parents: patch.parents, source: patch.id)
    }
}

extension Edit {
    /// This edit with some of its columns or rows only.
    fileprivate func keeping(_ positions: [Int]) throws -> Edit {
        guard let delta = delta as? SliceDelta, positions.count < delta.indices.count else { return self }
        func part(_ tensor: PayloadTensor) throws -> PayloadTensor {
            let size = tensor.bytes.count / delta.indices.count
            let bytes = try positions.flatMap { try tensor.bytes.bytes($0 * size..<($0 + 1) * size) }
            return PayloadTensor(tensor.type, [positions.count, tensor.shape[1]], bytes)
        }
        let kept = SliceDelta(
            isColumns: delta.isColumns, indices: positions.map { delta.indices[$0] }, values: try part(delta.values))
        return Edit(tensor: tensor, scale: scale, delta: kept, original: try original.map(part))
    }
}
