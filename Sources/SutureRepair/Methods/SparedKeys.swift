import SutureModels
import SutureTensor

/// The keys that some layers read where the tokens of earlier answers are written: what a change must not touch.
struct SparedKeys {
    /// By layer, `[tokens, m]`; empty where nothing is spared.
    let keys: [Int: Tensor]
    /// Orthonormal rows that span them, by layer.
    private let bases: [Int: Tensor]

    init(_ answers: [TokenizedFailure], on model: LanguageModel, layers: [Int]) throws {
        var keys: [Int: Tensor] = [:]
        let runs = try answers.map {
            try TeacherForcedRun($0, on: model).changing(layers).measured(keysOf: layers).keys
        }
        for layer in layers where !runs.isEmpty {
            keys[layer] = try Tensor.concatenated(runs.compactMap { $0[layer] }, 0)
        }
        self.keys = keys
        bases = try keys.mapValues { keys in
            let (_, sizes, rows) = try keys.to(.float64).svd()
            let list = try sizes.elements(as: Double.self)
            let rank = list.count { $0 > 1e-6 * (list.first ?? 0) }
            return try rows.narrowed(0, 0..<rank).to(.float32)
        }
    }

    /// The rows `[rank, m]` that a change of a layer reads, without what they have in common with the keys: afterwards
    /// the change adds nothing there.
    func removed(from rows: Tensor, layer: Int) throws -> Tensor {
        guard let basis = bases[layer] else { return rows }
        return try rows - rows.matmul(basis.transposed()).matmul(basis)
    }
}
