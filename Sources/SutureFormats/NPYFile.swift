import Foundation

/// An array as NumPy's `.npy` files hold it: a magic word, the version, the length of a header, the header as a Python
/// dictionary with `descr`, `fortran_order` and `shape`, the elements.
package struct NPYFile {
    /// What an array may hold.
    package enum Content: String {
        case integers = "whole numbers"
        case floats = "float16, float32 or float64"

        /// NumPy's names of the types, and the widths of their elements.
        fileprivate var widths: [String: Int] {
            switch self {
            case .integers:
                ["|u1": 1, "|i1": 1, "<u2": 2, "<i2": 2, "<u4": 4, "<i4": 4, "<i8": 8, "<u8": 8]
            case .floats: ["<f2": 2, "<f4": 4, "<f8": 8]
            }
        }
    }

    package let shape: [Int]
    /// NumPy's name of the type: `|u1` are bytes.
    package let type: String
    package let file: MappedFile
    /// The elements; valid as long as `file` lives.
    package let data: UnsafeRawBufferPointer

    package var name: String { file.name }

    /// Throws ``FormatError`` for a file that is no such array.
    package init(_ url: URL, of content: Content) throws {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        func refuse(
            _ code: FormatErrorCode, _ problem: String, expected: String? = nil, found: String? = nil
        ) -> FormatError {
            FormatError(code, problem, subject: file.name, expected: expected, found: found)
        }
        let bytes = file.bytes
        guard bytes.count >= 12, bytes.starts(with: NPYHeader.magic), 1...3 ~= bytes[6] else {
            throw refuse(.badMagic, "this is no .npy file")
        }
        let isShort = bytes[6] == 1
        let start = isShort ? 10 : 12
        let length =
            isShort
            ? Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self).littleEndian)
            : Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian)
        guard length <= min(bytes.count - start, 1 << 16) else {
            throw refuse(.truncated, "the header is longer than the file")
        }
        let header = String(decoding: bytes[start..<start + length], as: UTF8.self)
        guard let type = header.firstMatch(of: /'descr': *'([^']*)'/)?.1,
            let order = header.firstMatch(of: /'fortran_order': *(True|False)/)?.1,
            let sizes = header.firstMatch(of: /'shape': *\(([0-9, ]*)\)/)?.1
        else { throw refuse(.malformedHeader, "the header is not understood", found: header) }
        guard let width = content.widths[String(type)], order == "False" else {
            throw refuse(
                .unknownType, "such arrays are not read",
                expected: "\(content.rawValue), the last index changing first",
                found: "\(type)\(order == "False" ? "" : ", the first index changing first")")
        }
        let words = sizes.split(whereSeparator: { $0 == "," || $0 == " " })
        let shape = words.compactMap { Int($0) }
        let count = shape.reduce(Double(width)) { $0 * Double($1) }
        guard shape.count == words.count, count == Double(bytes.count - start - length) else {
            throw refuse(
                .sizeMismatch, "the file does not have the size that its header says", expected: "\(type) (\(sizes))",
                found: "\(bytes.count - start - length) bytes of data")
        }
        (self.file, self.type, self.shape) = (file, String(type), shape)
        data = UnsafeRawBufferPointer(rebasing: bytes[(start + length)...])
    }

    /// All elements of an array of whole numbers.
    package func integers() -> [Int] {
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

    /// All elements of an array of floats, rounded to float32.
    package func floats() -> [Float] {
        withExtendedLifetime(file) {
            switch type {
            case "<f2": (0..<data.count / 2).map { StorageType.float16.load(data, at: $0) }
            case "<f4": (0..<data.count / 4).map { StorageType.float32.load(data, at: $0) }
            default:
                (0..<data.count / 8).map {
                    Float(Double(bitPattern: data.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)))
                }
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
