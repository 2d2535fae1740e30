import Foundation
import SutureFormats
import SutureModels
import SutureTensor

/// Vectors of a file, to steer a model with or to take out of it: a ``Subspace``, or any safetensors file with one tensor
/// `[width]` or `[k, width]`.
public struct SteeringVectors: Sendable {
    /// Where they act, if the file says it.
    public let site: Site?
    /// `[k, width]`, float32, of the length that they have in the file.
    public let rows: Tensor

    /// Throws ``SubspaceError`` with code `badFile` for a file without such vectors, or with values that are not finite.
    public init(contentsOf url: URL) throws {
        let file = try SafetensorsFile(url)
        if file.metadata["suture.subspace"] != nil {
            let subspace = try Subspace(contentsOf: url)
            (site, rows) = (subspace.location.site, try subspace.basis.transposed())
            return
        }
        guard file.tensors.count == 1, let tensor = file.tensors.first, (1...2).contains(tensor.shape.count),
            tensor.type.isPatchable, tensor.shape.allSatisfy({ $0 > 0 })
        else {
            throw SubspaceError(
                .badFile, "this file does not hold vectors", subject: url.relativePath,
                expected: "one tensor of float32, float16 or bfloat16, [width] or [k, width]",
                found: file.tensors.prefix(3).map { "\($0.name) \($0.shape)" }.joined(separator: ", "))
        }
        let values = file.bytes(of: tensor).withUnsafeBytes { bytes in
            (0..<tensor.shape.reduce(1, *)).map { tensor.type.load(bytes, at: $0) }
        }
        guard values.allSatisfy(\.isFinite) else {
            throw SubspaceError(.badFile, "the vectors are not finite", subject: url.relativePath)
        }
        let width = tensor.shape[tensor.shape.count - 1]
        (site, rows) = (nil, try Tensor(values, shape: [values.count / width, width]))
    }

    /// Adds the sum of the vectors, `strength` times, at every position of each run.
    ///
    /// Throws ``SubspaceError`` with code `badRequest` where neither the file nor `site` says where.
    public func steering(at site: Site? = nil, strength: Double = 1) throws -> Intervention {
        Intervention(try place(site), .add(try rows.sum([0]) * strength))
    }

    /// Takes the part along the vectors out of what is there, at every position of each run.
    public func projection(at site: Site? = nil) throws -> Intervention {
        let basis = try rows.to(.float64).transposed().qr().q.to(.float32)
        return Intervention(try place(site), .projectOut(basis))
    }

    private func place(_ site: Site?) throws -> Site {
        if let site = site ?? self.site { return site }
        throw SubspaceError(
            .badRequest, "the file does not say where its vectors act", expected: "a site, such as residual.15")
    }
}
