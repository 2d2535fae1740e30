import Foundation
import SutureFormats
import SutureModels
import SutureTensor

/// Vectors of a file, to steer a model with or to take out of it: a ``Subspace``, any safetensors file with one tensor
/// `[width]` or `[k, width]`, or a `.npy` file with such an array.
public struct SteeringVectors: Sendable {
    /// Where they act, if the file says it.
    public let site: Site?
    /// `[k, width]`, float32, of the length that they have in the file.
    public let rows: Tensor
    /// The file's name, for messages.
    let file: String

    /// Throws ``SubspaceError`` with code `badFile` for a file without such vectors, or with values that are not finite.
    public init(contentsOf url: URL) throws {
        self.file = url.relativePath
        if url.pathExtension.lowercased() == "npy" {
            let array = try NPYFile(url, of: .floats)
            guard (1...2).contains(array.shape.count), array.shape.allSatisfy({ $0 > 0 }) else {
                throw Self.refusal(
                    url, expected: "an array of floats, [width] or [k, width]", found: "\(array.type) \(array.shape)")
            }
            (site, rows) = (nil, try Self.rows(array.floats(), array.shape, url))
            return
        }
        let file = try SafetensorsFile(url)
        if file.metadata["suture.subspace"] != nil {
            let subspace = try Subspace(contentsOf: url)
            (site, rows) = (subspace.location.site, try subspace.basis.transposed())
            return
        }
        guard file.tensors.count == 1, let tensor = file.tensors.first, (1...2).contains(tensor.shape.count),
            tensor.type.isPatchable, tensor.shape.allSatisfy({ $0 > 0 })
        else {
            throw Self.refusal(
                url, expected: "one tensor of float32, float16 or bfloat16, [width] or [k, width]",
                found: file.tensors.isEmpty
                    ? "none"
                    : file.tensors.prefix(3).map { "\($0.name) \($0.type) \($0.shape)" }.joined(separator: ", "))
        }
        let values = file.bytes(of: tensor).withUnsafeBytes { bytes in
            (0..<tensor.shape.reduce(1, *)).map { tensor.type.load(bytes, at: $0) }
        }
        (site, rows) = (nil, try Self.rows(values, tensor.shape, url))
    }

    private static func refusal(_ url: URL, expected: String, found: String) -> SubspaceError {
        SubspaceError(
            .badFile, "this file does not hold vectors", subject: url.relativePath, expected: expected, found: found)
    }

    /// `[k, width]`, from one vector or several.
    private static func rows(_ values: [Float], _ shape: [Int], _ url: URL) throws -> Tensor {
        guard values.allSatisfy(\.isFinite) else {
            throw SubspaceError(.badFile, "the vectors are not finite", subject: url.relativePath)
        }
        let width = shape[shape.count - 1]
        return try Tensor(values, shape: [values.count / width, width])
    }

    /// Adds the sum of the vectors, `strength` times, at every position of each run of a model.
    ///
    /// Throws ``SubspaceError`` with code `badRequest` where neither the file nor `site` says where, and `wrongWidth` where
    /// the vectors are not as wide as the site.
    public func steering(_ model: LanguageModel, at site: Site? = nil, strength: Double = 1) throws -> Intervention {
        Intervention(try place(model, site), .add(try rows.sum([0]) * strength))
    }

    /// Takes the part along the vectors out of what is there, at every position of each run of a model.
    ///
    /// Throws as ``steering(_:at:strength:)``, and for vectors that are all zero or span the whole site.
    public func projection(_ model: LanguageModel, at site: Site? = nil) throws -> Intervention {
        let site = try place(model, site)
        let (_, lengths, directions) = try rows.to(.float64).svd()
        let sizes = try lengths.elements(as: Double.self)
        // Vectors that depend on others add no direction.
        let rank = sizes.count { $0 > 1e-6 * sizes[0] && $0 > 0 }
        guard rank > 0, rank < rows.shape[1] else {
            throw SubspaceError(
                .badRequest, "these directions cannot be taken out", subject: file,
                expected: "1 to \(rows.shape[1] - 1) independent ones", found: "\(rank)")
        }
        let basis = try directions.narrowed(0, 0..<rank).transposed().to(.float32)
        return Intervention(site, .projectOut(basis))
    }

    /// The site that is given, or that the file says.
    func site(_ given: Site?) throws -> Site {
        guard let site = given ?? site else {
            throw SubspaceError(
                .badRequest, "the file does not say where its vectors act", subject: file,
                expected: "a site, such as residual.15", hint: "name it with --at")
        }
        return site
    }

    private func place(_ model: LanguageModel, _ given: Site?) throws -> Site {
        let site = try site(given)
        try model.check(site)
        let width = site.width(in: model.architecture)
        guard rows.shape[1] == width else {
            throw SubspaceError(
                .wrongWidth, "the vectors do not fit the site", subject: "\(file) at \(site)",
                expected: "\(width) wide",
                found: "\(rows.shape[1])")
        }
        return site
    }
}
