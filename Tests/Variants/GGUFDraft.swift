import Foundation
import SutureFormats
import SutureTestSupport

/// A GGUF file in the making, in which anything may be wrong.
public struct GGUFDraft: Sendable {
    /// A value of the metadata, as it is stored.
    public enum Field: Sendable, Equatable {
        case value(type: UInt32, [UInt8])
        case array(type: UInt32, [[UInt8]])
    }

    /// A tensor and its data.
    public struct Tensor: Sendable {
        public var name: String
        /// Innermost first, as the file has them.
        public var sizes: [UInt64]
        public var type: UInt32
        public var bytes: [UInt8]
    }

    /// The settings in their order.
    public var metadata: [(key: String, field: Field)] = []
    public var tensors: [Tensor] = []

    /// The file.
    public func serialized() -> [UInt8] {
        var head = Array("GGUF".utf8) + Self.bytes(UInt32(3))
        head += Self.bytes(UInt64(tensors.count)) + Self.bytes(UInt64(metadata.count))
        for (key, field) in metadata {
            head += Self.bytes(text: key)
            switch field {
            case .value(let type, let bytes): head += Self.bytes(type) + bytes
            case .array(let type, let elements):
                head += Self.bytes(UInt32(9)) + Self.bytes(type) + Self.bytes(UInt64(elements.count))
                head += elements.joined()
            }
        }
        var data: [UInt8] = []
        for tensor in tensors {
            head += Self.bytes(text: tensor.name) + Self.bytes(UInt32(tensor.sizes.count))
            for size in tensor.sizes { head += Self.bytes(size) }
            head += Self.bytes(tensor.type) + Self.bytes(UInt64(data.count))
            data += tensor.bytes + [UInt8](repeating: 0, count: (32 - tensor.bytes.count % 32) % 32)
        }
        return head + [UInt8](repeating: 0, count: (32 - head.count % 32) % 32) + data
    }

    /// Writes the file, for as long as `body` takes.
    public func withFile<Result>(_ body: (URL) throws -> Result) throws -> Result {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "model.gguf")
            try Data(serialized()).write(to: url)
            return try body(url)
        }
    }

    /// A number, little endian.
    public static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    static func bytes(text: String) -> [UInt8] { bytes(UInt64(text.utf8.count)) + text.utf8 }
}

extension GGUFDraft.Field {
    public static func size(_ number: Int) -> Self {
        .value(type: 4, GGUFDraft.bytes(UInt32(truncatingIfNeeded: number)))
    }
    public static func float(_ number: Float) -> Self { .value(type: 6, GGUFDraft.bytes(number.bitPattern)) }
    public static func text(_ text: String) -> Self { .value(type: 8, GGUFDraft.bytes(text: text)) }

    /// What was read from another file.
    init(_ value: GGUFValue) {
        switch value {
        case .unsigned(let number): self = .value(type: 4, GGUFDraft.bytes(UInt32(truncatingIfNeeded: number)))
        case .signed(let number): self = .value(type: 5, GGUFDraft.bytes(Int32(truncatingIfNeeded: number)))
        case .float(let number): self = .float(Float(number))
        case .bool(let flag): self = .value(type: 7, [flag ? 1 : 0])
        case .string(let text): self = .value(type: 8, GGUFDraft.bytes(UInt64(text.bytes.count)) + text.bytes)
        case .array(let elements):
            var type: UInt32 = 4
            let parts = elements.map { element -> [UInt8] in
                guard case .value(let own, let bytes) = GGUFDraft.Field(element) else { return [] }
                type = own
                return bytes
            }
            self = .array(type: type, parts)
        }
    }

    /// Values that a reader may not expect: of each type, and of each kind of number.
    public static let hostile: [Self] = {
        let sizes: [UInt32] = [0, 1, 2, 3, 5, 7, 8, 16, 48, 1 << 16, 1 << 28, 1 << 31, .max]
        let large: [UInt64] = [1 << 32, 1 << 61, 1 << 62, 1 << 63 - 1, 1 << 63, .max]
        let floats: [Float] = [.nan, .infinity, -.infinity, 0, -1, 1, 0.5, 1e-30, 1e30, Float.leastNonzeroMagnitude]
        let texts = ["", "none", "linear", "yarn", "gpt2", "llama", "\u{0}", "é", String(repeating: "x", count: 5000)]
        var all: [Self] = sizes.map { .value(type: 4, GGUFDraft.bytes($0)) }
        all += large.map { .value(type: 10, GGUFDraft.bytes($0)) }
        all += [-1, .min, 4].map { (number: Int32) in .value(type: 5, GGUFDraft.bytes(number)) }
        all += [-1, .min].map { (number: Int64) in .value(type: 11, GGUFDraft.bytes(number)) }
        all += floats.map(Self.float)
        all += [.nan, 1e300, Double.leastNonzeroMagnitude].map { (number: Double) in
            .value(type: 12, GGUFDraft.bytes(number.bitPattern))
        }
        all += [
            .value(type: 7, [0]), .value(type: 7, [1]), .value(type: 0, [1]), .value(type: 8, [1] + zeros(7) + [255])
        ]
        all += texts.map(Self.text)
        all += [.array(type: 4, []), .array(type: 8, []), .array(type: 4, [[4, 0, 0, 0], [4, 0, 0, 0]])]
        return all
    }()

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}
