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

// Float16 of the standard library is not there on every platform, so the two short types are converted by hand: without
// branches, so that the compiler makes vectors of loops. What was loaded is stored as it was, NaN too.
extension Float {
    /// The nearest bfloat16, ties to even: the upper half of the bits.
    @inlinable public var bfloat16: UInt16 {
        let bits = bitPattern
        let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
        // A fraction that loses bits could become that of infinity.
        let nan = bits >> 16 | (bits & 0xFFFF == 0 ? 0 : 0x40)
        return UInt16(truncatingIfNeeded: isNaN ? nan : rounded)
    }

    /// The nearest float16, ties to even; infinite from 65520 on.
    @inlinable public var float16: UInt16 {
        let bits = magnitude.bitPattern
        // Below 2^-14 float16 counts in units of 2^-24; the lowest bits of a float32 above 2^23 count ones.
        let small = (magnitude * 0x1p24 + 0x1p23).bitPattern & 0x7FF
        // 13 bits of the significand go; the exponent's bias changes from 127 to 15.
        let normal = (bits &+ 0xFFF &+ (bits >> 13 & 1)) >> 13 &- (112 << 10)
        let nan = 0x7C00 | bits >> 13 & 0x3FF | (bits & 0x1FFF == 0 ? 0 : 0x200)
        let number = magnitude < 0x1p-14 ? small : magnitude < 65520 ? normal : 0x7C00
        return UInt16(truncatingIfNeeded: bitPattern >> 16 & 0x8000 | (isNaN ? nan : number))
    }

    /// The value of a float16.
    @inlinable public init(float16 bits: UInt16) {
        let (sign, size) = (UInt32(bits & 0x8000) << 16, UInt32(bits & 0x7FFF))
        let small = (Float(Int32(bitPattern: size)) * 0x1p-24).bitPattern
        let normal = size << 13 &+ (112 << 23)
        let infinite = size << 13 | 0x7F80_0000
        self = Float(bitPattern: sign | (size < 0x400 ? small : size < 0x7C00 ? normal : infinite))
    }
}
