import SutureFormats

/// Writes the numbers of a tensor in few bits, some channels after the other: looks at them, then gives each its code.
struct Quantizer {
    let options: QuantizationOptions
    /// Of the channels that are encoded.
    private(set) var scales: [Float] = []
    private var centers: [Float] = []
    private let channels: Int
    /// Elements of a channel.
    private let length: Int
    private let subject: String

    init(shape: [Int], _ options: QuantizationOptions, subject: String) throws {
        let count = shape.reduce(1, *)
        guard options.scheme.bits ~= options.bits, count > 0 else {
            throw PatchError(
                .badPayload, "cannot be quantized so", subject: subject,
                expected: "\(options.scheme.bits.lowerBound) to 16 bits", found: "\(options.bits) bits of \(shape)")
        }
        (self.options, self.subject) = (options, subject)
        channels = options.perChannel ? shape.first ?? 1 : 1
        length = count / channels
    }

    /// What linear codes count from, where that does not follow from the bits.
    var zeros: [Float]? {
        options.scheme == .linear && !options.isSymmetric && options.bits > 1 ? centers : nil
    }

    /// Hands over the packed codes of all numbers.
    ///
    /// - Parameters:
    ///   - values: some of the numbers; asked for once, and twice where a channel is long.
    ///   - append: is given the bytes in order.
    /// - Returns: the norm of what is lost, as a fraction of the numbers' norm.
    /// - Throws: ``PatchError`` if a number is not finite; what the closures throw.
    mutating func encode(
        _ values: (Range<Int>) throws -> [Float], append: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Double {
        var (error, total) = (0.0, 0.0)
        for first in stride(from: 0, to: channels, by: blockSize) {
            let block = first..<min(first + blockSize, channels)
            let pieces = pieces(of: block)
            let only = pieces.count == 1 ? try values(pieces[0]) : nil
            var spans = [Span](repeating: Span(), count: block.count)
            for piece in pieces {
                try (only ?? values(piece)).withUnsafeBufferPointer { values in
                    forEachRun(in: piece) { channel, run in
                        spans[channel - first].take(.init(rebasing: values[run]), options)
                    }
                }
            }
            guard spans.allSatisfy(\.isFinite) else {
                throw PatchError(.badPayload, "the payload is not finite", subject: subject)
            }
            let lost: (error: Double, total: Double)
            switch options.scheme {
            case .linear:
                let codebooks = spans.map { LinearCodebook($0, length: length, options) }
                scales += codebooks.map(\.scale)
                centers += codebooks.map(\.zero)
                lost = try encode(pieces, by: codebooks, of: first, { try only ?? values($0) }, append)
            case .log:
                let codebooks = spans.map { LogCodebook(scale: $0.largest, bits: options.bits) }
                scales += codebooks.map(\.scale)
                lost = try encode(pieces, by: codebooks, of: first, { try only ?? values($0) }, append)
            }
            error += lost.error
            total += lost.total
        }
        return total == 0 ? 0 : (error / total).squareRoot()
    }

    /// Hands over the packed codes of some pieces, the first of them of the channel `first`.
    private func encode<Book: Codebook>(
        _ pieces: [Range<Int>], by codebooks: [Book], of first: Int, _ values: (Range<Int>) throws -> [Float],
        _ append: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> (error: Double, total: Double) {
        var (error, total) = (0.0, 0.0)
        for piece in pieces {
            let packed = try values(piece).withUnsafeBufferPointer { values in
                withUnsafeTemporaryAllocation(of: UInt16.self, capacity: piece.count) { codes in
                    forEachRun(in: piece) { channel, run in
                        let lost = Self.encode(
                            .init(rebasing: values[run]), by: codebooks[channel - first],
                            into: .init(rebasing: codes[run]))
                        error += lost.error
                        total += lost.total
                    }
                    return BitPacking.packed(.init(codes), bits: options.bits)
                }
            }
            try packed.withUnsafeBytes(append)
        }
        return (error, total)
    }

    @inline(__always)
    private static func encode(
        _ values: UnsafeBufferPointer<Float>, by codebook: some Codebook, into codes: UnsafeMutableBufferPointer<UInt16>
    ) -> (error: Double, total: Double) {
        codebook.encode(values, into: codes)
        let scale = Double(codebook.scale)
        return LaneSums.add(count: values.count) { index in
            let value = Double(values[index])
            let lost = scale * codebook.level(of: codes[index]) - value
            return (lost * lost, value * value)
        }
    }

    /// How many numbers are worked on at once: few, so that they stay in the cache; a multiple of eight.
    private static let pieceSize = 1 << 14

    /// How many channels are: as many as there is room for, but so many that their codes end with a byte.
    private var blockSize: Int {
        let unit = length.isMultiple(of: 8) ? 1 : 8
        return max(1, Self.pieceSize / unit / length) * unit
    }

    /// The elements of some channels.
    private func pieces(of channels: Range<Int>) -> [Range<Int>] {
        let end = channels.upperBound * length
        return stride(from: channels.lowerBound * length, to: end, by: Self.pieceSize).map {
            $0..<min($0 + Self.pieceSize, end)
        }
    }

    /// The parts of channels that are in `range`, counted from its beginning.
    private func forEachRun(in range: Range<Int>, _ body: (_ channel: Int, Range<Int>) -> Void) {
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
    /// The code of each number.
    func encode(_ values: UnsafeBufferPointer<Float>, into codes: UnsafeMutableBufferPointer<UInt16>)
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

    // Without branches, so that the compiler makes vectors of it.
    @inline(__always)
    func encode(_ values: UnsafeBufferPointer<Float>, into codes: UnsafeMutableBufferPointer<UInt16>) {
        if isSign {
            for index in 0..<values.count { codes[index] = values[index] < 0 ? 0 : 1 }
            return
        }
        let step = scale > 0 ? scale : .infinity
        for index in 0..<values.count {
            let place = min(max(values[index] / step + zero, 0), top)
            // The lowest bits of a float32 above 2^23 count ones, to which the sum is rounded.
            codes[index] = UInt16(truncatingIfNeeded: (place + 0x1p23).bitPattern)
        }
    }

    @inline(__always)
    func level(of code: UInt16) -> Double { Double(Int32(code)) - Double(zero) }
}
