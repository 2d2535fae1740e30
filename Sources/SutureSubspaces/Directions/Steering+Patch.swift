import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

extension Steering {
    /// The patch that adds the vectors at its scale 1.
    ///
    /// Throws `PatchError` for a model that stores such a bias although its configuration asks for none, and `emptyPatch` if
    /// all vectors are zeros.
    public func patch(of checkpoint: Checkpoint, method: Patch.Method) throws -> Patch {
        let architecture = try Architecture(checkpoint)
        let changes = try vectors.map { vector in
            let name = try architecture.outputBias(ofLayer: vector.layer)
            guard architecture.hasOutputBias || checkpoint[name] == nil else {
                throw PatchError(
                    .noPlace, "the model stores a bias that its configuration asks not to read",
                    subject: "\(checkpoint.url.relativePath): \(name)")
            }
            return Edit.dense(name, vector.values, shape: [vector.values.count])
        }
        return try Patch(changes, of: checkpoint, method: method)
    }

    /// What a patch adds to the residual stream, at a scale, if that is all it does.
    ///
    /// Throws ``SubspaceError`` with code `badFile` for a patch that changes other tensors.
    public init(_ patch: Patch, scale: Double = 1, of architecture: Architecture, source: String) throws {
        var layers: [String: Int] = [:]
        for layer in 0..<architecture.layers { layers[try architecture.outputBias(ofLayer: layer)] = layer }
        let vectors = try patch.base.map { name, _ in
            guard let layer = layers[name.string] else {
                throw SubspaceError(
                    .badFile, "this patch is no steering vector", subject: source,
                    expected: "changes of biases of MLPs' outputs alone", found: name.string)
            }
            return Vector(layer: layer, values: try patch.added(to: name.string, scale: scale))
        }
        try self.init(vectors, for: architecture, source: source)
    }

    /// Vectors of a file, summed, that act at one site of the residual stream or at what an MLP writes.
    ///
    /// Throws ``SubspaceError`` for a file that does not say where, and for other sites.
    public init(_ vectors: SteeringVectors, at site: Site? = nil, of architecture: Architecture) throws {
        let site = try vectors.site(site)
        let layer: Int
        switch site {
        case .residual(let next) where next > 0: layer = next - 1
        case .mlpOut(let own): layer = own
        default:
            throw SubspaceError(
                .badRequest, "no bias adds a vector at this site", subject: "\(site)",
                expected: "residual.1 ... residual.\(architecture.layers), or mlp.N.out",
                hint: "suture generate --steer adds vectors at any site")
        }
        try self.init(
            [Vector(layer: layer, values: vectors.rows.sum([0]).floats())], for: architecture, source: vectors.file)
    }

    /// The direction of the one layer that is steered, at the last token: what ``Faithfulness`` asks about.
    ///
    /// Throws ``SubspaceError`` for vectors of several layers.
    public func subspace(method: String) throws -> Subspace {
        guard vectors.count == 1, let vector = vectors.first else {
            throw SubspaceError(
                .badRequest, "one direction is examined at a time", expected: "a patch that steers one layer",
                found: "\(vectors.count) layers", hint: "make one with suture steer --layers N")
        }
        return try Subspace(
            Location(.residual(vector.layer + 1), at: .last), direction: Tensor(vector.values), method: method)
    }
}
