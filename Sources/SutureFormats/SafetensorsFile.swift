import Foundation

/// A safetensors file: named tensors and notes on them, mapped, checked as a whole when it is opened.
///
/// The format: 8 bytes with the length of the header (little endian); the header, a JSON object from each name to
/// `{"dtype", "shape", "data_offsets"}`, with `__metadata__` from strings to strings; then the data, without gaps.
public struct SafetensorsFile: Sendable {
    /// What the header says of a tensor.
    public struct Tensor: Sendable, Equatable {
        public let name: String
        public let type: StorageType
        /// The sizes, outermost first; empty for a scalar.
        public let shape: [Int]
        /// Where the bytes are in the file, row-major and little endian.
        public let range: Range<Int>
    }

    /// The longest header that is read or written, in bytes; the limit of the reference implementation.
    public static let maximumHeaderLength = 100_000_000

    static let metadataKey: ByteString = "__metadata__"

    public let file: MappedFile
    /// The notes in the header, `__metadata__`, in their order.
    public let metadata: OrderedTable<ByteString>
    /// The tensors in the order of their data.
    public let tensors: [Tensor]
    private let positions: [ByteString: Int]

    /// Maps a file and checks all of its header.
    ///
    /// - Throws: ``FormatError`` for a file that is cut, malformed, or has tensors that overlap, leave gaps, or do not
    ///   take the bytes that their type and shape ask for.
    public init(_ url: URL) throws {
        file = try MappedFile(url)
        let header = try Self.header(of: file)
        let dataStart = header.endIndex
        let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: header), source: "\(file.name), header")
        let fields = JSONField(json, source: "\(file.name), header")
        metadata = try Self.metadata(in: fields)
        tensors = try Self.tensors(in: fields, dataStart: dataStart)
        try Self.checkCoverage(of: file, by: tensors, dataStart: dataStart)
        positions = try .init(positionsOf: tensors.map(\.name), source: file.name)
    }

    /// The tensor of that name.
    public subscript(name: String) -> Tensor? { positions[ByteString(name)].map { tensors[$0] } }

    /// The data of one of this file's tensors, without a copy.
    public func bytes(of tensor: Tensor) -> MappedBytes { MappedBytes(file, tensor.range) }
}

// MARK: Reading the header

extension SafetensorsFile {
    private static func header(of file: MappedFile) throws -> Slice<UnsafeRawBufferPointer> {
        guard file.bytes.count >= 8 else {
            throw FormatError(
                .truncated, "too short for a safetensors file", subject: file.name, expected: "at least 8 bytes",
                found: "\(file.bytes.count)")
        }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= maximumHeaderLength else {
            throw FormatError(
                .tooLarge, "the header is too long", subject: file.name,
                expected: "at most \(maximumHeaderLength) bytes", found: "\(length)",
                hint: "this may not be a safetensors file")
        }
        guard length <= file.bytes.count - 8 else {
            throw FormatError(
                .truncated, "the file ends within its header", subject: file.name,
                expected: "\(length + 8) bytes or more", found: "\(file.bytes.count)", hint: "fetch it again")
        }
        let header = file.bytes[8..<(8 + Int(length))]
        guard header.first == UInt8(ascii: "{") else {
            throw FormatError(.malformedHeader, "the header does not begin with \"{\"", subject: file.name)
        }
        return header
    }

    private static func metadata(in header: JSONField) throws -> OrderedTable<ByteString> {
        var metadata = OrderedTable<ByteString>()
        guard let found = try header.optional(metadataKey) else { return metadata }
        for key in try found.object.keys { metadata.append(key, try found.require(key).bytes) }
        return metadata
    }

    private static func tensors(in header: JSONField, dataStart: Int) throws -> [Tensor] {
        var tensors: [Tensor] = []
        for (name, value) in try header.object where name != metadataKey {
            tensors.append(try tensor(named: name, header.child(name, value), dataStart))
        }
        return tensors.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
    }

    private static func tensor(named name: ByteString, _ field: JSONField, _ dataStart: Int) throws -> Tensor {
        let typeName = try field.require("dtype").string
        guard let type = StorageType(rawValue: typeName) else {
            throw FormatError(.unknownType, "unknown element type", subject: field.path, found: "\"\(typeName)\"")
        }
        let shape = try field.require("shape").array.map { try $0.int }
        guard let byteCount = type.byteCount(shape: shape) else {
            throw FormatError(.overflow, "impossible shape", subject: field.path, found: "\(shape)")
        }
        let offsets = try field.require("data_offsets").array.map { try $0.int }
        guard offsets.count == 2, 0 <= offsets[0], offsets[0] <= offsets[1], offsets[1] <= Int.max - dataStart else {
            throw FormatError(
                .badOffsets, "impossible data_offsets", subject: field.path, expected: "[begin, end]",
                found: "\(offsets)")
        }
        guard offsets[1] - offsets[0] == byteCount else {
            throw FormatError(
                .sizeMismatch, "\(typeName) \(shape) does not fit its data_offsets", subject: field.path,
                expected: "\(byteCount) bytes", found: "\(offsets[1] - offsets[0])")
        }
        for key in try field.object.keys where !["dtype", "shape", "data_offsets"].contains(key) {
            throw FormatError(.malformedHeader, "unknown key \"\(key)\"", subject: field.path)
        }
        return Tensor(
            name: name.string, type: type, shape: shape, range: (dataStart + offsets[0])..<(dataStart + offsets[1]))
    }

    /// Every byte of the data belongs to one tensor, so that nothing can hide in a file.
    private static func checkCoverage(of file: MappedFile, by tensors: [Tensor], dataStart: Int) throws {
        var end = dataStart
        for tensor in tensors {
            guard tensor.range.lowerBound == end else {
                let isHole = tensor.range.lowerBound > end
                throw FormatError(
                    isHole ? .hole : .overlap,
                    isHole ? "bytes before this tensor belong to none" : "this tensor overlaps the one before it",
                    subject: "\(file.name): \(tensor.name)", expected: "begin at \(end - dataStart)",
                    found: "\(tensor.range.lowerBound - dataStart)")
            }
            end = tensor.range.upperBound
        }
        guard end == file.bytes.count else {
            let isCut = end > file.bytes.count
            throw FormatError(
                isCut ? .truncated : .trailingBytes,
                isCut ? "the file ends within its tensors" : "bytes after the last tensor", subject: file.name,
                expected: "\(end) bytes", found: "\(file.bytes.count)", hint: isCut ? "fetch it again" : nil)
        }
    }
}
