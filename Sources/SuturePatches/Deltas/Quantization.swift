import SutureFormats

/// How the numbers of a change are written in few bits.
public struct QuantizationOptions: Sendable, Equatable {
    /// Where the numbers lie that codes stand for.
    public enum Scheme: String, Sendable, CaseIterable {
        /// Evenly.
        case linear
        /// Evenly in their logarithm, with a sign and a zero: small numbers keep their digits, as large ones do.
        case log

        /// How many bits a code may have.
        var bits: ClosedRange<Int> { self == .log ? 2...16 : 1...16 }
    }

    /// 1 to 16 for each number; 2 to 16 in the scheme `log`.
    public var bits: Int
    public var scheme: Scheme
    /// Whether each channel, an index of the first dimension, has a scale of its own.
    public var perChannel: Bool
    /// Whether linear codes lie symmetrically about zero; else they reach from the least number to the greatest.
    public var isSymmetric: Bool

    /// Codes of so many bits, 1...16.
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
        guard values.count == shape.reduce(1, *) else {
            throw PatchError(
                .badPayload, "there is not one number for each element", subject: subject, expected: "\(shape)",
                found: "\(values.count)")
        }
        var quantizer = try Quantizer(shape: shape, options, subject: subject)
        var bytes: [UInt8] = []
        _ = try quantizer.encode({ Array(values[$0]) }, append: { bytes += $0 })
        self.init(quantizer, codes: PayloadTensor(.uint8, [bytes.count], bytes))
    }

    fileprivate init(_ quantizer: Quantizer, codes: PayloadTensor) {
        bits = quantizer.options.bits
        scheme = quantizer.options.scheme
        self.codes = codes
        scales = PayloadTensor(quantizer.scales, shape: [quantizer.scales.count])
        zeros = quantizer.zeros.map { PayloadTensor($0, shape: [$0.count]) }
    }
}

extension EditWriter {
    /// The edit that adds these numbers in few bits, and the norm of what it lacks of them, as a fraction of theirs.
    ///
    /// - Parameter values: what to add to some elements, asked for twice where channels are long.
    func quantizedEdit(
        of tensor: String, shape: [Int], _ options: QuantizationOptions, values: (Range<Int>) throws -> [Float]
    ) throws -> (edit: Edit, error: Double) {
        var quantizer = try Quantizer(shape: shape, options, subject: tensor)
        let size = QuantizedDelta.byteCount(elements: shape.reduce(1, *), bits: options.bits)
        var room = Room(spool, .uint8, [size])
        let error = try quantizer.encode(values) { try room.append($0) }
        let delta = QuantizedDelta(quantizer, codes: room.tensor)
        return (Edit(tensor: tensor, scale: 1, delta: delta, original: nil), error)
    }
}
