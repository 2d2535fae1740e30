/// Codes of 1 to 16 bits one after the other without gaps, lowest bits first.
enum BitPacking {
    /// The bytes of some codes; bits after the last are zero.
    static func packed(_ codes: UnsafeBufferPointer<UInt16>, bits: Int) -> [UInt8] {
        if bits == 8 { return codes.map { UInt8(truncatingIfNeeded: $0) } }
        let size = QuantizedDelta.byteCount(elements: codes.count, bits: bits)
        return [UInt8](unsafeUninitializedCapacity: size) { bytes, initialized in
            var (window, filled) = (UInt32(0), 0)
            for code in codes {
                window |= UInt32(code) << UInt32(filled)
                filled += bits
                while filled >= 8 {
                    bytes[initialized] = UInt8(truncatingIfNeeded: window)
                    initialized += 1
                    window >>= 8
                    filled -= 8
                }
            }
            if filled > 0 {
                bytes[initialized] = UInt8(truncatingIfNeeded: window)
                initialized += 1
            }
        }
    }

    /// `count` codes from the bit `skipped` of the first byte on.
    static func codes(_ bytes: [UInt8], skipping skipped: Int, count: Int, bits: Int) -> [UInt16] {
        if bits == 8 { return bytes.map { UInt16($0) } }
        let mask = UInt32(1) << UInt32(bits) - 1
        return [UInt16](unsafeUninitializedCapacity: count) { codes, initialized in
            bytes.withUnsafeBufferPointer { bytes in
                var (window, filled, place) = (UInt32(0), -skipped, 0)
                for index in 0..<count {
                    while filled < bits {
                        let byte = UInt32(bytes[place])
                        window |= filled < 0 ? byte >> UInt32(-filled) : byte << UInt32(filled)
                        place += 1
                        filled += 8
                    }
                    codes[index] = UInt16(truncatingIfNeeded: window & mask)
                    window >>= UInt32(bits)
                    filled -= bits
                }
            }
            initialized = count
        }
    }
}
