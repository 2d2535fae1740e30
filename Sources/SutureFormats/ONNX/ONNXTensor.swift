import Foundation

/// A tensor of an ONNX file, as it is stored there.
package struct ONNXTensor: Sendable {
    /// The types whose elements are read; the raw value is ONNX's number.
    package enum Kind: Int32, Sendable {
        case float32 = 1
        case int32 = 6
        case int64 = 7
        case bool = 9
        case float16 = 10
        case float64 = 11
        case bfloat16 = 16

        package var name: String { "\(self)" }

        var width: Int {
            switch self {
            case .float64, .int64: 8
            case .float32, .int32: 4
            case .float16, .bfloat16: 2
            case .bool: 1
            }
        }
    }

    private enum Content: Sendable {
        case bytes(Data)
        case mapped(MappedBytes)
        case floats([Float])
        case doubles([Double])
        case ints([Int])
    }

    package let type: Kind
    /// The sizes, outermost first; empty for a scalar.
    package let shape: [Int]
    package let count: Int
    private let content: Content

    /// Throws ``FormatError`` for a type that is not read, and where there are not the bytes that the shape asks for.
    init(_ message: ONNXTensorProto, subject: String, _ files: inout ExternalFiles) throws {
        guard let type = Kind(rawValue: message.dataType) else {
            throw FormatError(
                .unknownType, "elements of this type are not read", subject: subject,
                expected: "float32, int64, int32, bool or float64", found: "ONNX's type \(message.dataType)")
        }
        let shape = message.dims.map(Int.init)
        guard let count = elementCount(shape), let byteCount = count.product(with: type.width), !message.hasSegment
        else {
            throw FormatError(.overflow, "impossible shape", subject: subject, found: "\(shape)")
        }
        (self.type, self.shape, self.count) = (type, shape, count)
        func require(_ found: Int, _ expected: Int, _ unit: String) throws {
            guard found == expected else {
                throw FormatError(
                    .sizeMismatch, "\(type.name) \(shape) does not fit its data", subject: subject,
                    expected: "\(expected) \(unit)", found: "\(found)")
            }
        }
        if message.dataLocation == 1 {
            let bytes = try files.bytes(message.externalData, subject)
            try require(bytes.count, byteCount, "bytes")
            content = .mapped(bytes)
        } else if !message.rawData.isEmpty {
            try require(message.rawData.count, byteCount, "bytes")
            content = .bytes(message.rawData)
        } else {
            switch type {
            case .float32: content = .floats(message.floatData)
            case .float64: content = .doubles(message.doubleData)
            case .int64: content = .ints(message.int64Data.map(Int.init))
            // The short floats keep their bits here.
            case .int32, .bool, .float16, .bfloat16: content = .ints(message.int32Data.map(Int.init))
            }
            let found =
                switch content {
                case .floats(let values): values.count
                case .doubles(let values): values.count
                case .ints(let values): values.count
                default: 0
                }
            try require(found, count, "elements")
        }
    }

    /// All elements of whole numbers or truth values; nil of other types.
    package var ints: [Int]? {
        switch type {
        case .int64: elements(Int64.self).map { Int($0) }
        case .int32: elements(Int32.self).map { Int($0) }
        case .bool: elements(UInt8.self).map { $0 == 0 ? 0 : 1 }
        default: nil
        }
    }

    /// All elements of float32 and, rounded to it, of float64; nil of other types.
    package var floats: [Float]? {
        switch content {
        case .floats(let values): return values
        case .doubles(let values): return values.map(Float.init)
        case .ints: return nil
        case .bytes, .mapped:
            switch type {
            case .float32: return withBytes { bytes in loaded(bytes, UInt32.self).map { Float(bitPattern: $0) } }
            case .float64:
                return withBytes { bytes in loaded(bytes, UInt64.self).map { Float(Double(bitPattern: $0)) } }
            default: return nil
            }
        }
    }

    private func elements<Element: FixedWidthInteger & BitwiseCopyable>(_: Element.Type) -> [Element] {
        if case .ints(let values) = content { return values.map { Element(truncatingIfNeeded: $0) } }
        return withBytes { loaded($0, Element.self) }
    }

    private func loaded<Element: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _: Element.Type
    ) -> [Element] {
        (0..<count).map {
            Element(
                littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self))
        }
    }

    private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        switch content {
        case .bytes(let data): data.withUnsafeBytes(body)
        case .mapped(let bytes): bytes.withUnsafeBytes(body)
        case .floats, .doubles, .ints: body(UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }
}

/// The files beside an ONNX file that hold tensors of it, each mapped once.
struct ExternalFiles {
    private let url: URL
    private var files: [String: MappedFile] = [:]

    init(of url: URL) { self.url = url }

    /// The bytes that these entries (`location`, `offset`, `length`) name.
    ///
    /// Throws ``FormatError`` for a place outside of the file's folder, and for bytes that are not there.
    mutating func bytes(_ entries: [ONNXStringStringEntryProto], _ subject: String) throws -> MappedBytes {
        let values = Dictionary(entries.map { ($0.key, $0.value) }) { first, _ in first }
        guard values.count == entries.count, let location = values["location"] else {
            throw FormatError(
                .malformedMetadata, "nothing says where the data is", subject: subject, expected: "one location")
        }
        // One name in the same folder: what PyTorch and onnx write.
        guard !location.isEmpty, location != ".", location != "..", !location.contains("/"), !location.contains("\0")
        else {
            throw FormatError(
                .unsafePath, "the data of a tensor lies outside of the file's folder", subject: subject, found: location
            )
        }
        let file = try files[location] ?? MappedFile(url.deletingLastPathComponent().appending(path: location))
        files[location] = file
        func number(_ key: String, _ standard: Int) throws -> Int {
            guard let text = values[key] else { return standard }
            guard let value = Int(text), value >= 0 else {
                throw FormatError(.badOffsets, "the \(key) is no number", subject: subject, found: text)
            }
            return value
        }
        let offset = try number("offset", 0)
        let length = try number("length", max(0, file.bytes.count - offset))
        guard offset <= file.bytes.count, length <= file.bytes.count - offset else {
            throw FormatError(
                .truncated, "the data of a tensor ends behind its file \(location)", subject: subject,
                expected: "\(offset) + \(length) bytes", found: "\(file.bytes.count)")
        }
        return MappedBytes(file, offset..<offset + length)
    }
}

extension Int {
    fileprivate func product(with other: Int) -> Int? {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? nil : product
    }
}
