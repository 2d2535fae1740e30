import Foundation
import SutureFormats

/// What a patched GGUF file carries behind its end: the patches that it has, and the blocks that were there before.
struct GGUFRecord: Sendable {
    let stack: PatchStack
    /// The blocks of the unpatched file, by their places in it.
    let originals: [Int: [UInt8]]
    /// The SHA-256 of the unpatched file.
    let digest: String
    /// How many bytes the unpatched file has.
    let count: Int

    private static let blocksFile = "suture/blocks.safetensors"
    private static let digestKey: ByteString = "file"

    /// What a file carries; nil for one without patches.
    ///
    /// - Throws: ``PatchError`` or `FormatError` for a record that cannot be trusted.
    init?(of checkpoint: Checkpoint) throws {
        guard let gguf = checkpoint.gguf, let appended = try AppendedFiles(of: gguf.file) else { return nil }
        (stack, originals, digest) = try TemporaryDirectory.use(in: FileManager.default.temporaryDirectory) {
            try appended.extract(to: $0)
            let blocks = try SafetensorsFile($0.appending(path: Self.blocksFile))
            guard let digest = blocks.metadata[Self.digestKey]?.string else { throw Self.malformed(gguf, "no digest") }
            return (try PatchLock.read(in: $0), try Self.read(blocks, checkpoint, gguf), digest)
        }
        count = appended.end
        guard !stack.patches.isEmpty else { throw Self.malformed(gguf, "no patches") }
    }

    init(_ stack: PatchStack, originals: [Int: [UInt8]], digest: String, count: Int) {
        (self.stack, self.originals, self.digest, self.count) = (stack, originals, digest, count)
    }

    private static func malformed(_ file: GGUFFile, _ found: String) -> PatchError {
        PatchError(
            .malformedLock, "the record of the file's patches is broken", subject: file.file.name, found: found,
            hint: "start again from the unpatched model")
    }

    private static func read(
        _ file: SafetensorsFile, _ checkpoint: Checkpoint, _ gguf: GGUFFile
    ) throws -> [Int: [UInt8]] {
        var all: [Int: [UInt8]] = [:]
        for tensor in checkpoint.tensors {
            guard let blocks = file["blocks." + tensor.name], let places = file["places." + tensor.name] else {
                continue
            }
            let (range, type) = try checkpoint.stored(tensor)
            let width = type.blockWidth
            guard places.type == .int64, blocks.type == .uint8, blocks.shape == places.shape + [width] else {
                throw malformed(gguf, "\(tensor.name): \(blocks.shape) blocks in \(places.shape) places")
            }
            let numbers = file.bytes(of: places).withUnsafeBytes { bytes in
                (0..<bytes.count / 8).map {
                    Int(Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)))
                }
            }
            try file.bytes(of: blocks).withUnsafeBytes { bytes in
                for (index, place) in numbers.enumerated() {
                    guard range.contains(place), (place - range.lowerBound).isMultiple(of: width) else {
                        throw malformed(gguf, "\(tensor.name): a block at \(place)")
                    }
                    all[place] = Array(bytes[index * width..<(index + 1) * width])
                }
            }
        }
        let named = file.tensors.reduce(0) { $0 + ($1.shape.count == 1 ? $1.shape[0] : 0) }
        guard all.count == named else {
            throw malformed(gguf, "blocks of tensors that the file does not have, or the same twice")
        }
        return all
    }

    /// Writes the record into an empty directory, from which it is appended.
    func write(to directory: URL, of checkpoint: Checkpoint) throws {
        try PatchLock.write(stack, to: directory)
        var sources: [SafetensorsSource] = []
        let places = originals.keys.sorted()
        for tensor in checkpoint.tensors where stack.base[ByteString(tensor.name)] != nil {
            let (range, type) = try checkpoint.stored(tensor)
            let own = places.filter { range.contains($0) }
            let bytes = own.flatMap { originals[$0] ?? [] }
            let numbers = own.flatMap { place in withUnsafeBytes(of: Int64(place).littleEndian) { Array($0) } }
            sources.append(SafetensorsSource("places." + tensor.name, .int64, [own.count], bytes: numbers))
            sources.append(
                SafetensorsSource("blocks." + tensor.name, .uint8, [own.count, type.blockWidth], bytes: bytes))
        }
        try SafetensorsWriter.write(
            sources, metadata: [Self.digestKey: ByteString(digest)], to: directory.appending(path: Self.blocksFile))
    }
}
