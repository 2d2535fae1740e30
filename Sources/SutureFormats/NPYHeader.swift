/// What NumPy's `.npy` files begin with: a magic word, the version, the length of a header, the header as a Python
/// dictionary.
package enum NPYHeader {
    package static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// The beginning of a file with elements of a type, such as `<f4`, in a shape, the last index changing first.
    package static func bytes(type: String, shape: [Int]) -> [UInt8] {
        let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }"
        // The elements begin at a multiple of 64.
        text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
        let length = text.utf8.count
        return magic + [1, 0, UInt8(length % 256), UInt8(length / 256)] + Array(text.utf8)
    }
}
