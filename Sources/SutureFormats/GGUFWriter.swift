import Foundation

/// Writes small GGUF files of float32 matrices, such as adapters.
public enum GGUFWriter {
    /// A value of the metadata.
    public enum Value: Sendable {
        case string(String)
        case uint32(UInt32)
        case float32(Float)
    }

    /// A matrix, row-major.
    public struct Matrix: Sendable {
        public let name: String
        public let shape: [Int]
        public let values: [Float]

        /// A matrix of as many values as its shape has.
        public init(_ name: String, _ shape: [Int], _ values: [Float]) {
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    private static let alignment = 32

    /// Creates a file of version 3 with these matrices, in this order.
    public static func write(
        _ metadata: [(key: String, value: Value)], _ matrices: [Matrix], to url: URL, overwriting: Bool = false
    ) throws {
        var head = Array("GGUF".utf8)
        head.append(integer: UInt32(3))
        head.append(integer: UInt64(matrices.count))
        head.append(integer: UInt64(metadata.count))
        for (key, value) in metadata {
            head.append(text: key)
            switch value {
            case .uint32(let number):
                head.append(integer: UInt32(4))
                head.append(integer: number)
            case .float32(let number):
                head.append(integer: UInt32(6))
                head.append(integer: number.bitPattern)
            case .string(let text):
                head.append(integer: UInt32(8))
                head.append(text: text)
            }
        }
        var offset = 0
        for matrix in matrices {
            head.append(text: matrix.name)
            head.append(integer: UInt32(matrix.shape.count))
            for size in matrix.shape.reversed() { head.append(integer: UInt64(size)) }
            head.append(integer: GGUFType.f32.rawValue)
            head.append(integer: UInt64(offset))
            offset += padded(matrix.values.count * 4)
        }
        head += [UInt8](repeating: 0, count: padded(head.count) - head.count)
        try AtomicFile.write(to: url, overwriting: overwriting) { file in
            try head.withUnsafeBytes { try file.append($0) }
            for matrix in matrices {
                let count = matrix.values.count * 4
                try matrix.values.withUnsafeBytes { try file.append($0) }
                try [UInt8](repeating: 0, count: padded(count) - count).withUnsafeBytes { try file.append($0) }
            }
        }
    }

    private static func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }
}

extension [UInt8] {
    fileprivate mutating func append(integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer.littleEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func append(text: String) {
        append(integer: UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}

extension Checkpoint {
    /// Where a GGUF file of this model has a matrix.
    public func ggufPlace(of tensor: String) throws -> GGUFPlace {
        let place = try GGUFTranslation.place(of: tensor, config: config)
        return GGUFPlace(
            family: place.family, name: place.name, isTransposed: place.isTransposed, order: place.order)
    }
}

/// Where a GGUF file has a matrix of a snapshot.
public struct GGUFPlace: Sendable {
    /// The family, as `general.architecture` has it.
    public let family: String
    public let name: String
    /// Whether it is stored the other way round.
    public let isTransposed: Bool
    let order: GGUFTranslation.RowOrder?

    /// Which row of the original a stored row is.
    public func originalRow(_ row: Int) -> Int { order?.original(row) ?? row }
}
