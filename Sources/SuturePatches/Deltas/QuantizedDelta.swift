import SutureFormats

/// What is added to every element, in 1 to 16 bits each, in float64: `delta = scales[c] * (code - zeros[c])`, or, in the
/// scheme `log`, `scales[c] * level(code)`.
///
/// `c` is the channel of the element, its index in the first dimension, or 0 where one scale serves the whole tensor.
/// Without `zeros` linear codes lie symmetrically: zero is 2^(bits-1), and 1/2 for one bit, which is then a sign.
struct QuantizedDelta: Delta {
    let bits: Int
    let scheme: QuantizationOptions.Scheme
    /// The codes of all elements one after the other, lowest bits first, packed without gaps: U8 `[bytes]`.
    let codes: PayloadTensor
    /// `[channels]`, or `[1]`
    let scales: PayloadTensor
    /// As many as scales.
    let zeros: PayloadTensor?

    var kind: Edit.Kind { .quantized }
    var summary: String {
        "\(bits) bits\(scheme == .log ? " of the logarithm" : ""), "
            + (scales.count == 1 ? "one scale" : "\(scales.count) scales")
    }
    var payload: [(key: ByteString, tensor: PayloadTensor)] {
        let all: [(ByteString, PayloadTensor?)] = [("codes", codes), ("scales", scales), ("zeros", zeros)]
        return all.compactMap { key, tensor in tensor.map { (key, $0) } }
    }
    var members: JSONObject {
        scheme == .linear ? ["bits": JSON(bits)] : ["bits": JSON(bits), "scheme": JSON(scheme.rawValue)]
    }

    static func symmetricZero(bits: Int) -> Double { bits == 1 ? 0.5 : Double(1 << (bits - 1)) }

    static func byteCount(elements: Int, bits: Int) -> Int {
        // In halves, so that no product overflows.
        elements / 8 * bits + (elements % 8 * bits + 7) / 8
    }

    func check(against base: BaseTensor, subject: String) throws {
        guard scheme.bits ~= bits else {
            throw PatchError(
                .malformedManifest, "impossible number of bits", subject: subject,
                expected: "\(scheme.bits.lowerBound) to 16", found: "\(bits)")
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
        if range.isEmpty { return }
        let firstBit = range.lowerBound % 8 * bits
        let start = range.lowerBound / 8 * bits + firstBit / 8
        let end = Self.byteCount(elements: range.upperBound, bits: bits)
        let codes = BitPacking.codes(
            try codes.bytes.bytes(start..<end), skipping: firstBit % 8, count: range.count, bits: bits)
        let length = scales.count == 1 ? range.upperBound : shape.dropFirst().reduce(1, *)
        let channels = range.lowerBound / length..<(range.upperBound - 1) / length + 1
        let scales = try scales.floats(channels).map(Double.init)
        let zeros =
            try zeros?.floats(channels).map(Double.init)
            ?? [Double](repeating: Self.symmetricZero(bits: bits), count: scales.count)
        codes.withUnsafeBufferPointer { codes in
            LogCodebook.fractions[scheme == .log ? bits : 0].withUnsafeBufferPointer { fractions in
                for (position, channel) in channels.enumerated() {
                    let elements = (channel * length..<(channel + 1) * length).clamped(to: range)
                    let run = elements.lowerBound - range.lowerBound..<elements.upperBound - range.lowerBound
                    let (step, zero) = (scales[position], zeros[position])
                    // One tight loop for each scheme, so that the compiler makes vectors of the first.
                    switch scheme {
                    case .linear:
                        for index in run { sums[index] += scale * (step * (Double(Int32(codes[index])) - zero)) }
                    case .log:
                        for index in run { sums[index] += scale * (step * fractions[Int(codes[index])]) }
                    }
                }
            }
        }
    }
}
