import Foundation

/// A tensor to be written: what the header says of it, and where its bytes come from.
public struct SafetensorsSource {
    public let name: String
    public let type: StorageType
    public let shape: [Int]
    /// Hands over the bytes, in order, in as many pieces as it likes.
    public let data: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    /// The same bytes, where they need only be copied.
    let bytes: TensorBytes?

    /// A tensor whose bytes are made when they are written, so that no set of tensors need be held in memory.
    public init(
        _ name: String, _ type: StorageType, _ shape: [Int],
        data: @escaping (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.data = data
        bytes = nil
    }

    /// A tensor of bytes in memory.
    public init(_ name: String, _ type: StorageType, _ shape: [Int], bytes: [UInt8]) {
        self.init(name, type, shape) { append in try bytes.withUnsafeBytes(append) }
    }

    /// A tensor whose bytes are read piece by piece.
    public init(_ name: String, _ type: StorageType, _ shape: [Int], _ bytes: TensorBytes) {
        self.name = name
        self.type = type
        self.shape = shape
        data = { append in try bytes.forEachChunk(append) }
        self.bytes = bytes
    }

    /// A copy of a tensor from another file.
    public init(_ tensor: SafetensorsFile.Tensor, of file: SafetensorsFile) {
        self.init(tensor.name, tensor.type, tensor.shape, file.pieces(of: tensor))
    }
}

/// Writes safetensors files: the same tensors and notes in the same order give the same bytes.
public enum SafetensorsWriter {
    /// Creates a file with these tensors, in this order.
    ///
    /// - Parameters:
    ///   - tensors: each name once.
    ///   - metadata: notes for the header. Some loaders refuse a file without `format`, so PyTorch's is the default.
    ///   - url: the place of the file.
    ///   - overwriting: whether a file that is there already is replaced.
    /// - Throws: ``FormatError`` if a name is there twice, a shape overflows, a source gives fewer or more bytes than
    ///   its shape asks for, or the file cannot be written; the old state is then as it was.
    public static func write(
        _ tensors: [SafetensorsSource], metadata: OrderedTable<ByteString> = ["format": "pt"], to url: URL,
        overwriting: Bool = false
    ) throws {
        let (header, byteCounts) = try header(tensors, metadata: metadata, name: url.relativePath)
        try AtomicFile.write(to: url, overwriting: overwriting) { file in
            try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.append($0) }
            try header.withUnsafeBytes { try file.append($0) }
            for (tensor, byteCount) in zip(tensors, byteCounts) {
                var written = 0
                if let bytes = tensor.bytes {
                    try file.append(bytes)
                    written = bytes.count
                } else {
                    try tensor.data { bytes in
                        written += bytes.count
                        try file.append(bytes)
                    }
                }
                guard written == byteCount else {
                    throw FormatError(
                        .sizeMismatch, "the data of a tensor does not fit its shape \(tensor.shape)",
                        subject: "\(url.relativePath): \(tensor.name)", expected: "\(byteCount) bytes",
                        found: "\(written)")
                }
            }
        }
    }

    private static func header(
        _ tensors: [SafetensorsSource], metadata: OrderedTable<ByteString>, name: String
    ) throws -> (header: [UInt8], byteCounts: [Int]) {
        var object = JSONObject()
        if !metadata.isEmpty {
            var notes = JSONObject()
            for (key, value) in metadata { notes.append(key, .string(value)) }
            object.append(SafetensorsFile.metadataKey, .object(notes))
        }
        var byteCounts: [Int] = []
        var offset = 0
        for tensor in tensors {
            let subject = "\(name): \(tensor.name)"
            guard let byteCount = tensor.type.byteCount(shape: tensor.shape), byteCount <= Int.max - offset else {
                throw FormatError(.overflow, "impossible shape", subject: subject, found: "\(tensor.shape)")
            }
            let entry: JSON = [
                "dtype": JSON(tensor.type.rawValue), "shape": .array(tensor.shape.map { JSON($0) }),
                "data_offsets": [JSON(offset), JSON(offset + byteCount)]
            ]
            let key = ByteString(tensor.name)
            guard object.append(key, entry), key != SafetensorsFile.metadataKey else {
                throw FormatError(.duplicateName, "there is another tensor of this name", subject: subject)
            }
            byteCounts.append(byteCount)
            offset += byteCount
        }
        var header = JSON.object(object).serialized()
        // Spaces, so that the data begins at a multiple of eight, as in the reference implementation.
        header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
        guard header.count <= SafetensorsFile.maximumHeaderLength else {
            throw FormatError(.tooLarge, "too many tensors or notes for one file", subject: name)
        }
        return (header, byteCounts)
    }
}
