import SutureModels
import SutureTensor

/// A change of one part of a layer.
struct PartEdit {
    let part: LayerPart
    let tensors: [String]
    /// Whether what the part reads was changed, so that its hidden activations are others.
    let rereads: Bool
    /// The original model with this change alone.
    let alone: LanguageModel
    /// The output projection's change: its rank, and what it reads, orthonormal columns `[width, rank]`; nil where it has none.
    let rank: Int
    let reading: Tensor?
    /// The row space of the original projection, and the share of the change's energy that reads it.
    let space: RowSpace
    let rowShare: Double?
    private let rowDelta: Tensor?
    private let nullDelta: Tensor?

    init(_ part: LayerPart, _ tensors: [String], _ original: LanguageModel, _ patched: LanguageModel) throws {
        guard let before = try original.writing(part.hidden), let after = try patched.writing(part.hidden) else {
            throw SubspaceError(.badRequest, "no matrix writes from this site", subject: "\(part.hidden)")
        }
        self.part = part
        self.tensors = tensors
        rereads = tensors.contains { original.architecture.part(of: $0)?.writes == false }
        alone = try original.taking(tensors, from: patched)
        space = try RowSpace(of: before)
        let delta = try after - before
        let energy = try delta.square().sum().item()
        guard energy > 0 else {
            (rank, reading, rowShare, rowDelta, nullDelta) = (0, nil, nil, nil, nil)
            return
        }
        let (_, s, vt) = try delta.to(.float64).svd()
        let values = try s.elements(as: Double.self)
        // What rounding of stored weights adds is no part of the edit.
        let rank = max(1, values.prefix { $0 > 1e-3 * values[0] }.count)
        self.rank = rank
        reading = try vt.narrowed(0, 0..<rank).transposed().to(.float32)
        let row = try space.row(delta).to(.float32)
        rowDelta = row
        nullDelta = try delta - row
        rowShare = try row.square().sum().item() / energy
    }

    /// What the part writes more than the original's, given the same input: the stream of `prompts` under changes below it.
    func added(
        _ prompts: [[Int]], _ changes: [Intervention], _ original: LanguageModel, given known: Activations? = nil
    ) throws -> Added {
        let sites = [part.hidden, part.out]
        let before = try known ?? original.run(prompts, changes, capturing: sites, logits: .none)
        let after = try alone.run(prompts, changes, capturing: sites, logits: .none)
        return Added(
            own: try before[part.out], total: try after[part.out] - before[part.out],
            hiddenBefore: try before[part.hidden], hiddenAfter: try after[part.hidden])
    }

    /// What is added by one route, `[prompts, positions, d]`.
    func added(_ added: Added, along route: PatchPathway.Route) throws -> Tensor {
        func read(_ delta: Tensor?) throws -> Tensor {
            try delta.map { try added.hiddenAfter.linear($0) } ?? added.total * 0
        }
        switch route {
        case .readsRow: return try read(rowDelta)
        case .readsKernel: return try read(nullDelta)
        case .oldOutputs: return try added.total - read(rowDelta) - read(nullDelta)
        }
    }

    /// The units of the hidden activation that are others somewhere in some texts.
    func changedUnits(_ texts: [[Int]], _ original: LanguageModel) throws -> [Int] {
        let added = try added(texts, [], original)
        let largest = try (added.hiddenAfter - added.hiddenBefore).abs().max([0]).max([0])
        let values = try largest.elements(as: Double.self)
        let least = 1e-4 * (values.max() ?? 0)
        return values.indices.filter { values[$0] > least }
    }

    /// What a part writes, and what a change of it adds, `[prompts, positions, width]` each.
    struct Added {
        let own: Tensor
        let total: Tensor
        let hiddenBefore: Tensor
        let hiddenAfter: Tensor

        func along(_ route: PatchPathway.Route, _ edit: PartEdit) throws -> Tensor {
            try edit.added(self, along: route)
        }

        /// For each prompt the token where most is added, what the part itself writes there, and what is added.
        func strongest(lengths: [Int]) throws -> (positions: [Int], own: Tensor, added: Tensor) {
            let norms = try total.norm(2).elements(as: Double.self)
            let width = total.shape[1]
            let positions = lengths.enumerated().map { row, length in
                (0..<length).max { (norms[row * width + $0], $0) < (norms[row * width + $1], $1) } ?? 0
            }
            return (positions, try Self.pick(own, positions), try Self.pick(total, positions))
        }

        func hidden(at positions: [Int]) throws -> (before: Tensor, after: Tensor) {
            (try Self.pick(hiddenBefore, positions), try Self.pick(hiddenAfter, positions))
        }

        private static func pick(_ values: Tensor, _ positions: [Int]) throws -> Tensor {
            let (width, last) = (values.shape[1], values.shape[2])
            return try values.reshaped([-1, last]).indexSelected(0, at: positions.enumerated().map { $0 * width + $1 })
        }
    }
}
