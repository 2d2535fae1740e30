import SutureModels
import SutureTensor

/// How the keys of some layers, the hidden activations k that output projections read, are distributed over reference
/// texts or a corpus.
public struct KeyStatistics: Sendable {
    /// E[k^2] of each neuron by layer, `[m]`, float64.
    let energies: [Int: Tensor]
    /// The Cholesky factor of C = E[k k^T] with a ridge, by layer, `[m, m]`, float64; empty unless asked for.
    private(set) var factors: [Int: Tensor] = [:]
    /// By layer, what projects onto the keys that hardly ever occur, `[m, m]`, float64; empty unless asked for.
    private(set) var projectors: [Int: Tensor] = [:]

    /// The rows C^-1 k of keys `[n, m]`.
    func lifted(_ keys: Tensor, layer: Int) throws -> Tensor {
        guard let factor = factors[layer] else {
            throw RepairError(.badRequest, "there are no statistics of layer \(layer)")
        }
        return try keys.transposed().solved(cholesky: factor).transposed()
    }

    /// Only the energies, of all layers: cheap in memory whatever the width.
    static func energies(
        _ model: LanguageModel, texts: [[Int]], cache: StatisticsCache?, progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> KeyStatistics {
        let stacked = try stacked(
            "energies of keys", model, texts, Array(0..<model.architecture.layers),
            shape: [model.architecture.hiddenWidth], cache
        ) { try model.keyEnergies(texts, layers: $0, progress: progress) }
        return KeyStatistics(energies: stacked)
    }

    /// Second moments of a few layers, made ready to be solved with: `ridge`, relative to the mean diagonal element, is
    /// added to the diagonal.
    static func moments(
        _ model: LanguageModel, texts: [[Int]], layers: [Int], ridge: Double, cache: StatisticsCache?,
        progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> KeyStatistics {
        let moments = try moments(model, texts, layers, cache, progress)
        var statistics = KeyStatistics(energies: try moments.mapValues(diagonal))
        statistics.factors = try moments.mapValues { try $0.ridged(by: ridge).cholesky() }
        return statistics
    }

    /// The projectors onto the eigenvectors of second moments whose eigenvalues are below `threshold` times their mean.
    static func projectors(
        _ model: LanguageModel, texts: [[Int]], layers: [Int], threshold: Double, cache: StatisticsCache?,
        progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> KeyStatistics {
        let width = model.architecture.hiddenWidth
        let projectors = try stacked(
            "rare keys, below \(threshold)", model, texts, layers, shape: [width, width], cache
        ) { layers in
            try moments(model, texts, layers, cache, progress).mapValues { moment in
                let (values, vectors) = try moment.symmetricEigen()
                let rare = try vectors * (values .< (values.mean() * threshold)).to(.float64)
                return try rare.matmul(rare.transposed())
            }
        }
        var statistics = KeyStatistics(energies: [:])
        statistics.projectors = projectors
        return statistics
    }

    private static func moments(
        _ model: LanguageModel, _ texts: [[Int]], _ layers: [Int], _ cache: StatisticsCache?,
        _ progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> [Int: Tensor] {
        let width = model.architecture.hiddenWidth
        return try stacked("moments of keys", model, texts, layers, shape: [width, width], cache) {
            try model.keyMoments(texts, layers: $0, progress: progress)
        }
    }

    private static func diagonal(_ matrix: Tensor) throws -> Tensor {
        let width = matrix.shape[0]
        let places = try Tensor((0..<width).map { $0 * (width + 1) }, device: matrix.device)
        return try matrix.reshaped([-1]).gathered(0, at: places)
    }

    /// One tensor for each layer, from the cache or made, all layers in one pass over the texts.
    private static func stacked(
        _ what: String, _ model: LanguageModel, _ texts: [[Int]], _ layers: [Int], shape: [Int],
        _ cache: StatisticsCache?, make: ([Int]) throws -> [Int: Tensor]
    ) throws -> [Int: Tensor] {
        guard texts.contains(where: { !$0.isEmpty }) else {
            throw RepairError(.badRequest, "there are no reference texts")
        }
        func all() throws -> [Tensor] {
            let made = try make(layers)
            return [try Tensor.stacked(layers.compactMap { made[$0] })]
        }
        let name = "\(what), layers \(layers.map(String.init).joined(separator: " "))"
        let kept = try cache?.tensors(name, of: texts, ["layers": [layers.count] + shape], make: all) ?? all()
        let stack = try kept[0].to(model.device)
        return try layers.enumerated().reduce(into: [:]) { $0[$1.element] = try stack.selected(0, $1.offset) }
    }
}
