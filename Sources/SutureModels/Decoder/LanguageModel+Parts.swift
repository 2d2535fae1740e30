import SutureTensor

/// A part of one layer that writes to the residual stream, and has a hidden activation of its own.
public struct LayerPart: Hashable, Sendable, CustomStringConvertible {
    /// Attention or the MLP, in the order in which they run.
    public enum Kind: Int, Sendable, Comparable {
        case attention, mlp

        /// Attention runs first.
        public static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }
    }

    public var layer: Int
    public var kind: Kind

    /// The attention or the MLP of a layer.
    public init(_ kind: Kind, layer: Int) {
        self.layer = layer
        self.kind = kind
    }

    /// What its output projection reads: the outputs of all heads, or the hidden activation of the MLP.
    public var hidden: Site { kind == .attention ? .heads(layer) : .mlpHidden(layer) }
    /// What it writes to the residual stream.
    public var out: Site { kind == .attention ? .attentionOut(layer) : .mlpOut(layer) }

    /// `attn.3` or `mlp.3`
    public var description: String { "\(kind == .attention ? "attn" : "mlp").\(layer)" }
}

extension Architecture {
    /// Which part of a layer a checkpoint's tensor belongs to, and whether by it the part writes; nil for embeddings, the
    /// last norm and the head, and for a norm that both parts of a layer share.
    public func part(of tensor: String) -> (part: LayerPart, writes: Bool)? {
        for layer in 0..<layers {
            func isOne(of projections: [TensorNames.Projection?], norms: [String?] = []) -> Bool {
                (projections.compactMap(\.?.tensor) + norms.compactMap(\.self)).contains { template in
                    let name = tensors.name(template, layer: layer)
                    return tensor == name + ".weight" || tensor == name + ".bias"
                }
            }
            let attention = LayerPart(.attention, layer: layer)
            let mlp = LayerPart(.mlp, layer: layer)
            if tensors.attentionNorm == tensors.mlpNorm, isOne(of: [], norms: [tensors.mlpNorm]) { return nil }
            let attentionNorms = [tensors.attentionNorm, tensors.queryNorm, tensors.keyNorm]
            if isOne(of: [tensors.query, tensors.key, tensors.value], norms: attentionNorms) {
                return (attention, false)
            }
            if isOne(of: [tensors.output], norms: [tensors.attentionOutNorm]) { return (attention, true) }
            if isOne(of: [tensors.gate, tensors.up], norms: [tensors.mlpNorm]) { return (mlp, false) }
            if isOne(of: [tensors.down], norms: [tensors.mlpOutNorm]) { return (mlp, true) }
        }
        return nil
    }
}

extension LanguageModel {
    /// The checkpoint's tensors that differ from those of another model of the same architecture, by name.
    public func differences(from other: LanguageModel) throws -> [String] {
        try Set(tensors.keys).union(other.tensors.keys).sorted().filter { name in
            // An added bias.
            if (tensors[name] == nil) != (other.tensors[name] == nil), isAdded(name) { return true }
            guard let mine = tensors[name], let its = other.tensors[name], mine.shape == its.shape else {
                throw ModelError(.badWeights, "the two models do not have the same tensors", subject: name)
            }
            return try mine !== its && (mine.widenedOnce() - its.widenedOnce()).abs().max().item() > 0
        }
    }

    /// The same model with some tensors of another one; a bias that the other does not have is taken away.
    public func taking(_ names: [String], from other: LanguageModel) throws -> LanguageModel {
        let gone = names.filter { other.tensors[$0] == nil && isAdded($0) }
        return try replacing(other.tensors.filter { names.contains($0.key) }, removing: Set(gone))
    }

    private func isAdded(_ name: String) -> Bool { architecture.missingBiases.contains(name) }
}
