import SutureModels
import SutureTensor

// How the keys of some layers, the hidden activations k that output projections read, are distributed over reference
// texts or a corpus.

/// E[k^2] of each neuron of all layers: cheap in memory whatever the width.
public struct KeyEnergies: Sendable {
    private let energies: LayerTensors

    init(_ material: RepairMaterial) throws {
        let layers = Array(0..<material.model.architecture.layers)
        energies = try LayerTensors("energies of keys", material, layers, .energies)
    }

    /// D = 1 / (E[k^2] + 1e-3 mean E[k^2]) of a layer, `[m]`, float64: what is often active should change little.
    func preconditioner(_ layer: Int) throws -> Tensor {
        let energy = try energies[layer]
        return try (energy + energy.mean() * 1e-3).reciprocal()
    }
}

/// The second moments C = E[k k^T] of the keys of some layers, made ready to be solved with.
public struct KeyMoments: Sendable {
    /// The Cholesky factors of C with a ridge, `[m, m]`, float64.
    private let factors: LayerTensors

    /// `ridge`, relative to the mean diagonal element, is added to the diagonal.
    init(_ material: RepairMaterial, layers: [Int], ridge: Double) throws {
        factors = try LayerTensors("moments of keys", material, layers, .moments).mapValues {
            try $0.ridged(by: ridge).cholesky()
        }
    }

    /// The rows C^-1 k of keys `[n, m]`.
    func lifted(_ keys: Tensor, layer: Int) throws -> Tensor {
        try keys.transposed().solved(cholesky: factors[layer]).transposed()
    }
}

/// What projects onto the keys of some layers that hardly ever occur.
public struct RareKeys: Sendable {
    private let projectors: LayerTensors

    /// The eigenvectors of second moments whose eigenvalues are below `threshold` times their mean span what is rare.
    init(_ material: RepairMaterial, layers: [Int], threshold: Double) throws {
        let width = material.model.architecture.hiddenWidth
        projectors = try LayerTensors("rare keys, below \(threshold)", material, layers, shape: [width, width]) {
            try LayerTensors("moments of keys", material, $0, .moments).mapValues { moment in
                let (values, vectors) = try moment.symmetricEigen()
                let rare = try vectors * (values .< (values.mean() * threshold)).to(.float64)
                return try rare.matmul(rare.transposed())
            }.tensors
        }
    }

    /// The part of keys `[n, m]` that is rare.
    func projected(_ keys: Tensor, layer: Int) throws -> Tensor { try keys.matmul(projectors[layer]) }
}

/// A tensor for each of some layers.
private struct LayerTensors: Sendable {
    private(set) var tensors: [Int: Tensor]

    /// Kept or made, all layers in one pass over the texts.
    init(
        _ what: String, _ material: RepairMaterial, _ layers: [Int], shape: [Int], _ sums: StatisticsRequest.Sums
    ) throws {
        let stack = try material.tensors(
            StatisticsRequest(
                what: "\(what), layers \(layers.map(String.init).joined(separator: " "))", texts: material.texts,
                forms: ["layers": [layers.count] + shape], sums: sums))[0]
        tensors = try layers.enumerated().reduce(into: [:]) { $0[$1.element] = try stack.selected(0, $1.offset) }
    }

    /// The means of what is added up over keys.
    init(_ what: String, _ material: RepairMaterial, _ layers: [Int], _ kind: KeySums.Kind) throws {
        let width = material.model.architecture.hiddenWidth
        let keys = KeySums(kind, of: material.model, layers, in: material.texts)
        try self.init(
            what, material, layers, shape: kind == .moments ? [width, width] : [width],
            StatisticsRequest.Sums(parts: keys.parts.count, begin: keys.begin) {
                try keys.add($0, to: &$1, progress: material.progress)
            } finish: {
                [try Tensor.stacked(keys.means($0))]
            })
    }

    /// What is made of other statistics.
    init(
        _ what: String, _ material: RepairMaterial, _ layers: [Int], shape: [Int],
        make: @escaping ([Int]) throws -> [Int: Tensor]
    ) throws {
        let sums = StatisticsRequest.Sums { _, sums in
            let made = try make(layers)
            sums = [try Tensor.stacked(layers.compactMap { made[$0] })]
        }
        try self.init(what, material, layers, shape: shape, sums)
    }

    subscript(layer: Int) -> Tensor {
        get throws {
            guard let tensor = tensors[layer] else {
                throw RepairError(.badRequest, "there are no statistics of layer \(layer)")
            }
            return tensor
        }
    }

    func mapValues(_ body: (Tensor) throws -> Tensor) throws -> LayerTensors {
        var result = self
        result.tensors = try tensors.mapValues(body)
        return result
    }
}
