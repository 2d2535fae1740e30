/// How a projection's matrix is stored.
public enum Orientation: String, Sendable, Codable {
    /// `[out, in]`, as in PyTorch's Linear: a write vector is a column.
    case outIn
    /// `[in, out]`, as in GPT-2's Conv1D: a write vector is a row.
    case inOut
}

/// Where an architecture's tensors stand in a checkpoint; `{}` is the layer.
public struct TensorNames: Sendable, Equatable {
    /// A linear map: a whole tensor, or one of several that share it.
    public struct Projection: Sendable, Equatable {
        var tensor: String
        var orientation: Orientation = .outIn
        var bias = false
        /// Which output features of the tensor, where several projections share it.
        var part: Part?

        /// Where an output feature of the projection stands in the tensor.
        func index(of feature: Int) -> Int { part?.index(of: feature) ?? feature }
    }

    /// Some output features of a tensor that consists of equal blocks: the same stretch of each block, in their order.
    ///
    /// One block holds queries, keys and values side by side; a block for each head holds those of one head each.
    public struct Part: Sendable, Equatable {
        /// The stretch: where in a block it begins, and how long it is.
        var start: Int
        var count: Int
        var block: Int

        init(from start: Int, count: Int, ofBlock block: Int) {
            self.start = start
            self.count = count
            self.block = block
        }

        /// How many features the whole tensor has if the part has so many.
        func stored(_ features: Int) -> Int { features / count * block }

        func index(of feature: Int) -> Int { feature / count * block + start + feature % count }
    }

    /// What may stand before every name; the first for which the embedding exists is taken.
    var prefixes: [String]
    var embedding: String
    var positions: String?
    /// Nil where attention reads the stream as it is.
    var attentionNorm: String?
    var query, key, value, output: Projection
    /// The norms of queries and keys, before they are rotated: of each head's, or of all heads' together.
    var queryNorm, keyNorm: String?
    /// The same as ``attentionNorm`` where both share one.
    var mlpNorm: String?
    /// The norms of what attention and the MLP write.
    var attentionOutNorm, mlpOutNorm: String?
    var gate: Projection?
    var up, down: Projection
    var finalNorm: String
    /// The head, without prefix; the matrix is not read where it is tied.
    var head: Projection
    /// The prefix that this checkpoint uses.
    var prefix = ""

    func name(_ template: String, layer: Int = 0) -> String {
        prefix
            + template.split(separator: "{}", maxSplits: 1, omittingEmptySubsequences: false).joined(
                separator: "\(layer)")
    }

    /// The names that the tensors of a layer can have.
    func tensors(ofLayer layer: Int) -> Set<String> {
        let projections = [query, key, value, output, gate, up, down].compactMap(\.?.tensor)
        let norms = [attentionNorm, queryNorm, keyNorm, mlpNorm, attentionOutNorm, mlpOutNorm].compactMap(\.self)
        return Set((projections + norms).map { name($0, layer: layer) }.flatMap { [$0 + ".weight", $0 + ".bias"] })
    }
}
