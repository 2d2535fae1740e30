// The names of the types are those of the format.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

// What a block holds, in the order of its bytes (ggml's layouts; f16 and integers are little endian). `lo` and `hi` are
// the low and the high four bits of a byte. All arithmetic is in float32, in the order of the formula, so that the
// values are those of the reference to the last bit.
//
//   Q8_0  f16 d, 32 x int8 q                       value = d * q
//   Q4_0  f16 d, 16 bytes q                        value = d * (q - 8), lo of the 16 bytes, then hi
//   Q4_1  f16 d, f16 m, 16 bytes q                 value = d * q + m
//   Q5_0  f16 d, 32 bits h, 16 bytes q             value = d * (q + 16 h - 16), bit i of h belongs to value i
//   Q5_1  f16 d, f16 m, 32 bits h, 16 bytes q      value = d * (q + 16 h) + m
//   Q2_K  16 bytes, each a scale s (lo) and a minimum m (hi), 64 bytes q (2 bits each), f16 d, f16 dmin
//                                                  value = (d * s) * q - dmin * m
//   Q3_K  32 bytes h (1 bit each), 64 bytes q (2 bits each), 12 bytes of 16 scales s of 6 bits, f16 d
//                                                  value = (d * (s - 32)) * (q + 4 h - 4), bit j of h[i] as in Q5_K
//   Q4_K  f16 d, f16 dmin, 12 bytes of 8 scales s and 8 minima m of 6 bits, 128 bytes q
//                                                  value = (d * s) * q - dmin * m, 32 lo, 32 hi of each 32 bytes
//   Q5_K  as Q4_K with 32 bytes h before q         q + 16 h, bit j of h[i] belongs to value i of part j
//   Q6_K  128 bytes q, 64 bytes h (2 bits each), 16 x int8 s, f16 d
//                                                  value = (d * s) * (q + 16 h - 32)
//   IQ4_NL  as Q4_0                                value = d * t[q], t a table of 16 levels
//   IQ4_XS  f16 d, 16 bits and 4 bytes of 8 scales s of 6 bits (upper 2, lower 4), 128 bytes q
//                                                  value = (d * (s - 32)) * t[q], 16 lo, 16 hi of each 16 bytes

extension GGUFType {
    /// Converts whole blocks to `Float`.
    ///
    /// - Parameters:
    ///   - bytes: the blocks, as stored.
    ///   - values: as many values as the blocks hold; all are written.
    /// - Throws: ``FormatError`` if the sizes do not match or the type is not one of weights.
    public func dequantize(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) throws {
        let blockCount = values.count / blockLength
        guard values.count.isMultiple(of: blockLength), bytes.count == blockCount * blockWidth else {
            throw FormatError(
                .sizeMismatch, "\(name) blocks do not fit the values", expected: "\(values.count) values",
                found: "\(bytes.count / blockWidth * blockLength) values in \(bytes.count) bytes")
        }
        guard let source = bytes.baseAddress, let target = values.baseAddress else { return }
        switch self {
        case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: bytes.count)
        case .f16: convertF16(source, blockCount, target)
        case .bf16: convertBF16(source, blockCount, target)
        case .q8_0: convertQ8_0(source, blockCount, target)
        case .q4_0: convertQ4_0(source, blockCount, target)
        case .q4_1: convertQ4_1(source, blockCount, target)
        case .q5_0: convertQ5_0(source, blockCount, target)
        case .q5_1: convertQ5_1(source, blockCount, target)
        case .q2_K: convertQ2_K(source, blockCount, target)
        case .q3_K: convertQ3_K(source, blockCount, target)
        case .q4_K: convertQ4_K(source, blockCount, target)
        case .q5_K: convertQ5_K(source, blockCount, target)
        case .q6_K: convertQ6_K(source, blockCount, target)
        case .iq4_NL: convertIQ4_NL(source, blockCount, target)
        case .iq4_XS: convertIQ4_XS(source, blockCount, target)
        case .i8, .i16, .i32, .i64, .f64:
            throw FormatError(.unknownType, "tensors of type \(name) are not weights", found: name)
        }
    }
}

/// The value of an IEEE half.
///
/// Without the F16C instructions, which a portable build may not use, the compiler would call a function for each.
@inline(__always)
private func float(half: UInt16) -> Float {
    // The exponent of a half has another bias; a product with 2^112 corrects it for normal and subnormal values alike.
    let magnitude = Float(bitPattern: UInt32(half & 0x7FFF) << 13) * 0x1p112
    let infinity: UInt32 = half & 0x7C00 == 0x7C00 ? 0x7F80_0000 : 0
    return Float(bitPattern: magnitude.bitPattern | infinity | UInt32(half & 0x8000) << 16)
}

@inline(__always)
private func half(_ bytes: UnsafeRawPointer, _ offset: Int) -> Float {
    float(half: UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
}

@inline(__always)
private func byte(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt8 {
    bytes.load(fromByteOffset: offset, as: UInt8.self)
}

private func convertF16(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for index in 0..<count { target[index] = half(source, 2 * index) }
}

private func convertBF16(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for index in 0..<count {
        let bits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        target[index] = Float(bitPattern: UInt32(bits) << 16)
    }
}

// MARK: Blocks of 32

private func convertQ8_0(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let (bytes, values) = (source + 34 * block, target + 32 * block)
        let scale = half(bytes, 0)
        for index in 0..<32 { values[index] = scale * Float(Int8(bitPattern: byte(bytes, 2 + index))) }
    }
}

private func convertQ4_0(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let (bytes, values) = (source + 18 * block, target + 32 * block)
        let scale = half(bytes, 0)
        for index in 0..<16 {
            let pair = Int32(byte(bytes, 2 + index))
            values[index] = scale * Float((pair & 15) - 8)
            values[index + 16] = scale * Float((pair >> 4) - 8)
        }
    }
}

private func convertQ4_1(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let (bytes, values) = (source + 20 * block, target + 32 * block)
        let (scale, minimum) = (half(bytes, 0), half(bytes, 2))
        for index in 0..<16 {
            let pair = Int32(byte(bytes, 4 + index))
            values[index] = scale * Float(pair & 15) + minimum
            values[index + 16] = scale * Float(pair >> 4) + minimum
        }
    }
}

private func convertQ5_0(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let (bytes, values) = (source + 22 * block, target + 32 * block)
        let scale = half(bytes, 0)
        let high = Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self))
        for index in 0..<16 {
            let pair = Int32(byte(bytes, 6 + index))
            let shift = Int32(truncatingIfNeeded: index)
            values[index] = scale * Float(((pair & 15) | (high &>> shift & 1) << 4) - 16)
            values[index + 16] = scale * Float(((pair >> 4) | (high &>> (shift + 16) & 1) << 4) - 16)
        }
    }
}

private func convertQ5_1(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let (bytes, values) = (source + 24 * block, target + 32 * block)
        let (scale, minimum) = (half(bytes, 0), half(bytes, 2))
        let high = Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: Int32.self))
        for index in 0..<16 {
            let pair = Int32(byte(bytes, 8 + index))
            let shift = Int32(truncatingIfNeeded: index)
            values[index] = scale * Float((pair & 15) | (high &>> shift & 1) << 4) + minimum
            values[index + 16] = scale * Float((pair >> 4) | (high &>> (shift + 16) & 1) << 4) + minimum
        }
    }
}

extension GGUFType {
    /// The levels of the IQ4 types.
    static let levels: [Int8] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
}

/// 32 values from the levels that 16 bytes name.
@inline(__always)
private func convertLevels(_ quants: UnsafeRawPointer, scale: Float, _ values: UnsafeMutablePointer<Float>) {
    GGUFType.levels.withUnsafeBufferPointer { levels in
        for index in 0..<16 {
            let pair = Int(byte(quants, index))
            values[index] = scale * Float(levels[pair & 15])
            values[index + 16] = scale * Float(levels[pair >> 4])
        }
    }
}

private func convertIQ4_NL(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 18 * block
        convertLevels(bytes + 2, scale: half(bytes, 0), target + 32 * block)
    }
}

// MARK: Blocks of 256

/// Two bits of value `index` of part `part`: parts 0 to 3 share 32 bytes, and so do 4 to 7.
@inline(__always)
private func twoBits(_ quants: UnsafeRawPointer, _ part: Int, _ index: Int) -> Int32 {
    Int32(byte(quants, 32 * (part / 4) + index) &>> UInt8(part % 4 * 2) & 3)
}

private func convertQ2_K(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 84 * block
        let (blockScale, blockMinimum) = (half(bytes, 80), half(bytes, 82))
        for side in 0..<16 {
            let packed = byte(bytes, side)
            let (scale, minimum) = (blockScale * Float(packed & 15), blockMinimum * Float(packed >> 4))
            let values = target + 256 * block + 16 * side
            for index in 0..<16 {
                values[index] = scale * Float(twoBits(bytes + 16, side / 2, side % 2 * 16 + index)) - minimum
            }
        }
    }
}

private func convertQ3_K(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 110 * block
        let (blockScale, scales) = (half(bytes, 108), bytes + 96)
        for side in 0..<16 {
            // The lower four bits of sides 0 to 7, and of 8 to 15, share eight bytes; the upper two are in the last four.
            let low = byte(scales, side % 8) &>> UInt8(side / 8 * 4) & 15
            let high = byte(scales, 8 + side % 4) &>> UInt8(side / 4 * 2) & 3
            let scale = blockScale * Float(Int32(low | high << 4) - 32)
            let values = target + 256 * block + 16 * side
            for index in 0..<16 {
                let place = side % 2 * 16 + index
                let bit = Int32(byte(bytes, place) &>> UInt8(side / 2) & 1)
                values[index] = scale * Float(twoBits(bytes + 32, side / 2, place) + 4 * bit - 4)
            }
        }
    }
}

private func convertIQ4_XS(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 136 * block
        let highs = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        for part in 0..<8 {
            let low = Int32(byte(bytes, 4 + part / 2) &>> UInt8(part % 2 * 4) & 15)
            let scale = half(bytes, 0) * Float((low | Int32(highs &>> UInt16(2 * part) & 3) << 4) - 32)
            convertLevels(bytes + 8 + 16 * part, scale: scale, target + 256 * block + 32 * part)
        }
    }
}

/// Scale and minimum of part `part`: 6 bits each, the upper two of parts 4 to 7 beside those of parts 0 to 3.
@inline(__always)
private func scaleAndMinimum(_ packed: UnsafeRawPointer, _ part: Int) -> (scale: Float, minimum: Float) {
    if part < 4 { return (Float(byte(packed, part) & 63), Float(byte(packed, part + 4) & 63)) }
    let low = byte(packed, part + 4)
    return (
        Float((low & 15) | (byte(packed, part - 4) & 0xC0) >> 2), Float((low >> 4) | (byte(packed, part) & 0xC0) >> 2)
    )
}

private func convertQ4_K(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 144 * block
        let (blockScale, blockMinimum) = (half(bytes, 0), half(bytes, 2))
        for part in 0..<8 {
            let packed = scaleAndMinimum(bytes + 4, part)
            let (scale, minimum) = (blockScale * packed.scale, blockMinimum * packed.minimum)
            let (quants, values) = (bytes + 16 + 32 * (part / 2), target + 256 * block + 32 * part)
            let shift = UInt8(part % 2 * 4)
            for index in 0..<32 { values[index] = scale * Float(Int32(byte(quants, index) &>> shift & 15)) - minimum }
        }
    }
}

private func convertQ5_K(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 176 * block
        let (blockScale, blockMinimum) = (half(bytes, 0), half(bytes, 2))
        for part in 0..<8 {
            let packed = scaleAndMinimum(bytes + 4, part)
            let (scale, minimum) = (blockScale * packed.scale, blockMinimum * packed.minimum)
            let (quants, values) = (bytes + 48 + 32 * (part / 2), target + 256 * block + 32 * part)
            let (shift, highShift) = (UInt8(part % 2 * 4), UInt8(part))
            for index in 0..<32 {
                let quant = (byte(quants, index) &>> shift & 15) | (byte(bytes, 16 + index) &>> highShift & 1) << 4
                values[index] = scale * Float(Int32(quant)) - minimum
            }
        }
    }
}

private func convertQ6_K(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    for block in 0..<count {
        let bytes = source + 210 * block
        let blockScale = half(bytes, 208)
        // Parts of 32 values; the low bits of parts 0 and 2, and of 1 and 3, share 32 bytes, and so on.
        for part in 0..<8 {
            let (quants, highs) = (bytes + 64 * (part / 4) + 32 * (part % 2), bytes + 128 + 32 * (part / 4))
            let (shift, highShift) = (UInt8(part / 2 % 2 * 4), UInt8(part % 4 * 2))
            for side in 0..<2 {
                let scale = blockScale * Float(Int8(bitPattern: byte(bytes, 192 + 2 * part + side)))
                let values = target + 256 * block + 32 * part + 16 * side
                for index in 0..<16 {
                    let low = byte(quants, 16 * side + index) &>> shift & 15
                    let high = byte(highs, 16 * side + index) &>> highShift & 3
                    values[index] = scale * Float(Int32(low | high << 4) - 32)
                }
            }
        }
    }
}
