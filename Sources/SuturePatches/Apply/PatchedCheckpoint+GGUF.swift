import Foundation
import SutureFormats

/// How much of a change the blocks of a GGUF file could not hold.
public struct GGUFRounding: Sendable, Equatable {
    /// How many weights the patches change.
    public fileprivate(set) var changed = 0
    /// How many of them, and of others in blocks that got new scales, are not what the patches say.
    public fileprivate(set) var rounded = 0
    /// The norm of what they are off, relative to that of the whole change.
    public var relativeError: Double { change > 0 ? (error / change).squareRoot() : 0 }
    private var (error, change) = (0.0, 0.0)

    fileprivate init() {}

    fileprivate mutating func add(before: Float, wanted: Float, stored: Float) {
        if before.differs(from: wanted) {
            changed += 1
            change += (Double(wanted) - Double(before)) * (Double(wanted) - Double(before))
        }
        let distance = Double(stored) - Double(wanted)
        // The sum of a weight and its change is the stored number but for the last bit.
        guard distance.magnitude > 1e-6 * Double(max(before.magnitude, wanted.magnitude)) else { return }
        rounded += 1
        error += distance * distance
    }

    fileprivate mutating func add(_ other: GGUFRounding) {
        changed += other.changed
        rounded += other.rounded
        error += other.error
        change += other.change
    }
}

/// What becomes of the blocks of a GGUF file.
struct GGUFChange: Sendable {
    /// The new ones, by their places in the file.
    var blocks: [Int: [UInt8]] = [:]
    var rounding = GGUFRounding()
}

extension PatchedCheckpoint {
    /// The checkpoint as it is without its patches: a GGUF file with the blocks that it had.
    var original: Checkpoint { record.map { checkpoint.replacing($0.originals) } ?? checkpoint }

    /// What becomes of the unpatched file's blocks with the patches of a stack.
    ///
    /// - Throws: ``PatchError`` if the file is not the one that the patches were made for.
    func change(with stack: PatchStack) throws -> GGUFChange {
        let original = original
        let unpatched = try PatchedCheckpoint(original, stack: stack)
        let tensors = unpatched.touched.keys.compactMap { original[$0.string] }
        do {
            return try Parallel.map(tensors) { tensor in
                let before = try original.data(of: tensor)
                let wanted = try unpatched.data(for: tensor, current: before) ?? before
                return try withExtendedLifetime((before, wanted)) {
                    let values = wanted.bytes.bindMemory(to: Float.self)
                    let blocks = try original.blocks(of: tensor, holding: values)
                    let stored = try original.replacing(blocks).data(of: tensor)
                    var rounding = GGUFRounding()
                    withExtendedLifetime(stored) {
                        let (before, stored) = (
                            before.bytes.bindMemory(to: Float.self), stored.bytes.bindMemory(to: Float.self)
                        )
                        for index in values.indices {
                            rounding.add(before: before[index], wanted: values[index], stored: stored[index])
                        }
                    }
                    return GGUFChange(blocks: blocks, rounding: rounding)
                }
            }.reduce(into: GGUFChange()) {
                $0.blocks.merge($1.blocks) { $1 }
                $0.rounding.add($1.rounding)
            }
        } catch let error as PatchError where error.code == .wrongBase {
            // The whole truth in one error: which other tensors differ too.
            try unpatched.check()
            throw error
        }
    }

    /// Refuses a file whose patched blocks were changed by other means.
    func checkPresentBlocks(_ gguf: GGUFFile) throws {
        guard let record else { return }
        let expected = try change(with: record.stack).blocks
        for tensor in checkpoint.tensors where present.base[ByteString(tensor.name)] != nil {
            let (range, type) = try checkpoint.stored(tensor)
            let differs = record.originals.keys.contains { place in
                range.contains(place)
                    && gguf.content(place..<place + type.blockWidth) != expected[place] ?? record.originals[place]
            }
            guard differs else { continue }
            try refuse([
                BaseDifference(
                    tensor: tensor.name, expected: "the base with its patches", found: "other values in patched places")
            ])
        }
    }

    /// Writes the patched GGUF file: the same file with other blocks, in each tensor's own type, and a record behind its
    /// end. Without patches it is the unpatched file, byte for byte.
    ///
    /// - Returns: how much of the change its blocks could not hold.
    func writeFile(to url: URL, _ gguf: GGUFFile, overwriting: Bool) throws -> GGUFRounding {
        try requireOneFile(gguf)
        try checkPresentBlocks(gguf)
        let change = try change(with: stack)
        if change.blocks.isEmpty, stack.patches.contains(where: { $0.scale != 0 }) { throw Self.empty(stack) }
        let count = record?.count ?? gguf.file.bytes.count
        let kept = record?.originals ?? [:]
        let digest = try record?.digest ?? checkpoint.digest()
        if stack.patches.isEmpty, let record {
            let found = try original.gguf?.digest(ofFirst: count) ?? ""
            guard found == record.digest else {
                throw PatchError(
                    .drifted, "the file was changed since its patches were applied, elsewhere than they change it",
                    subject: gguf.file.name, expected: "SHA-256 \(record.digest.prefix(16))...",
                    found: "\(found.prefix(16))...", hint: "start again from the unpatched model")
            }
        }
        let originals = change.blocks.reduce(into: [Int: [UInt8]]()) { originals, block in
            originals[block.key] = kept[block.key] ?? gguf.content(block.key..<block.key + block.value.count)
        }
        try AtomicFile.write(to: url, overwriting: overwriting) { output in
            try output.put(gguf.file, 0..<count, at: 0)
            for (place, bytes) in kept.merging(change.blocks, uniquingKeysWith: { $1 }) {
                try bytes.withUnsafeBytes { try output.put($0, at: place) }
            }
            if stack.patches.isEmpty { return }
            try TemporaryDirectory.use(in: FileManager.default.temporaryDirectory) { directory in
                try GGUFRecord(stack, originals: originals, digest: digest, count: count)
                    .write(to: directory, of: checkpoint)
                try AppendedFiles.put(directory, behind: count, of: output)
            }
        }
        return change.rounding
    }

    /// What writing the file would do.
    func filePlan(_ gguf: GGUFFile) throws -> WritePlan {
        try requireOneFile(gguf)
        let change = try change(with: stack)
        let count = record?.count ?? gguf.file.bytes.count
        return WritePlan(
            rewritten: [.init(name: URL(filePath: gguf.file.name).lastPathComponent, bytes: count)], untouched: [],
            untouchedAre: .copied, copied: [],
            originals: change.blocks.isEmpty
                ? [] : [.init(name: "blocks", bytes: change.blocks.reduce(0) { $0 + $1.value.count + 8 })],
            patches: stack.patches.map { .init($0.patch) })
    }

    private func requireOneFile(_ gguf: GGUFFile) throws {
        guard gguf.parts.count > 1 else { return }
        throw PatchError(
            .needsSnapshot, "patches are applied to GGUF files of one part", subject: checkpoint.url.relativePath,
            found: "\(gguf.parts.count) parts",
            hint: "join them with llama-gguf-split --merge, or apply the patch on load")
    }
}
