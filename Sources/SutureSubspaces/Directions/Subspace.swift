import Foundation
import SutureFormats
import SutureModels
import SutureTensor

/// A few directions at a location of a model, and how they were found.
public struct Subspace: Sendable {
    public let location: Location
    /// Orthonormal columns, `[width, k]`, float32.
    public let basis: Tensor
    /// How it was found, such as `das`.
    public let method: String
    public let options: [String: Double]

    /// Throws ``SubspaceError`` with code `wrongWidth` unless the columns are orthonormal to 1e-4.
    public init(_ location: Location, basis: Tensor, method: String, options: [String: Double] = [:]) throws {
        let basis = try basis.detached().to(.float32)
        guard basis.rank == 2, basis.shape[1] > 0, basis.shape[1] <= basis.shape[0] else {
            throw SubspaceError(
                .wrongWidth, "a basis has columns, at most as many as they are long", found: "\(basis.shape)")
        }
        let gram = try basis.transposed().matmul(basis).elements(as: Double.self)
        let k = basis.shape[1]
        let error = gram.enumerated().map { abs($0.element - ($0.offset % (k + 1) == 0 ? 1 : 0)) }.max() ?? 0
        guard error < 1e-4 else {
            throw SubspaceError(
                .wrongWidth, "the columns of a basis are not orthonormal", subject: "\(location)",
                expected: "an error of 1e-4 at most", found: "\(error)")
        }
        self.location = location
        self.basis = basis
        self.method = method
        self.options = options
    }

    /// One direction, brought to length one.
    public init(_ location: Location, direction: Tensor, method: String, options: [String: Double] = [:]) throws {
        let column = try direction.detached().to(.float64).reshaped([-1])
        try self.init(location, basis: (column / column.norm()).unsqueezed(1), method: method, options: options)
    }

    public var width: Int { basis.shape[0] }
    /// The number of directions k.
    public var count: Int { basis.shape[1] }

    /// The patch of the whole subspace.
    public var patch: SubspacePatch { SubspacePatch(location, basis) }

    /// The cosines of the principal angles to another subspace, largest first; for two directions, |cos|.
    public func cosines(to other: Subspace) throws -> [Double] {
        try basis.to(.float64).transposed().matmul(other.basis.to(.float64)).svd().s.elements(as: Double.self)
    }

    /// Throws unless the model has the site, as wide as this.
    public func check(_ model: LanguageModel) throws {
        let expected = location.site.width(in: model.architecture)
        guard expected == width else {
            throw SubspaceError(
                .wrongWidth, "the directions do not fit the model", subject: "\(location)", expected: "\(expected)",
                found: "\(width)")
        }
    }
}

// MARK: - Files

extension Subspace {
    private static let key: ByteString = "suture.subspace"

    /// Writes a safetensors file: `basis` `[width, k]`, and in the metadata the location, the method and its options.
    public func write(to url: URL, overwriting: Bool = false) throws {
        var kept = JSONObject()
        for (name, value) in options.sorted(by: { $0.key < $1.key }) { kept[ByteString(name)] = JSON(value) }
        let about: JSON = [
            "version": 1, "location": JSON(location.description), "method": JSON(method), "options": .object(kept)
        ]
        let bytes = try basis.floats().withUnsafeBytes { Array($0) }
        try SafetensorsWriter.write(
            [SafetensorsSource("basis", .float32, basis.shape, bytes: bytes)],
            metadata: ["format": "pt", Self.key: ByteString(about.serialized())], to: url, overwriting: overwriting)
    }

    /// Reads what ``write(to:overwriting:)`` wrote.
    public init(contentsOf url: URL) throws {
        let file = try SafetensorsFile(url)
        guard let text = file.metadata[Self.key], let tensor = file["basis"], tensor.type == .float32 else {
            throw SubspaceError(
                .badFile, "this is not a file of directions", subject: url.relativePath,
                expected: "\"\(Self.key.string)\" in the metadata and a float32 tensor \"basis\"")
        }
        let about = JSONField(try JSON.parse(text.bytes, source: url.relativePath), source: url.relativePath)
        guard try about.require("version").int == 1 else {
            throw SubspaceError(
                .badFile, "this version of the file is not known", subject: url.relativePath, expected: "1")
        }
        guard let location = Location(try about.require("location").string) else {
            throw SubspaceError(
                .badFile, "this location is not known", subject: url.relativePath,
                found: try about.require("location").string)
        }
        var options: [String: Double] = [:]
        let stored = try about.require("options")
        for (name, _) in try stored.object { options[name.string] = try stored.require(name).double }
        let values = file.bytes(of: tensor).withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        guard values.allSatisfy(\.isFinite) else {
            throw SubspaceError(.badFile, "the directions are not finite", subject: url.relativePath)
        }
        try self.init(
            location, basis: Tensor(values, shape: tensor.shape), method: try about.require("method").string,
            options: options)
    }
}
