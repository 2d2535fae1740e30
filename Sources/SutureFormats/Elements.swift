/// Reading and writing the elements of float32, bfloat16 and float16 tensors.
extension StorageType {
    /// Whether patches can change tensors of this type.
    @inlinable public var isPatchable: Bool { self == .float32 || self == .bfloat16 || self == .float16 }

    /// The element at `index`, which is exact in float32. The type must be patchable.
    @inlinable public func load(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Float {
        if self == .float32 {
            return Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        let bits = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        return self == .bfloat16 ? Float(bitPattern: UInt32(bits) << 16) : Float(float16: bits)
    }

    /// Writes `value` as the element at `index`, rounded to nearest, ties to even. The type must be patchable.
    @inlinable public func store(_ value: Float, in bytes: UnsafeMutableRawBufferPointer, at index: Int) {
        switch self {
        case .float32: bytes.storeBytes(of: value.bitPattern, toByteOffset: 4 * index, as: UInt32.self)
        case .bfloat16: bytes.storeBytes(of: value.bfloat16, toByteOffset: 2 * index, as: UInt16.self)
        default: bytes.storeBytes(of: value.float16, toByteOffset: 2 * index, as: UInt16.self)
        }
    }
}

// Float16 of the standard library is not there on every platform, so the two short types are converted by hand.
extension Float {
    /// The nearest bfloat16, ties to even: the upper half of the bits.
    @inlinable public var bfloat16: UInt16 {
        let bits = bitPattern
        if isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }

    /// The nearest float16, ties to even; infinite from 65520 on.
    @inlinable public var float16: UInt16 {
        let sign = UInt16(bitPattern >> 16 & 0x8000)
        let size = magnitude
        if isNaN { return sign | 0x7E00 | UInt16(bitPattern >> 13 & 0x3FF) }
        if size >= 65520 { return sign | 0x7C00 }
        // Below 2^-14 float16 counts in units of 2^-24; a product with a power of two is exact.
        if size < 0x1p-14 { return sign | UInt16((size * 0x1p24).rounded(.toNearestOrEven)) }
        // 13 bits of the significand go; the exponent's bias changes from 127 to 15.
        let bits = size.bitPattern
        return sign | UInt16((bits &+ 0xFFF &+ (bits >> 13 & 1)) >> 13 &- (112 << 10))
    }

    /// The value of a float16.
    @inlinable public init(float16 bits: UInt16) {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10 & 0x1F)
        let fraction = UInt32(bits & 0x3FF)
        switch exponent {
        case 0: self = Float(bitPattern: (Float(fraction) * 0x1p-24).bitPattern | sign)
        case 31: self = Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: self = Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
