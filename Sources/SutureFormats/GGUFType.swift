// The names of the types are those of the format.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// How a GGUF file stores the elements of a tensor; the raw value is its number there.
///
/// The quantized types store blocks of 32 or 256 values; see `Dequantization.swift` for what is in a block.
public enum GGUFType: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case iq4_NL = 20
    case iq4_XS = 23
    case i8 = 24
    case i16 = 25
    case i32 = 26
    case i64 = 27
    case f64 = 28
    case bf16 = 30

    /// How many values a block holds: 1 for types that are not quantized.
    public var blockLength: Int {
        switch self {
        case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_XS: 256
        }
    }

    /// How many bytes a block takes.
    public var blockWidth: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .f16, .bf16, .i16: 2
        case .i8: 1
        case .q4_0, .iq4_NL: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        case .iq4_XS: 136
        }
    }

    /// The name that the tools of this format use, `Q4_K`.
    public var name: String { "\(self)".uppercased() }

    /// Whether tensors of this type are weights, which can be converted to float32.
    var isWeight: Bool {
        switch self {
        case .i8, .i16, .i32, .i64, .f64: false
        default: true
        }
    }

    /// Types that this reader knows by name only, for the message.
    static func unsupportedName(_ number: UInt32) -> String? {
        let names: [UInt32: String] = [
            4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
            21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0"
        ]
        return names[number]
    }
}
