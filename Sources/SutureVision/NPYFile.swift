import Foundation
import SutureFormats
import SutureTensor

/// An array of whole numbers as NumPy's `.npy` files hold it: a magic word, the version, the length of a header, the header
/// as a Python dictionary with `descr`, `fortran_order` and `shape`, the elements.
struct NPYFile {
    let shape: [Int]
    /// NumPy's name of the type: `|u1` are bytes.
    let type: String
    private let file: MappedFile
    private let data: UnsafeRawBufferPointer

    private static let widths = ["|u1": 1, "|i1": 1, "<u2": 2, "<i2": 2, "<u4": 4, "<i4": 4, "<i8": 8, "<u8": 8]

    var name: String { file.name }

    init(_ url: URL) throws {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        func refuse(_ problem: String, expected: String? = nil, found: String? = nil) -> VisionError {
            VisionError(.badImages, problem, subject: file.name, expected: expected, found: found)
        }
        let bytes = file.bytes
        guard bytes.count >= 12, bytes.starts(with: NPYHeader.magic), 1...3 ~= bytes[6] else {
            throw refuse("this is no .npy file")
        }
        let isShort = bytes[6] == 1
        let start = isShort ? 10 : 12
        let length =
            isShort
            ? Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self).littleEndian)
            : Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian)
        guard length <= min(bytes.count - start, 1 << 16) else { throw refuse("the header is longer than the file") }
        let header = String(decoding: bytes[start..<start + length], as: UTF8.self)
        guard let type = header.firstMatch(of: /'descr': *'([^']*)'/)?.1,
            let order = header.firstMatch(of: /'fortran_order': *(True|False)/)?.1,
            let sizes = header.firstMatch(of: /'shape': *\(([0-9, ]*)\)/)?.1
        else { throw refuse("the header is not understood", found: header) }
        guard let width = Self.widths[String(type)], order == "False" else {
            throw refuse(
                "such arrays are not read", expected: "whole numbers, the last index changing first",
                found: "\(type)\(order == "False" ? "" : ", the first index changing first")")
        }
        let words = sizes.split(whereSeparator: { $0 == "," || $0 == " " })
        let shape = words.compactMap { Int($0) }
        let count = shape.reduce(Double(width)) { $0 * Double($1) }
        guard shape.count == words.count, count == Double(bytes.count - start - length) else {
            throw refuse(
                "the file does not have the size that its header says", expected: "\(type) (\(sizes))",
                found: "\(bytes.count - start - length) bytes of data")
        }
        (self.file, self.type, self.shape) = (file, String(type), shape)
        data = UnsafeRawBufferPointer(rebasing: bytes[(start + length)...])
    }

    /// The bytes as a tensor, which keeps the file mapped.
    func tensor() throws -> Tensor {
        guard type == "|u1", !data.isEmpty else {
            throw VisionError(.badImages, "these are no pixels", subject: name, expected: "|u1", found: type)
        }
        return try Tensor(borrowing: data, shape: shape, dtype: .uint8, owner: file)
    }

    /// All elements.
    func integers() -> [Int] {
        withExtendedLifetime(file) {
            switch type {
            case "|u1": elements(UInt8.self)
            case "|i1": elements(Int8.self)
            case "<u2": elements(UInt16.self)
            case "<i2": elements(Int16.self)
            case "<u4": elements(UInt32.self)
            case "<i4": elements(Int32.self)
            case "<u8": elements(UInt64.self)
            default: elements(Int64.self)
            }
        }
    }

    private func elements<Element: FixedWidthInteger & BitwiseCopyable>(_: Element.Type) -> [Int] {
        let width = MemoryLayout<Element>.size
        return (0..<data.count / width).map { index in
            Int(clamping: Element(littleEndian: data.loadUnaligned(fromByteOffset: index * width, as: Element.self)))
        }
    }
}
