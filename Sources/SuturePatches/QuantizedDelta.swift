import SutureFormats

/// What is added to every element, in 1 to 16 bits each: `delta = scales[c] * (code - zeros[c])` in float64.
///
/// `c` is the channel of the element, its index in the first dimension, or 0 where one scale serves the whole tensor.
/// Without `zeros` the codes lie symmetrically: zero is 2^(bits-1), and 1/2 for one bit, which is then a sign.
struct QuantizedDelta: Delta {
    let bits: Int
    /// The codes of all elements one after the other, lowest bits first, packed without gaps: U8 `[bytes]`.
    let codes: PayloadTensor
    /// `[channels]`, or `[1]`
    let scales: PayloadTensor
    /// As many as scales.
    let zeros: PayloadTensor?

    var kind: Edit.Kind { .quantized }
    var summary: String { "\(bits) bits, \(scales.count == 1 ? "one scale" : "\(scales.count) scales")" }
    var payload: [(key: ByteString, tensor: PayloadTensor)] {
        let all: [(ByteString, PayloadTensor?)] = [("codes", codes), ("scales", scales), ("zeros", zeros)]
        return all.compactMap { key, tensor in tensor.map { (key, $0) } }
    }
    var members: JSONObject { ["bits": JSON(bits)] }

    static func symmetricZero(bits: Int) -> Double { bits == 1 ? 0.5 : Double(1 << (bits - 1)) }

    static func byteCount(elements: Int, bits: Int) -> Int {
        // In halves, so that no product overflows.
        elements / 8 * bits + (elements % 8 * bits + 7) / 8
    }

    func check(against base: BaseTensor, subject: String) throws {
        guard 1...16 ~= bits else {
            throw PatchError(
                .malformedManifest, "impossible number of bits", subject: subject, expected: "1 to 16", found: "\(bits)"
            )
        }
        let elements = base.shape.reduce(1, *)
        let byteCount = Self.byteCount(elements: elements, bits: bits)
        guard codes.shape == [byteCount] else {
            throw PatchError(
                .badPayload, "the payload does not fit the edit", subject: subject, expected: "[\(byteCount)]",
                found: "\(codes.shape)")
        }
        // Bits after the last code are zero, so that equal patches have equal bytes.
        let used = elements % 8 * bits % 8
        if used > 0, try codes.bytes.bytes(byteCount - 1..<byteCount)[0] >> UInt8(used) != 0 {
            throw PatchError(.badPayload, "bits after the last code are set", subject: subject)
        }
        let channels = scales.count == 1 ? 1 : base.shape.first ?? 1
        try checkPayload(scales, shape: [channels], subject: subject)
        if let zeros { try checkPayload(zeros, shape: [channels], subject: subject) }
    }

    /// Whether a scale is not zero; the codes decide the rest, which applying tells.
    var isNonzero: Bool { scales.hasNonzero }

    func add(_ scale: Double, of range: Range<Int>, shape: [Int], to sums: UnsafeMutableBufferPointer<Double>) throws {
        let firstBit = range.lowerBound / 8 * bits * 8 + range.lowerBound % 8 * bits
        let firstByte = firstBit / 8
        let end = Self.byteCount(elements: range.upperBound, bits: bits)
        // Two bytes more, so that three can be read from anywhere.
        let bytes = try codes.bytes.bytes(firstByte..<end) + [0, 0]
        let mask = UInt32(1) << UInt32(bits) - 1
        let channelLength = scales.count == 1 ? max(range.upperBound, 1) : shape.dropFirst().reduce(1, *)
        let channels = range.lowerBound / channelLength...max(range.upperBound - 1, range.lowerBound) / channelLength
        let scales = try scales.floats(channels.lowerBound..<channels.upperBound + 1).map(Double.init)
        let zeros =
            try zeros?.floats(channels.lowerBound..<channels.upperBound + 1).map(Double.init)
            ?? [Double](repeating: Self.symmetricZero(bits: bits), count: scales.count)
        var bit = firstBit - firstByte * 8
        bytes.withUnsafeBytes { bytes in
            for (position, channel) in channels.enumerated() {
                let elements = (channel * channelLength..<(channel + 1) * channelLength).clamped(to: range)
                let (step, zero) = (scales[position], zeros[position])
                for element in elements {
                    let byte = bit / 8
                    let window = UInt32(bytes[byte]) | UInt32(bytes[byte + 1]) << 8 | UInt32(bytes[byte + 2]) << 16
                    let code = window >> UInt32(bit % 8) & mask
                    sums[element - range.lowerBound] += scale * (step * (Double(code) - zero))
                    bit += bits
                }
            }
        }
    }
}
