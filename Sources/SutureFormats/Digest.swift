import Crypto
import Foundation

/// SHA-256, over chunks as they come.
public struct Digest {
    private var hasher = SHA256()

    /// The digest of nothing yet.
    public init() {}

    /// Takes in more bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        hasher.update(bufferPointer: bytes)
    }

    /// The digest of all chunks so far, as 64 hexadecimal digits.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        let text = hasher.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Digest {
    /// SHA-256 of bytes, as 64 hexadecimal digits.
    public static func sha256(_ bytes: UnsafeRawBufferPointer) -> String {
        var digest = Digest()
        digest.update(bytes)
        return digest.hexadecimal
    }

    /// SHA-256 of bytes, as 64 hexadecimal digits.
    public static func sha256(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { sha256($0) } }

    /// SHA-256 of a file, as 64 hexadecimal digits.
    public static func sha256(contentsOf url: URL) throws -> String {
        try sha256(contentsOf: MappedFile(url))
    }

    /// SHA-256 of a mapped file, read piece by piece: its pages would stay in this process's memory.
    static func sha256(contentsOf file: MappedFile) throws -> String {
        var digest = Digest()
        try TensorBytes(file.open, 0..<file.bytes.count).forEachChunk { digest.update($0) }
        return digest.hexadecimal
    }

    /// What identifies the content of a tensor, wherever it is stored and whatever its name.
    ///
    /// SHA-256 of `TYPE[size,size,...]`, a zero byte, and the tensor's bytes; the type by its safetensors name.
    public static func tensor(type: StorageType, shape: [Int], bytes: UnsafeRawBufferPointer) -> String {
        var digest = Digest(labeled: type, shape)
        digest.update(bytes)
        return digest.hexadecimal
    }

    /// A digest that a tensor's bytes are still to be added to; see `tensor(type:shape:bytes:)`.
    public init(labeled type: StorageType, _ shape: [Int]) {
        let label = "\(type.rawValue)[\(shape.map(String.init).joined(separator: ","))]\0"
        Array(label.utf8).withUnsafeBytes { update($0) }
    }
}

extension SafetensorsFile {
    /// The digest of one of this file's tensors; see ``Digest``.
    public func digest(of tensor: Tensor) -> String {
        bytes(of: tensor).withUnsafeBytes { Digest.tensor(type: tensor.type, shape: tensor.shape, bytes: $0) }
    }
}
