import Foundation

/// Weights as PyTorch pickles them: a program that makes them, which is not run here.
enum PickledWeights {
    /// Throws ``FormatError`` for a file that is one, by its first bytes; says nothing of files that cannot be read.
    static func refuse(_ url: URL) throws {
        guard let file = try? MappedFile(url), file.bytes.count >= 4 else { return }
        let start = withExtendedLifetime(file) { Array(file.bytes.prefix(4)) }
        // A zip archive, or a pickle of protocol 2 to 5.
        guard start == [0x50, 0x4B, 0x03, 0x04] || start[0] == 0x80 && (2...5).contains(start[1]) else { return }
        throw FormatError(
            .unknownType, "pickled weights are not read: they are a program", subject: url.relativePath,
            expected: "safetensors", hint: hint(url.relativePath))
    }

    /// Whether a file of this name may be one.
    static func isName(_ name: String) -> Bool { [".bin", ".pth", ".pt", ".ckpt"].contains { name.hasSuffix($0) } }

    /// How one becomes a safetensors file.
    static func hint(_ path: String) -> String {
        let stem = URL(filePath: path).deletingPathExtension().lastPathComponent
        return "in Python: import torch, safetensors.torch as s; "
            + "s.save_file(torch.load('\(path)', weights_only=True), '\(stem).safetensors')"
    }
}
