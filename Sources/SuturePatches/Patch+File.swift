import Foundation
import SutureFormats

extension Patch {
    /// Reads a patch file and checks that its content is what its id says.
    ///
    /// - Throws: `FormatError` for a file that is no safetensors file or lacks entries; ``PatchError`` for a version or
    ///   a kind of edit that is not known, a payload that does not fit, or a content that was changed.
    public init(contentsOf url: URL) throws {
        let file = try SafetensorsFile(url)
        guard let text = file.metadata[Self.metadataKey] else {
            throw PatchError(
                .malformedManifest, "this is not a patch", subject: url.relativePath,
                expected: "a manifest under \"\(Self.metadataKey)\" in the metadata")
        }
        let source = "\(url.relativePath), manifest"
        let manifest = try JSON.parse(text.bytes, source: source)
        try self.init(JSONField(manifest, source: source), payload: file)
    }

    /// Whether a safetensors file says of itself that it is a patch. Throws `FormatError` for any other file.
    public static func isPatch(_ url: URL) throws -> Bool { try SafetensorsFile(url).metadata[metadataKey] != nil }

    /// Writes the patch file; the same patch gives the same bytes.
    ///
    /// - Throws: `FormatError` if there is such a file and `overwriting` is false, or if it cannot be written.
    public func write(to url: URL, overwriting: Bool = false) throws {
        let tensors = payload.map { name, tensor in
            SafetensorsSource(name, tensor.type, tensor.shape, tensor.bytes)
        }
        // Other readers of safetensors files expect a format.
        let metadata: OrderedTable<ByteString> = [
            "format": "pt", Self.metadataKey: ByteString(manifest.serialized())
        ]
        try SafetensorsWriter.write(tensors, metadata: metadata, to: url, overwriting: overwriting)
    }
}
