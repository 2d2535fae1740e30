import Foundation
import SutureFormats
import SutureTensor

/// Tensors of float64 in a safetensors file whose metadata has a digest of them.
struct KeptTensors {
    let names: [String]
    let tensors: [Tensor]

    init(_ names: [String], _ tensors: [Tensor]) { (self.names, self.tensors) = (names, tensors) }

    func write(_ metadata: OrderedTable<ByteString>, to url: URL, overwriting: Bool) throws {
        var digest = Digest()
        var metadata = metadata
        // Twice over the tensors, so that no more than one of them is in memory again.
        for tensor in tensors { try tensor.elements(as: Double.self).withUnsafeBytes { digest.update($0) } }
        metadata["sha256"] = ByteString(digest.hexadecimal)
        let sources = zip(names, tensors).map { name, tensor in
            SafetensorsSource(name, .float64, tensor.shape) { append in
                try tensor.elements(as: Double.self).withUnsafeBytes(append)
            }
        }
        try SafetensorsWriter.write(sources, metadata: metadata, to: url, overwriting: overwriting)
    }

    /// Some tensors of a file, without the digest of all; nil where one is missing, or is no finite numbers of this shape.
    static func read(_ forms: [(name: String, shape: [Int])], of file: SafetensorsFile) throws -> [Tensor]? {
        var tensors: [Tensor] = []
        for (name, shape) in forms {
            guard let tensor = file[name], tensor.type == .float64, tensor.shape == shape else { return nil }
            let elements = file.bytes(of: tensor).withUnsafeBytes { bytes in
                [Double](unsafeUninitializedCapacity: bytes.count / 8) { buffer, count in
                    UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
                    count = bytes.count / 8
                }
            }
            guard elements.allSatisfy(\.isFinite) else { return nil }
            tensors.append(try Tensor(elements, shape: shape))
        }
        return tensors
    }

    /// Whether all bytes of the file's tensors are those that were written.
    static func isWhole(_ file: SafetensorsFile) -> Bool {
        var digest = Digest()
        for tensor in file.tensors { file.bytes(of: tensor).withUnsafeBytes { digest.update($0) } }
        return file.metadata["sha256"] == ByteString(digest.hexadecimal)
    }
}
