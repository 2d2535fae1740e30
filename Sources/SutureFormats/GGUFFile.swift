import Foundation

/// A GGUF file, version 2 or 3, little endian: metadata and tensors, mapped, checked as a whole when it is opened.
///
/// The format: `GGUF`, the version, the counts of tensors and of metadata; the metadata, each a name, a type and a
/// value; for each tensor its name, sizes, type and offset; then the data, at a multiple of the alignment.
public struct GGUFFile: Sendable {
    /// What the file says of a tensor.
    public struct Tensor: Sendable, Equatable {
        public let name: String
        public let type: GGUFType
        /// The sizes, outermost first: the file's own order is the other way round.
        public let shape: [Int]
        /// Where the bytes are in the file, row-major.
        public let range: Range<Int>
        /// In which of ``GGUFFile/parts`` they are.
        var part = 0

        /// How many rows there are: the product of all sizes but the innermost.
        public var rowCount: Int { shape.dropLast().reduce(1, *) }
        /// How many values a row has: the innermost size.
        public var rowLength: Int { shape.last ?? 1 }
    }

    /// The file with the metadata: the first of several parts.
    public let file: MappedFile
    public let version: Int
    public let metadata: OrderedTable<GGUFValue>
    /// The tensors by name, in the order of the file.
    public internal(set) var tensors: OrderedTable<Tensor>
    /// All files that are this one: more than one where it was split.
    public internal(set) var parts: [MappedFile]
    /// Blocks that are read in the place of stored ones.
    var replaced = ReplacedBlocks()

    /// Maps a file and checks all that comes before the data.
    ///
    /// - Throws: ``FormatError`` for a file that is cut, malformed, of another version, or has tensors of an
    ///   unsupported type, that overlap, or that reach past the end.
    public init(_ url: URL) throws {
        file = try MappedFile(url)
        parts = [file]
        var reader = GGUFReader(file.bytes, source: file.name)
        version = try Self.readVersion(&reader)
        let tensorCount = try reader.count(of: "tensors", width: 24)
        let metadataCount = try reader.count(of: "metadata", width: 13)
        metadata = try Self.readMetadata(&reader, count: metadataCount)
        let alignment = try Self.alignment(in: metadata, source: file.name)
        let entries = try (0..<tensorCount).map { _ in try TensorEntry(&reader) }
        let dataStart = (reader.position + alignment - 1) / alignment * alignment
        tensors = try Self.place(entries, dataStart: dataStart, alignment: alignment, in: file)
        try Self.checkOverlaps(tensors, in: file)
    }

    /// The tensor of that name.
    public subscript(name: String) -> Tensor? { tensors[ByteString(name)] }

    /// What is odd about the file but no error, one line each.
    public var notices: [String] {
        let cut = metadata["tokenizer.ggml.pre"]?.stringValue ?? "default"
        guard metadata["tokenizer.ggml.model"]?.stringValue == "gpt2", cut == "default" else { return [] }
        return [
            "\(file.name): tokenizer.ggml.pre does not say how the model cuts text; as llama.cpp does by default is a guess"
        ]
    }

    /// The data of one of this file's tensors as stored, without a copy.
    public func bytes(of tensor: Tensor) -> MappedBytes { MappedBytes(parts[tensor.part], tensor.range) }

    /// Some bytes of a file of one part.
    package func content(_ range: Range<Int>) -> [UInt8] { MappedBytes(file, range).withUnsafeBytes { Array($0) } }

    /// Some rows of a tensor as `Float`, row-major.
    ///
    /// - Parameters:
    ///   - tensor: one of this file's.
    ///   - rows: which rows; threads may each take a part.
    ///   - values: exactly as many values as the rows have.
    /// - Throws: ``FormatError`` if the type has no conversion or the sizes do not match.
    public func dequantize(
        _ tensor: Tensor, rows: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
    ) throws {
        guard rows.lowerBound >= 0, rows.upperBound <= tensor.rowCount else {
            throw FormatError(
                .sizeMismatch, "no such rows", subject: "\(file.name): \(tensor.name)",
                expected: "rows in 0..<\(tensor.rowCount)", found: "\(rows)")
        }
        let rowWidth = tensor.rowLength / tensor.type.blockLength * tensor.type.blockWidth
        try bytes(of: tensor).withUnsafeBytes { bytes in
            let part = bytes[(rows.lowerBound * rowWidth)..<(rows.upperBound * rowWidth)]
            try tensor.type.dequantize(UnsafeRawBufferPointer(rebasing: part), into: values)
        }
        try putReplaced(tensor, rows: rows, in: values)
    }

    /// All of a tensor as `Float`, row-major.
    public func dequantize(_ tensor: Tensor) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: tensor.rowCount * tensor.rowLength) { buffer, count in
            count = tensor.rowCount * tensor.rowLength
            let values = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            try dequantize(tensor, rows: 0..<tensor.rowCount, into: values)
        }
    }
}

// MARK: Metadata by name

extension GGUFFile {
    /// The integer under `key`; an error names the key if it is missing or of another type.
    public func int(_ key: ByteString) throws -> Int { try value(key, "an integer", \.intValue) }

    /// The flag under `key`; an error names the key if it is missing or of another type.
    public func bool(_ key: ByteString) throws -> Bool { try value(key, "a boolean", \.boolValue) }

    /// The finite number under `key`; an error names the key if it is missing or of another type.
    public func double(_ key: ByteString) throws -> Double {
        try value(key, "a finite number") { value in value.doubleValue.flatMap { $0.isFinite ? $0 : nil } }
    }

    /// The text under `key`; an error names the key if it is missing or of another type.
    public func string(_ key: ByteString) throws -> String { try value(key, "a string", \.stringValue) }

    /// The strings under `key`; an error names the key if it is missing or of another type.
    public func strings(_ key: ByteString) throws -> [ByteString] { try array(key, "strings", \.bytesValue) }

    /// The integers under `key`; an error names the key if it is missing or of another type.
    public func ints(_ key: ByteString) throws -> [Int] { try array(key, "integers", \.intValue) }

    /// The numbers under `key`; an error names the key if it is missing or of another type.
    public func doubles(_ key: ByteString) throws -> [Double] { try array(key, "numbers", \.doubleValue) }

    private func value<Value>(
        _ key: ByteString, _ expected: String, _ convert: (GGUFValue) -> Value?
    ) throws -> Value {
        guard let found = metadata[key] else {
            throw FormatError(.missingKey, "the metadata has no \"\(key)\"", subject: file.name)
        }
        guard let value = convert(found) else {
            throw FormatError(
                .malformedMetadata, "wrong kind of a value", subject: "\(file.name): \(key)", expected: expected,
                found: found.text)
        }
        return value
    }

    private func array<Element>(
        _ key: ByteString, _ expected: String, _ convert: (GGUFValue) -> Element?
    ) throws -> [Element] {
        try value(key, "an array of \(expected)") { found in
            guard let elements = found.arrayValue else { return nil }
            let converted = elements.compactMap(convert)
            return converted.count == elements.count ? converted : nil
        }
    }
}

// MARK: Reading

extension GGUFFile {
    private static func readVersion(_ reader: inout GGUFReader) throws -> Int {
        guard try reader.integer(UInt32.self) == 0x4655_4747 else {
            throw reader.error(.badMagic, "not a GGUF file", at: 0, expected: "\"GGUF\" at the beginning")
        }
        let version = try reader.integer(UInt32.self)
        guard version == 2 || version == 3 else {
            throw reader.error(
                .unsupportedVersion, "unsupported version of GGUF", at: 4, expected: "2 or 3", found: "\(version)",
                hint: version.byteSwapped <= 3 ? "big-endian files are not read" : nil)
        }
        return Int(version)
    }

    private static func readMetadata(_ reader: inout GGUFReader, count: Int) throws -> OrderedTable<GGUFValue> {
        var metadata = OrderedTable<GGUFValue>()
        for _ in 0..<count {
            let start = reader.position
            let key = try reader.name()
            guard metadata.append(key, try reader.value()) else {
                throw reader.error(.duplicateName, "metadata \"\(key)\" appears twice", at: start)
            }
        }
        return metadata
    }

    private static func alignment(in metadata: OrderedTable<GGUFValue>, source: String) throws -> Int {
        guard let stored = metadata["general.alignment"] else { return 32 }
        guard let alignment = stored.intValue, 1...(1 << 20) ~= alignment, alignment & (alignment - 1) == 0 else {
            throw FormatError(
                .badAlignment, "impossible alignment", subject: "\(source): general.alignment",
                expected: "a power of two, at most 2^20", found: stored.text)
        }
        return alignment
    }

    /// What the file says of a tensor before its place is known.
    private struct TensorEntry {
        let name: ByteString
        let type: GGUFType
        let shape: [Int]
        let offset: UInt64
        let byteCount: Int

        init(_ reader: inout GGUFReader) throws {
            let start = reader.position
            name = try reader.name()
            let dimensions = try reader.integer(UInt32.self)
            guard dimensions <= 4 else {
                throw reader.error(
                    .overflow, "tensor \"\(name)\" has too many dimensions", at: start, expected: "at most 4",
                    found: "\(dimensions)")
            }
            let sizes = try (0..<dimensions).map { _ in try reader.integer(UInt64.self) }
            let number = try reader.integer(UInt32.self)
            guard let type = GGUFType(rawValue: number) else {
                throw reader.error(
                    .unknownType, "the type of tensor \"\(name)\" is not supported", at: start,
                    found: GGUFType.unsupportedName(number) ?? "type \(number)",
                    hint: "llama-quantize --allow-requantize FILE NEW Q8_0 makes a file of a type that is")
            }
            self.type = type
            shape = sizes.reversed().map { Int(clamping: $0) }
            guard let count = elementCount(shape), !shape.contains(0),
                (shape.last ?? 1).isMultiple(of: type.blockLength),
                case (let bytes, let overflow) = (count / type.blockLength).multipliedReportingOverflow(
                    by: type.blockWidth),
                !overflow
            else {
                throw reader.error(
                    .overflow, "tensor \"\(name)\" has an impossible shape for \(type.name)", at: start,
                    expected: "rows of a multiple of \(type.blockLength) values", found: "\(sizes.reversed())")
            }
            byteCount = bytes
            offset = try reader.integer()
        }
    }

    private static func place(
        _ entries: [TensorEntry], dataStart: Int, alignment: Int, in file: MappedFile
    ) throws -> OrderedTable<Tensor> {
        var tensors = OrderedTable<Tensor>()
        let dataCount = max(0, file.bytes.count - dataStart)
        for entry in entries {
            let subject = "\(file.name): \(entry.name)"
            guard entry.offset % UInt64(alignment) == 0 else {
                throw FormatError(
                    .badAlignment, "the offset of a tensor is not aligned", subject: subject,
                    expected: "a multiple of \(alignment)", found: "\(entry.offset)")
            }
            guard entry.offset <= dataCount, entry.byteCount <= dataCount - Int(entry.offset) else {
                throw FormatError(
                    .truncated, "the file ends within a tensor", subject: subject,
                    expected: "\(entry.byteCount) bytes at \(entry.offset)", found: "\(dataCount) bytes of data",
                    hint: "fetch it again")
            }
            let start = dataStart + Int(entry.offset)
            let tensor = Tensor(
                name: entry.name.string, type: entry.type, shape: entry.shape, range: start..<(start + entry.byteCount))
            guard tensors.append(entry.name, tensor) else {
                throw FormatError(.duplicateName, "there is another tensor of this name", subject: subject)
            }
        }
        return tensors
    }

    private static func checkOverlaps(_ tensors: OrderedTable<Tensor>, in file: MappedFile) throws {
        let sorted = tensors.map(\.value).filter { !$0.range.isEmpty }
            .sorted { $0.range.lowerBound < $1.range.lowerBound }
        for (tensor, next) in zip(sorted, sorted.dropFirst()) where next.range.lowerBound < tensor.range.upperBound {
            throw FormatError(
                .overlap, "this tensor overlaps \"\(tensor.name)\"", subject: "\(file.name): \(next.name)")
        }
    }
}
