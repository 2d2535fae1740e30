import Foundation

/// A file that is open for reading, until this object goes.
final class OpenFile: Sendable {
    let descriptor: Int32
    let name: String

    /// Takes over a descriptor.
    init(_ descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    deinit { close(descriptor) }

    /// Reads exactly as many bytes as the buffer has.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw FormatError.system(.reading, "cannot be read", name) }
            guard count > 0 else {
                throw FormatError(.truncated, "the file became shorter while it was read", subject: name)
            }
            done += count
        }
    }
}

/// The bytes of a tensor, wherever they are, read piece by piece.
///
/// Unlike mapped bytes they take no memory but the piece that is looked at, however large the tensor is.
public struct TensorBytes: Sendable {
    private enum Place: Sendable {
        case file(OpenFile, start: Int)
        case memory(TensorData)
    }

    public let count: Int
    private let place: Place

    /// The size of the pieces that a pass over a tensor reads.
    public static let chunkSize = 1 << 20

    /// The bytes of a tensor in memory.
    public init(_ data: TensorData) {
        place = .memory(data)
        count = data.bytes.count
    }

    /// Bytes in memory.
    public init(_ bytes: [UInt8]) {
        self.init(bytes.withUnsafeBytes { TensorData(copying: $0) })
    }

    init(_ file: OpenFile, _ range: Range<Int>) {
        place = .file(file, start: range.lowerBound)
        count = range.count
    }

    /// Where the bytes begin in this file, if they are in it.
    func start(in file: OpenFile) -> Int? {
        if case .file(let own, let start) = place, own === file { start } else { nil }
    }

    /// Reads the bytes from `offset` on, as many as the buffer takes; they must be there.
    public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        precondition(offset >= 0 && buffer.count <= count - offset, "the tensor has no such bytes")
        if buffer.isEmpty { return }
        switch place {
        case .file(let file, let start): try file.read(at: start + offset, into: buffer)
        case .memory(let data):
            withExtendedLifetime(data) {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: data.bytes[offset..<offset + buffer.count]))
            }
        }
    }

    /// Some of the bytes.
    public func bytes(_ range: Range<Int>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            try read(
                at: range.lowerBound,
                into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<range.count]))
            initialized = range.count
        }
    }

    /// Hands over all bytes in order, piece by piece.
    public func forEachChunk(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        if case .memory(let data) = place { return try withExtendedLifetime(data) { try body(data.bytes) } }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(count, Self.chunkSize), alignment: 64)
        defer { buffer.deallocate() }
        var offset = 0
        while offset < count {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, count - offset)])
            try read(at: offset, into: piece)
            try body(UnsafeRawBufferPointer(piece))
            offset += piece.count
        }
    }

    /// Copies all bytes to a place in a file, without a way through this process where the system can.
    public func copy(to file: AtomicFile, at offset: Int) throws {
        switch place {
        case .file(let source, let start): try file.put(from: source, start..<start + count, at: offset)
        case .memory(let data): try withExtendedLifetime(data) { try file.put(data.bytes, at: offset) }
        }
    }
}

extension SafetensorsFile {
    /// The data of one of this file's tensors, to be read piece by piece.
    public func pieces(of tensor: Tensor) -> TensorBytes { TensorBytes(file.open, tensor.range) }
}

extension Digest {
    /// `tensor(type:shape:bytes:)` of bytes that are read piece by piece.
    public static func tensor(type: StorageType, shape: [Int], bytes: TensorBytes) throws -> String {
        var digest = Digest(labeled: type, shape)
        try bytes.forEachChunk { digest.update($0) }
        return digest.hexadecimal
    }
}
