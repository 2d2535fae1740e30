import Foundation
import SutureFormats
import SutureTestSupport

extension SplitMix64 {
    mutating func below(_ bound: Int) -> Int {
        Int(next() % UInt64(bound))
    }
}

/// FNV-1a over 64-bit values, as the golden script has it.
struct ValueHash {
    private var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ next: Int) {
        value = (value ^ UInt64(next)) &* 0x100_0000_01B3
    }

    var hex: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Strings that break tokenizers, the same as `hostile_string` of the golden script makes.
enum HostileStrings {
    static let count = 12_000
    static let seed = 20_240_601

    private static let fragments: [String] = {
        guard let data = try? Data(contentsOf: Goldens.url("tokenizers/fragments.json")),
            let list = try? JSON.parse(Array(data)).arrayValue
        else { return [] }
        return list.compactMap(\.stringValue)
    }()

    private static let planes = [(0, 0x110000), (0, 0x300), (0x300, 0x3000), (0x1F000, 0x20000)]

    static func string(_ index: Int) -> String {
        var random = SplitMix64(state: UInt64(seed * 1_000_003 + index))
        var scalars = String.UnicodeScalarView()
        for _ in 0..<random.below(12) {
            var fragment: String.UnicodeScalarView
            if random.below(6) == 0 {
                let (low, high) = planes[random.below(4)]
                let scalar = Unicode.Scalar(UInt32(low + random.below(high - low))) ?? "\u{FFFD}"
                fragment = String.UnicodeScalarView([scalar])
            } else {
                fragment = fragments[random.below(fragments.count)].unicodeScalars
            }
            let repetitions = random.below(16) == 0 ? 2 + random.below(30) : 1
            for _ in 0..<repetitions { scalars.append(contentsOf: fragment) }
        }
        return String(scalars)
    }
}

extension Array {
    /// Runs of `size` elements; the last can be shorter.
    func blocks(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
