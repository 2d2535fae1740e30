import SutureFormats

/// How the numbers of a change are written in few bits.
public struct QuantizationOptions: Sendable, Equatable {
    /// 1 to 16 for each number.
    public var bits: Int
    /// Whether each channel, an index of the first dimension, has a scale of its own.
    public var perChannel: Bool
    /// Whether the codes lie symmetrically about zero; else they reach from the least number to the greatest.
    public var isSymmetric: Bool

    public init(bits: Int, perChannel: Bool = true, isSymmetric: Bool = true) {
        self.bits = bits
        self.perChannel = perChannel
        self.isSymmetric = isSymmetric
    }
}

extension QuantizedDelta {
    /// The codes nearest to `values`; in one bit, the signs, and the mean of the magnitudes (BitDelta, 2402.10193).
    ///
    /// Zero stays zero, except in one bit: a weight that was not changed is not changed.
    init(_ values: [Float], shape: [Int], _ options: QuantizationOptions, subject: String) throws {
        guard 1...16 ~= options.bits, !values.isEmpty, values.count == shape.reduce(1, *) else {
            throw PatchError(
                .badPayload, "cannot be quantized so", subject: subject, expected: "1 to 16 bits and \(shape)",
                found: "\(options.bits) bits and \(values.count) numbers")
        }
        guard values.allSatisfy(\.isFinite) else {
            throw PatchError(.badPayload, "the payload is not finite", subject: subject)
        }
        let channels = options.perChannel ? shape.first ?? 1 : 1
        let length = values.count / channels
        let codebooks = (0..<channels).map { channel in
            Codebook(
                values[channel * length..<(channel + 1) * length], bits: options.bits, isSymmetric: options.isSymmetric)
        }
        var packer = BitPacker(bits: options.bits, count: values.count)
        for (index, value) in values.enumerated() { packer.append(codebooks[index / length].code(of: value)) }
        bits = options.bits
        codes = PayloadTensor(.uint8, [packer.bytes.count], packer.bytes)
        scales = PayloadTensor(codebooks.map(\.scale), shape: [channels])
        let isPlain = options.isSymmetric || options.bits == 1
        zeros = isPlain ? nil : PayloadTensor(codebooks.map(\.zero), shape: [channels])
    }
}

/// The numbers that the codes of a channel stand for.
private struct Codebook {
    let scale: Float
    let zero: Float
    private let top: Float

    init(_ values: ArraySlice<Float>, bits: Int, isSymmetric: Bool) {
        let (low, high) = (min(values.min() ?? 0, 0), max(values.max() ?? 0, 0))
        top = Float(1 << bits - 1)
        if bits == 1 {
            let mean = values.reduce(0) { $0 + Double($1.magnitude) } / Double(max(values.count, 1))
            (scale, zero) = (Float(2 * mean), 0.5)
        } else if isSymmetric {
            // One code less below than there are, so that both sides reach as far.
            let zero = Float(1 << (bits - 1))
            (scale, self.zero) = (max(-low, high) / (zero - 1), zero)
        } else {
            // The width may be more than float32 can say.
            scale = Float((Double(high) - Double(low)) / Double(top))
            zero = scale > 0 ? (-low / scale).rounded() : 0
        }
    }

    func code(of value: Float) -> UInt32 {
        if zero == 0.5, top == 1 { return value < 0 ? 0 : 1 }
        guard scale > 0 else { return UInt32(zero) }
        return UInt32(min(max((value / scale + zero).rounded(.toNearestOrEven), 0), top))
    }
}

/// Codes one after the other without gaps, lowest bits first.
private struct BitPacker {
    private(set) var bytes: [UInt8]
    private let bits: Int
    private var position = 0

    init(bits: Int, count: Int) {
        self.bits = bits
        bytes = [UInt8](repeating: 0, count: QuantizedDelta.byteCount(elements: count, bits: bits))
    }

    mutating func append(_ code: UInt32) {
        var rest = code << UInt32(position % 8)
        var byte = position / 8
        while rest != 0 {
            bytes[byte] |= UInt8(rest & 0xFF)
            rest >>= 8
            byte += 1
        }
        position += bits
    }
}
