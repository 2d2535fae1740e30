import SutureFormats

/// Writes the numbers of a tensor in few bits: looks at all of them, then gives each its code, piece by piece.
struct Quantizer {
    let options: QuantizationOptions
    /// Of each channel.
    private let codebooks: Codebooks
    private let count: Int
    /// Elements of a channel.
    private let length: Int

    private enum Codebooks {
        case linear([LinearCodebook])
        case log([LogCodebook])
    }

    /// Looks at the numbers, which are asked for in order.
    init(
        _ values: (Range<Int>) throws -> [Float], shape: [Int], _ options: QuantizationOptions, subject: String
    ) throws {
        let count = shape.reduce(1, *)
        guard options.scheme.bits ~= options.bits, count > 0 else {
            throw PatchError(
                .badPayload, "cannot be quantized so", subject: subject,
                expected: "\(options.scheme.bits.lowerBound) to 16 bits", found: "\(options.bits) bits of \(shape)")
        }
        let channels = options.perChannel ? shape.first ?? 1 : 1
        let length = count / channels
        (self.options, self.count, self.length) = (options, count, length)
        var spans = [Span](repeating: Span(), count: channels)
        try EditWriter.forEachChunk(of: count) { range in
            try values(range).withUnsafeBufferPointer { values in
                Self.forEachRun(in: range, length: length) { channel, run in
                    spans[channel].take(.init(rebasing: values[run]), options)
                }
            }
        }
        guard spans.allSatisfy(\.isFinite) else {
            throw PatchError(.badPayload, "the payload is not finite", subject: subject)
        }
        codebooks =
            switch options.scheme {
            case .linear: .linear(spans.map { LinearCodebook($0, length: length, options) })
            case .log: .log(spans.map { LogCodebook(scale: $0.largest, bits: options.bits) })
            }
    }

    var scales: [Float] {
        switch codebooks {
        case .linear(let codebooks): codebooks.map(\.scale)
        case .log(let codebooks): codebooks.map(\.scale)
        }
    }

    /// What linear codes count from, where that does not follow from the bits.
    var zeros: [Float]? {
        guard case .linear(let codebooks) = codebooks, !options.isSymmetric, options.bits > 1 else { return nil }
        return codebooks.map(\.zero)
    }

    /// Hands over the packed codes of the same numbers, which are asked for in order.
    ///
    /// - Returns: the norm of what is lost, as a fraction of the numbers' norm.
    func encode(
        _ values: (Range<Int>) throws -> [Float], append: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Double {
        var (error, total) = (0.0, 0.0)
        var codes = [UInt16](repeating: 0, count: min(count, EditSum.chunk))
        // A chunk is a multiple of eight elements, so that its codes end with a byte.
        try EditWriter.forEachChunk(of: count) { range in
            let values = try values(range)
            try codes.withUnsafeMutableBufferPointer { codes in
                values.withUnsafeBufferPointer { values in
                    Self.forEachRun(in: range, length: length) { channel, run in
                        let (values, codes) = (
                            UnsafeBufferPointer(rebasing: values[run]), UnsafeMutableBufferPointer(rebasing: codes[run])
                        )
                        let sums =
                            switch codebooks {
                            case .linear(let codebooks): Self.encode(values, by: codebooks[channel], into: codes)
                            case .log(let codebooks): Self.encode(values, by: codebooks[channel], into: codes)
                            }
                        error += sums.error
                        total += sums.total
                    }
                }
                try BitPacking.packed(.init(rebasing: codes[..<range.count]), bits: options.bits)
                    .withUnsafeBytes(append)
            }
        }
        return total == 0 ? 0 : (error / total).squareRoot()
    }

    @inline(__always)
    private static func encode(
        _ values: UnsafeBufferPointer<Float>, by codebook: some Codebook, into codes: UnsafeMutableBufferPointer<UInt16>
    ) -> (error: Double, total: Double) {
        for index in 0..<values.count { codes[index] = codebook.code(of: values[index]) }
        var (error, total) = (0.0, 0.0)
        let scale = Double(codebook.scale)
        for index in 0..<values.count {
            let value = Double(values[index])
            let lost = scale * codebook.level(of: codes[index]) - value
            error += lost * lost
            total += value * value
        }
        return (error, total)
    }

    /// The parts of channels that are in `range`, counted from its beginning.
    private static func forEachRun(in range: Range<Int>, length: Int, _ body: (_ channel: Int, Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let channel = start / length
            let end = min((channel + 1) * length, range.upperBound)
            body(channel, start - range.lowerBound..<end - range.lowerBound)
            start = end
        }
    }
}

/// Where the numbers of a channel lie.
private struct Span {
    private var largestBits: UInt32 = 0
    private(set) var low: Float = 0
    private(set) var high: Float = 0
    /// Of the magnitudes.
    private(set) var sum = 0.0

    /// The largest magnitude.
    var largest: Float { Float(bitPattern: largestBits) }
    var isFinite: Bool { largest.isFinite }

    mutating func take(_ values: UnsafeBufferPointer<Float>, _ options: QuantizationOptions) {
        // As integers, which the compiler makes vectors of; NaN is larger than infinity.
        var bits = largestBits
        for index in 0..<values.count { bits = max(bits, values[index].magnitude.bitPattern) }
        largestBits = bits
        if options.bits == 1 { for value in values { sum += Double(value.magnitude) } }
        if !options.isSymmetric {
            for value in values { (low, high) = (min(low, value), max(high, value)) }
        }
    }
}

/// The numbers that the codes of a channel stand for: `scale * level(of: code)`.
protocol Codebook {
    var scale: Float { get }
    func code(of value: Float) -> UInt16
    func level(of code: UInt16) -> Double
}

/// Codes that lie evenly, or the signs alone.
private struct LinearCodebook: Codebook {
    let scale: Float
    let zero: Float
    private let top: Float
    private let isSign: Bool

    init(_ span: Span, length: Int, _ options: QuantizationOptions) {
        top = Float(1 << options.bits - 1)
        isSign = options.bits == 1
        if isSign {
            (scale, zero) = (Float(2 * span.sum / Double(length)), 0.5)
        } else if options.isSymmetric {
            // One code less below than there are, so that both sides reach as far.
            zero = Float(1 << (options.bits - 1))
            scale = span.largest / (zero - 1)
        } else {
            // The width may be more than float32 can say.
            scale = Float((Double(span.high) - Double(span.low)) / Double(top))
            zero = scale > 0 ? (-span.low / scale).rounded() : 0
        }
    }

    @inline(__always)
    func code(of value: Float) -> UInt16 {
        if isSign { return value < 0 ? 0 : 1 }
        let place = scale > 0 ? min(max(value / scale + zero, 0), top) : zero
        // The lowest bits of a float32 above 2^23 count ones, to which the sum is rounded.
        return UInt16(truncatingIfNeeded: (place + 0x1p23).bitPattern)
    }

    @inline(__always)
    func level(of code: UInt16) -> Double { Double(Int32(code)) - Double(zero) }
}
