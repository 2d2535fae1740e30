import Foundation
import SutureFormats
import SuturePatches
import SutureTensor

/// Keeps what a method computes once for a model, so that the next repair of the model reads a file instead.
///
/// An entry is a safetensors file, named by the SHA-256 of all that it depends on: the model, the texts, what was
/// computed from them and how. It is checked when it is read; what is missing or not as it should be is computed anew
/// and written over. A directory that cannot be written to costs time and nothing else.
public struct StatisticsCache: Sendable {
    private let checkpoint: Checkpoint
    private let patches: [AppliedPatch]
    private let directory: URL

    /// Goes up with every change of what is computed.
    private static let version = 1

    /// The statistics of one model, with patches on top of its checkpoint, in a directory that need not be there yet.
    public init(
        of checkpoint: Checkpoint, with patches: [AppliedPatch] = [],
        in directory: URL = StatisticsCache.standardDirectory
    ) {
        self.checkpoint = checkpoint
        self.patches = patches
        self.directory = directory
    }

    /// `suture/statistics` in the user's cache directory, which `XDG_CACHE_HOME` names, or else is `~/.cache`.
    public static var standardDirectory: URL { standardDirectory(ProcessInfo.processInfo.environment) }

    /// As the XDG base directory specification has it: a path that is not absolute is not valid, and ignored.
    static func standardDirectory(_ environment: [String: String]) -> URL {
        func directory(_ name: String) -> URL? {
            environment[name].flatMap { $0.hasPrefix("/") ? URL(filePath: $0, directoryHint: .isDirectory) : nil }
        }
        let home = directory("HOME") ?? FileManager.default.homeDirectoryForCurrentUser
        return (directory("XDG_CACHE_HOME") ?? home.appending(path: ".cache")).appending(path: "suture/statistics")
    }

    /// Tensors of float64: those of the entry, or what `make` makes, which is then kept.
    ///
    /// - Parameters:
    ///   - what: what is computed from the texts.
    ///   - texts: token ids.
    ///   - forms: the name and shape of each tensor.
    ///   - make: computes the tensors, in the same order.
    func tensors(
        _ what: String, of texts: [[Int]], _ forms: KeyValuePairs<String, [Int]>, make: () throws -> [Tensor]
    ) throws -> [Tensor] {
        let parts: JSON = [
            "version": JSON(Self.version), "what": JSON(what), "model": JSON(try checkpoint.digest()),
            "patches": .array(patches.map { [JSON($0.patch.id), JSON($0.scale)] }),
            "texts": .array(texts.map { .array($0.map { JSON($0) }) })
        ]
        let key = Digest.sha256(parts.serialized())
        let url = directory.appending(path: "\(key).safetensors")
        if let kept = try? read(url, key, forms) { return kept }
        let made = try make()
        try? write(made, forms, to: url, key)
        return made
    }

    private func write(_ tensors: [Tensor], _ forms: KeyValuePairs<String, [Int]>, to url: URL, _ key: String) throws {
        try FileManager.default.makeDirectory(directory)
        var digest = Digest()
        let sources = try zip(forms, tensors).map { form, tensor in
            let bytes = try tensor.elements(as: Double.self).withUnsafeBytes { [UInt8]($0) }
            bytes.withUnsafeBytes { digest.update($0) }
            return SafetensorsSource(form.key, .float64, form.value, bytes: bytes)
        }
        try SafetensorsWriter.write(
            sources, metadata: ["key": ByteString(key), "sha256": ByteString(digest.hexadecimal)], to: url,
            overwriting: true)
    }

    /// The tensors of a file that is whole and holds what it should; nil for any other.
    private func read(_ url: URL, _ key: String, _ forms: KeyValuePairs<String, [Int]>) throws -> [Tensor]? {
        let file = try SafetensorsFile(url)
        guard file.metadata["key"] == ByteString(key), file.tensors.count == forms.count else { return nil }
        var digest = Digest()
        var tensors: [Tensor] = []
        for (name, shape) in forms {
            guard let tensor = file[name], tensor.type == .float64, tensor.shape == shape else { return nil }
            let elements = file.bytes(of: tensor).withUnsafeBytes { bytes in
                digest.update(bytes)
                return [Double](unsafeUninitializedCapacity: bytes.count / 8) { buffer, count in
                    UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
                    count = bytes.count / 8
                }
            }
            guard elements.allSatisfy(\.isFinite) else { return nil }
            tensors.append(try Tensor(elements, shape: shape))
        }
        return file.metadata["sha256"] == ByteString(digest.hexadecimal) ? tensors : nil
    }
}
