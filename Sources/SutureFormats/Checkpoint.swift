import Foundation

/// A model's files, whatever their format: a configuration, and named tensors as Hugging Face names them.
///
/// A snapshot directory is taken as it is. A GGUF file is presented as the snapshot it was made from: names, order of
/// rows and configuration are translated back, and quantized weights read as float32, the numbers every engine computes
/// with. So a patch made on a GGUF file fits its conversion to a snapshot, byte for byte.
public struct Checkpoint: Sendable {
    /// A tensor as the checkpoint presents it.
    public struct Tensor: Sendable, Equatable {
        public let name: String
        public let type: StorageType
        /// The sizes, outermost first.
        public let shape: [Int]

        /// A tensor by its name and form, in a checkpoint or not.
        package init(name: String, type: StorageType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }
    }

    /// Where the model is.
    public let url: URL
    /// What `config.json` says.
    public let config: JSONField
    /// All tensors, in the order of the files.
    public let tensors: [Tensor]
    private var source: Source
    private let positions: [ByteString: Int]
    private var identity = Identity()

    private enum Source: Sendable {
        case snapshot(SnapshotDirectory)
        case gguf(GGUFTranslation)
        case scaled(ScaledWeights)
    }

    /// Opens a snapshot directory, a file in GGUF format or its parts, or tensors alone in a safetensors file.
    ///
    /// - Throws: ``FormatError`` for files that are missing or malformed, and for a GGUF file with a setting or a tensor
    ///   that has no place in a snapshot.
    public init(_ url: URL) throws {
        self.url = url
        var status = stat()
        guard stat(url.path, &status) == 0 else {
            if errno == ENOENT { throw FormatError(.missingFile, "there is no such model", subject: url.relativePath) }
            throw FormatError.system(.reading, "cannot be opened", url.relativePath)
        }
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        if isDirectory || url.pathExtension == "safetensors" {
            let snapshot = try isDirectory ? SnapshotDirectory(url) : SnapshotDirectory(file: url)
            if let scaled = try ScaledWeights(snapshot) {
                source = .scaled(scaled)
                config = JSONField(scaled.config, source: snapshot.config.path)
                tensors = scaled.tensors
            } else {
                source = .snapshot(snapshot)
                config = snapshot.config
                tensors = snapshot.tensors.map {
                    Tensor(name: $1.entry.name, type: $1.entry.type, shape: $1.entry.shape)
                }
            }
        } else {
            try PickledWeights.refuse(url)
            let translation = try GGUFTranslation(GGUFFile(model: url))
            source = .gguf(translation)
            config = JSONField(translation.config, source: url.relativePath)
            tensors = translation.tensors.map { Tensor(name: $0.name, type: .float32, shape: $0.shape) }
        }
        positions = try .init(positionsOf: tensors.map(\.name), source: url.relativePath)
    }

    /// The tensor of that name.
    public subscript(name: String) -> Tensor? { positions[ByteString(name)].map { tensors[$0] } }

    /// The snapshot directory this is, or nil for a GGUF file and for weights of eight bits with scales.
    public var snapshot: SnapshotDirectory? {
        if case .snapshot(let snapshot) = source { snapshot } else { nil }
    }

    /// The directory this is in, or nil for a GGUF file.
    var directory: SnapshotDirectory? {
        if case .scaled(let scaled) = source { scaled.directory } else { snapshot }
    }

    /// What is odd about the files but no error, one line each.
    public var notices: [String] {
        if let gguf { return gguf.notices }
        guard let directory else { return [] }
        var notices = directory.notices
        if let new = config.value["rope_parameters"], let old = config.value["rope_scaling"], !new.isNull, !old.isNull,
            new != old
        {
            notices.append("\(config.path): rope_scaling is read; rope_parameters beside it differs")
        }
        return notices
    }

    /// The GGUF file this is, or nil for a snapshot directory.
    public var gguf: GGUFFile? {
        if case .gguf(let translation) = source { translation.file } else { nil }
    }

    /// The elements of one of this checkpoint's tensors, row-major: mapped where they are stored so, else converted.
    public func data(of tensor: Tensor) throws -> TensorData {
        switch source {
        case .snapshot(let snapshot):
            guard let stored = snapshot[tensor.name] else { throw missing(tensor.name) }
            return TensorData(stored.bytes)
        case .scaled(let scaled):
            guard let data = try scaled.data(of: tensor.name) else { throw missing(tensor.name) }
            return data
        case .gguf(let translation):
            guard let position = positions[ByteString(tensor.name)] else { throw missing(tensor.name) }
            return try translation.data(of: translation.tensors[position])
        }
    }

    /// How a tensor is read that ``data(of:)`` would have to convert, row by row; nil for one that is mapped, or is converted
    /// as a whole only.
    package func converted(_ tensor: Tensor) throws -> ConvertedTensor? {
        guard case .gguf(let translation) = source else { return nil }
        guard let position = positions[ByteString(tensor.name)] else { throw missing(tensor.name) }
        return ConvertedTensor(translation.tensors[position], of: translation)
    }

    /// The blocks of a GGUF file that change where a tensor is to hold other elements, by their places in the file.
    ///
    /// - Parameters:
    ///   - tensor: one of this checkpoint's, which is a GGUF file.
    ///   - elements: all of them, in its order, finite.
    package func blocks(
        of tensor: Tensor, holding elements: UnsafeBufferPointer<Float>
    ) throws -> [Int: [UInt8]] {
        let (translation, stored) = try translated(tensor)
        return try translation.blocks(of: stored, holding: elements)
    }

    /// Whether a tensor holds any float32 number that it is given.
    package func holdsAll(_ tensor: Tensor) throws -> Bool {
        switch source {
        case .snapshot: tensor.type == .float32
        case .scaled: true
        case .gguf: try translated(tensor).tensor.stored.type == .f32
        }
    }

    /// What some elements of a tensor become where they are to be others, as near as its type can hold them.
    ///
    /// In a GGUF file, elements that share a block with ones that stay get one of its levels; a block that changes as a whole
    /// gets new scales.
    ///
    /// - Parameters:
    ///   - elements: by their places in row-major order; all finite.
    ///   - tensor: one of this checkpoint's.
    package func nearest(_ elements: [Int: Float], of tensor: Tensor) throws -> [Int: Float] {
        switch source {
        case .scaled: return elements
        case .snapshot:
            guard tensor.type == .bfloat16 || tensor.type == .float16 else { return elements }
            let isBFloat16 = tensor.type == .bfloat16
            return elements.mapValues {
                isBFloat16 ? Float(bitPattern: UInt32($0.bfloat16) << 16) : Float(float16: $0.float16)
            }
        case .gguf:
            let (translation, stored) = try translated(tensor)
            return try translation.nearest(elements, of: stored)
        }
    }

    /// Where a tensor of a GGUF file is stored, and in which type.
    package func stored(_ tensor: Tensor) throws -> (range: Range<Int>, type: GGUFType) {
        let stored = try translated(tensor).tensor.stored
        return (stored.range, stored.type)
    }

    /// This GGUF file with other blocks in the place of some, by their places in the file.
    package func replacing(_ blocks: [Int: [UInt8]]) -> Checkpoint {
        var copy = self
        copy.identity = Identity()
        if case .gguf(let translation) = source { copy.source = .gguf(translation.replacing(blocks)) }
        return copy
    }

    private func translated(_ tensor: Tensor) throws -> (translation: GGUFTranslation, tensor: GGUFTranslation.Tensor) {
        guard case .gguf(let translation) = source, let position = positions[ByteString(tensor.name)] else {
            throw missing(tensor.name)
        }
        return (translation, translation.tensors[position])
    }

    /// The elements of one of this checkpoint's tensors, read piece by piece; those of a GGUF file are converted at once.
    public func pieces(of tensor: Tensor) throws -> TensorBytes {
        guard case .snapshot(let snapshot) = source else { return TensorBytes(try data(of: tensor)) }
        guard let stored = snapshot[tensor.name] else { throw missing(tensor.name) }
        return stored.file.pieces(of: stored.entry)
    }

    /// The SHA-256 over type, shape and bytes of a tensor, by which a patch knows its base.
    public func digest(of tensor: Tensor) throws -> String {
        try Digest.tensor(type: tensor.type, shape: tensor.shape, bytes: pieces(of: tensor))
    }

    private func missing(_ name: String) -> FormatError {
        FormatError(.missingTensor, "there is no tensor \"\(name)\"", subject: url.relativePath)
    }
}

/// The bytes of a tensor, kept for as long as this lives.
public final class TensorData: Sendable {
    public nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    private let mapped: MappedFile?

    init(_ mapped: MappedBytes) {
        self.mapped = mapped.file
        bytes = UnsafeRawBufferPointer(rebasing: mapped.file.bytes[mapped.range])
    }

    /// Memory for `count` floats, filled by `fill`.
    init(count: Int, fill: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count * 4, alignment: 64)
        mapped = nil
        bytes = UnsafeRawBufferPointer(memory)
        try fill(memory.bindMemory(to: Float.self))
    }

    /// Memory for `byteCount` bytes, aligned for any element type, filled by `fill`.
    public init(byteCount: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
        mapped = nil
        bytes = UnsafeRawBufferPointer(memory)
        try fill(memory)
    }

    /// A copy, aligned for any element type.
    public init(copying source: UnsafeRawBufferPointer) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
        memory.copyMemory(from: source)
        mapped = nil
        bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { if mapped == nil { bytes.deallocate() } }
}

extension Checkpoint {
    /// How many tensors are stored in each type, by the type's name in the file.
    public var storageTypes: [String: Int] {
        let names: [String] =
            switch source {
            case .snapshot(let snapshot): snapshot.tensors.map(\.value.entry.type.rawValue)
            case .scaled(let scaled): scaled.directory.tensors.map(\.value.entry.type.rawValue)
            case .gguf(let translation): translation.tensors.map(\.stored.type.name)
            }
        return names.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
}

extension Checkpoint {
    /// What identifies the model, wherever its files are: the SHA-256 of a GGUF file, or of the configuration of a
    /// snapshot and of the names and digests of its tensors.
    ///
    /// All bytes are read, once for each opening of the files. Nothing that the system says of a file, such as its time, is
    /// taken in their place: it can be the same after a change.
    public func digest() throws -> String { try identity.of(self) }

    /// The digest, once it is known.
    private final class Identity: Sendable {
        private let lock = NSLock()
        // Guarded by the lock.
        nonisolated(unsafe) private var known: String?

        func of(_ checkpoint: Checkpoint) throws -> String {
            try lock.withLock {
                let digest = try known ?? checkpoint.computedDigest()
                known = digest
                return digest
            }
        }
    }

    private func computedDigest() throws -> String {
        if let gguf {
            let digests = try gguf.parts.map { try Digest.sha256(contentsOf: $0) }
            return digests.count == 1 ? digests[0] : Digest.sha256(Array(digests.joined(separator: "\n").utf8))
        }
        let digests = try Parallel.map(tensors) { "\($0.name)\0\(try digest(of: $0))\n" }
        return Digest.sha256(config.value.serialized() + Array(digests.joined().utf8))
    }
}
