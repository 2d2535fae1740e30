import SutureFormats

/// Two patches of which one gives a neuron another input and output, and the other changes the same neuron.
///
/// Both were made for the neuron as the base has it: together they give it what neither wanted.
public struct NeuronConflict: Sendable, Equatable {
    /// The ids of the patches, in the order of the stack.
    public let patches: [String]
    /// The module whose neuron it is, such as `model.layers.27.mlp`.
    public let module: String
    /// Which neuron of the module.
    public let index: Int
}

extension PatchStack {
    /// Neurons that one patch makes anew and another one changes too, unless it was made on top of the first.
    public var neuronConflicts: [NeuronConflict] {
        let parts = patches.filter { $0.scale != 0 }.map { (patch: $0.patch, slices: $0.patch.slices) }
        return parts.indices.flatMap { second in
            parts[..<second].flatMap { first -> [NeuronConflict] in
                let (a, b) = (first, parts[second])
                if b.patch.parents.contains(a.patch.id) || a.patch.parents.contains(b.patch.id) { return [] }
                return a.slices.filter { place, own in
                    guard let other = b.slices[place] else { return false }
                    return (own.isNeuron || other.isNeuron) && own.meets(other)
                }
                .keys.sorted { ($0.module, $0.index) < ($1.module, $1.index) }
                .map { NeuronConflict(patches: [a.patch.id, b.patch.id], module: $0.module, index: $0.index) }
            }
        }
    }

    /// Throws ``PatchError`` with code `conflict` if patches of the stack exclude one another, and one of them is not in
    /// `present`.
    func refuseConflicts(besides present: PatchStack? = nil) throws {
        let known = Set(present?.patches.map(\.patch.id) ?? [])
        let new = neuronConflicts.filter { !known.isSuperset(of: $0.patches) }
        guard let first = new.first else { return }
        let short = first.patches.map { id in patches.first { $0.patch.id == id }?.patch.shortID ?? id }
        throw PatchError(
            .conflict, "two patches change the same neuron, so that one would undo the other",
            subject: short.joined(separator: " and "),
            found: "neuron \(first.index) of \(first.module)" + (new.count == 1 ? "" : ", and \(new.count - 1) more"),
            hint: "make the second anew on top of the first with suture rebase, or take both with --allow-conflicts")
    }
}

/// Columns and rows of one number that a patch changes in one module.
private struct ChangedSlices {
    var columns: Set<String> = []
    var rows: Set<String> = []

    /// What a neuron reads is a row (or a column) of one matrix, and what it writes a column (or a row) of another.
    var isNeuron: Bool { !columns.isEmpty && !rows.isEmpty && columns != rows }

    func meets(_ other: ChangedSlices) -> Bool {
        !columns.isDisjoint(with: other.columns) || !rows.isDisjoint(with: other.rows)
    }
}

private struct Place: Hashable {
    var module: String
    var index: Int
}

extension Patch {
    /// The columns and rows that the patch changes, by module and number.
    fileprivate var slices: [Place: ChangedSlices] {
        var found: [Place: ChangedSlices] = [:]
        for edit in edits {
            guard let indices = edit.indices else { continue }
            // `model.layers.0.mlp.down_proj.weight` is of `model.layers.0.mlp`.
            let name = edit.tensor.hasSuffix(".weight") ? edit.tensor.dropLast(".weight".count) : edit.tensor[...]
            let module = String(name[..<(name.lastIndex(of: ".") ?? name.startIndex)])
            for index in indices {
                let place = Place(module: module, index: index)
                if edit.kind == .columns {
                    found[place, default: ChangedSlices()].columns.insert(edit.tensor)
                } else {
                    found[place, default: ChangedSlices()].rows.insert(edit.tensor)
                }
            }
        }
        return found
    }
}
