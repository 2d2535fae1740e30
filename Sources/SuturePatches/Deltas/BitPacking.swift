/// Codes of 1 to 16 bits one after the other without gaps, lowest bits first.
enum BitPacking {
    /// The bytes of some codes; bits after the last are zero.
    static func packed(_ codes: UnsafeBufferPointer<UInt16>, bits: Int) -> [UInt8] {
        let size = QuantizedDelta.byteCount(elements: codes.count, bits: bits)
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
            let bytes = UnsafeMutableBufferPointer(rebasing: buffer[..<size])
            initialized = size
            if bits == 8 {
                for index in 0..<size { bytes[index] = UInt8(truncatingIfNeeded: codes[index]) }
                return
            }
            var (window, filled, place) = (UInt64(0), 0, 0)
            func put() {
                bytes[place] = UInt8(truncatingIfNeeded: window)
                window >>= 8
                filled -= 8
                place += 1
            }
            for code in codes {
                window |= UInt64(code) << UInt64(filled)
                filled += bits
                if filled >= 32 { for _ in 0..<4 { put() } }
            }
            while filled > 0 { put() }
        }
    }

    /// `count` codes from the bit `skipped` of the first byte on.
    static func codes(_ bytes: [UInt8], skipping skipped: Int, count: Int, bits: Int) -> [UInt16] {
        [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
            let codes = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            initialized = count
            bytes.withUnsafeBytes { bytes in
                if bits == 8 {
                    for index in 0..<count { codes[index] = UInt16(bytes[index]) }
                    return
                }
                let mask = UInt32(1) << UInt32(bits) - 1
                for index in 0..<count {
                    let bit = skipped &+ index &* bits
                    // With the bits before it a code takes three bytes at most.
                    let word = word(at: bit >> 3, in: bytes) >> UInt32(bit & 7)
                    codes[index] = UInt16(truncatingIfNeeded: word & mask)
                }
            }
        }
    }

    /// Four bytes, or those that there are.
    @inline(__always)
    private static func word(at place: Int, in bytes: UnsafeRawBufferPointer) -> UInt32 {
        if place &+ 4 <= bytes.count {
            return UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        }
        return bytes[place...].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
