import SutureFormats

/// How the numbers of a change are written in few bits.
public struct QuantizationOptions: Sendable, Equatable {
    /// Where the numbers lie that codes stand for.
    public enum Scheme: String, Sendable, CaseIterable {
        /// Evenly.
        case linear
        /// Evenly in their logarithm, with a sign and a zero: small numbers keep their digits, as large ones do.
        case log
    }

    /// 1 to 16 for each number; 2 to 16 in the scheme `log`.
    public var bits: Int
    public var scheme: Scheme
    /// Whether each channel, an index of the first dimension, has a scale of its own.
    public var perChannel: Bool
    /// Whether linear codes lie symmetrically about zero; else they reach from the least number to the greatest.
    public var isSymmetric: Bool

    public init(bits: Int, scheme: Scheme = .linear, perChannel: Bool = true, isSymmetric: Bool = true) {
        self.bits = bits
        self.scheme = scheme
        self.perChannel = perChannel
        self.isSymmetric = isSymmetric
    }
}

extension QuantizedDelta {
    /// The codes nearest to `values`; in one bit, the signs, and the mean of the magnitudes (BitDelta, 2402.10193).
    ///
    /// Zero stays zero, except in one bit: a weight that was not changed is not changed.
    init(_ values: [Float], shape: [Int], _ options: QuantizationOptions, subject: String) throws {
        guard options.scheme.bits ~= options.bits, !values.isEmpty, values.count == shape.reduce(1, *) else {
            throw PatchError(
                .badPayload, "cannot be quantized so", subject: subject,
                expected: "\(options.scheme.bits.lowerBound) to 16 bits and \(shape)",
                found: "\(options.bits) bits and \(values.count) numbers")
        }
        guard values.allSatisfy(\.isFinite) else {
            throw PatchError(.badPayload, "the payload is not finite", subject: subject)
        }
        let channels = options.perChannel ? shape.first ?? 1 : 1
        let length = values.count / channels
        var packer = BitPacker(bits: options.bits, count: values.count)
        var (scales, zeros): ([Float], [Float]) = ([], [])
        for channel in 0..<channels {
            let values = values[channel * length..<(channel + 1) * length]
            switch options.scheme {
            case .linear:
                let codebook = LinearCodebook(values, bits: options.bits, isSymmetric: options.isSymmetric)
                for value in values { packer.append(codebook.code(of: value)) }
                scales.append(codebook.scale)
                zeros.append(codebook.zero)
            case .log:
                let codebook = LogCodebook(values, bits: options.bits)
                for value in values { packer.append(codebook.code(of: value)) }
                scales.append(codebook.scale)
            }
        }
        bits = options.bits
        scheme = options.scheme
        codes = PayloadTensor(.uint8, [packer.bytes.count], packer.bytes)
        self.scales = PayloadTensor(scales, shape: [channels])
        let isPlain = options.isSymmetric || options.bits == 1 || options.scheme == .log
        self.zeros = isPlain ? nil : PayloadTensor(zeros, shape: [channels])
    }
}

extension QuantizationOptions.Scheme {
    /// How many bits a code may have.
    var bits: ClosedRange<Int> { self == .log ? 2...16 : 1...16 }
}

/// The numbers that the linear codes of a channel stand for.
private struct LinearCodebook {
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
