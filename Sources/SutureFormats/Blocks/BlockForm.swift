/// How the values of a quantized block come about, for those who write blocks; `Dequantization.swift` has the layouts.
///
/// A block is cut into parts of equal length. A value is `scale * level - minimum`, with a level for each value, and a scale
/// and a minimum for each part: either float16 numbers of the block, which then is one part, or small integers that are
/// multiplied by such.
struct BlockForm: Sendable {
    /// How many values share a scale.
    let partLength: Int
    /// What the numbers that are stored for the values stand for, ascending.
    let levels: [Float]
    /// Where the float16 scale of the block is.
    let scale: Int
    /// Where the float16 minimum of the block is, and whether it is subtracted; nil for types without.
    var minimum: (offset: Int, isSubtracted: Bool)?
    /// The integers that a part's scale may be; nil where the block has one scale.
    var partScales: ClosedRange<Int>?

    /// The form of a quantized type; nil for the others.
    init?(_ type: GGUFType) {
        func integers(_ range: ClosedRange<Int>) -> [Float] { range.map(Float.init) }
        switch type {
        case .q8_0: (partLength, levels, scale) = (32, integers(-127...127), 0)
        case .q4_0: (partLength, levels, scale) = (32, integers(-8...7), 0)
        case .q5_0: (partLength, levels, scale) = (32, integers(-16...15), 0)
        case .iq4_NL: (partLength, levels, scale) = (32, GGUFType.levels.map(Float.init), 0)
        case .q4_1: (partLength, levels, scale, minimum) = (32, integers(0...15), 0, (2, false))
        case .q5_1: (partLength, levels, scale, minimum) = (32, integers(0...31), 0, (2, false))
        case .q2_K:
            (partLength, levels, scale, minimum, partScales) = (16, integers(0...3), 80, (82, true), 0...15)
        case .q3_K: (partLength, levels, scale, partScales) = (16, integers(-4...3), 108, -32...31)
        case .q4_K:
            (partLength, levels, scale, minimum, partScales) = (32, integers(0...15), 0, (2, true), 0...63)
        case .q5_K:
            (partLength, levels, scale, minimum, partScales) = (32, integers(0...31), 0, (2, true), 0...63)
        case .q6_K: (partLength, levels, scale, partScales) = (16, integers(-32...31), 208, -128...127)
        case .iq4_XS: (partLength, levels, scale, partScales) = (32, GGUFType.levels.map(Float.init), 0, -32...31)
        case .f32, .f16, .bf16, .i8, .i16, .i32, .i64, .f64: return nil
        }
    }
}

/// Writes the numbers of a block, which is zeros or has all of them already.
struct BlockWriter {
    let type: GGUFType
    let bytes: UnsafeMutableRawBufferPointer

    /// Puts some bits of a byte in place of those that are there.
    private func put(_ value: Int, bits: Int, at shift: Int, of byte: Int) {
        let mask = UInt8(1 << bits - 1) << UInt8(shift)
        bytes[byte] = bytes[byte] & ~mask | UInt8(truncatingIfNeeded: value) << UInt8(shift) & mask
    }

    /// Puts a float16 number.
    func put(_ value: Float, at offset: Int) {
        bytes.storeBytes(of: value.float16.littleEndian, toByteOffset: offset, as: UInt16.self)
    }

    /// Stores which of the levels value `index` is.
    func putLevel(_ level: Int, of index: Int) {
        // Four bits of the first and the second half share bytes.
        func nibble(at start: Int) { put(level, bits: 4, at: index < 16 ? 0 : 4, of: start + index % 16) }
        // Of 256 values, 32 at a time.
        let (part, place) = (index / 32, index % 32)
        switch type {
        case .q8_0: put(level - 127, bits: 8, at: 0, of: 2 + index)
        case .q4_0, .iq4_NL: nibble(at: 2)
        case .q4_1: nibble(at: 4)
        case .q5_0:
            nibble(at: 6)
            put(level >> 4, bits: 1, at: index % 8, of: 2 + index / 8)
        case .q5_1:
            nibble(at: 8)
            put(level >> 4, bits: 1, at: index % 8, of: 4 + index / 8)
        case .q2_K: put(level, bits: 2, at: 2 * (part % 4), of: 16 + 32 * (part / 4) + place)
        case .q3_K:
            put(level, bits: 2, at: 2 * (part % 4), of: 32 + 32 * (part / 4) + place)
            put(level >> 2, bits: 1, at: part, of: place)
        case .q4_K: put(level, bits: 4, at: 4 * (part % 2), of: 16 + 32 * (part / 2) + place)
        case .q5_K:
            put(level, bits: 4, at: 4 * (part % 2), of: 48 + 32 * (part / 2) + place)
            put(level >> 4, bits: 1, at: part, of: 16 + place)
        case .q6_K:
            put(level, bits: 4, at: 4 * (part / 2 % 2), of: 64 * (part / 4) + 32 * (part % 2) + place)
            put(level >> 4, bits: 2, at: 2 * (part % 4), of: 128 + 32 * (part / 4) + place)
        case .iq4_XS: put(level, bits: 4, at: place < 16 ? 0 : 4, of: 8 + 16 * part + place % 16)
        case .f32, .f16, .bf16, .i8, .i16, .i32, .i64, .f64: break
        }
    }

    /// Stores the integers that a part's scale and minimum are multiples by.
    func putPart(_ part: Int, scale: Int, minimum: Int) {
        switch type {
        case .q2_K: bytes[part] = UInt8(scale | minimum << 4)
        case .q3_K:
            put(scale + 32, bits: 4, at: part / 8 * 4, of: 96 + part % 8)
            put((scale + 32) >> 4, bits: 2, at: part / 4 * 2, of: 104 + part % 4)
        case .q4_K, .q5_K:
            if part < 4 {
                put(scale, bits: 6, at: 0, of: 4 + part)
                put(minimum, bits: 6, at: 0, of: 8 + part)
            } else {
                put(scale, bits: 4, at: 0, of: 8 + part)
                put(minimum, bits: 4, at: 4, of: 8 + part)
                put(scale >> 4, bits: 2, at: 6, of: part)
                put(minimum >> 4, bits: 2, at: 6, of: 4 + part)
            }
        case .q6_K: bytes[192 + part] = UInt8(bitPattern: Int8(scale))
        case .iq4_XS:
            put(scale + 32, bits: 4, at: part % 2 * 4, of: 4 + part / 2)
            put((scale + 32) >> 4, bits: 2, at: 2 * (part % 4), of: 2 + part / 4)
        default: break
        }
    }
}
