/// Unicode normalization form C, with the source of each scalar kept.
struct CanonicalComposition: Sendable {
    static let shared = CanonicalComposition()

    /// The canonical mapping of a scalar, one step; a singleton has no second scalar.
    private var mappings: [UInt32: (first: UInt32, second: UInt32?)] = [:]
    private var compositions: [UInt64: UInt32] = [:]
    private var combiningClasses: [UInt32: UInt8] = [:]

    private init() {
        NumberList(UnicodeTables.decompositions).readEach { entry in
            let values = entry.values.map(UInt32.init(truncatingIfNeeded:))
            let second = values.count > 2 ? values[2] : nil
            mappings[values[0]] = (values[1], second)
            if let second, !entry.isMarked { compositions[Self.key(values[1], second)] = values[0] }
        }
        NumberList(UnicodeTables.combiningClasses).readEach { entry in
            for scalar in entry.values[0]..<entry.values[0] + entry.values[1] {
                combiningClasses[UInt32(scalar)] = UInt8(entry.values[2])
            }
        }
    }

    /// The scalars of `text` in form C; `nil` if every scalar is too low to take part in a composition.
    func changes(in text: [UInt8]) -> [ScalarChange]? {
        // U+0300 is the first scalar that composes with another; what is lower is composed already.
        guard text.contains(where: { $0 >= 0xCC }) else { return nil }
        return compose(decompose(text))
    }

    private func decompose(_ text: [UInt8]) -> [ScalarChange] {
        var result: [ScalarChange] = []
        result.reserveCapacity(text.count)
        var firstUnsorted = 0
        text.withUnsafeBufferPointer { text in
            var position = 0
            while position < text.count {
                let (scalar, end) = text.scalar(at: position)
                position = end
                let first = result.count
                appendDecomposition(of: scalar, to: &result)
                result[first].consumed = 1
                for index in first..<result.count where combiningClass(result[index].scalar) == 0 {
                    sortMarks(&result, firstUnsorted..<index)
                    firstUnsorted = index + 1
                }
            }
        }
        sortMarks(&result, firstUnsorted..<result.count)
        return result
    }

    private func appendDecomposition(of scalar: UInt32, to result: inout [ScalarChange]) {
        let syllable = scalar &- Hangul.syllables
        if syllable < Hangul.syllableCount {
            result.append(ScalarChange(scalar: Hangul.leading + syllable / Hangul.blockSize, consumed: 0))
            let vowel = Hangul.vowels + syllable % Hangul.blockSize / Hangul.trailingCount
            result.append(ScalarChange(scalar: vowel, consumed: 0))
            let trailing = syllable % Hangul.trailingCount
            if trailing > 0 { result.append(ScalarChange(scalar: Hangul.trailing + trailing, consumed: 0)) }
        } else if scalar >= 0xC0, let mapping = mappings[scalar] {
            appendDecomposition(of: mapping.first, to: &result)
            if let second = mapping.second { appendDecomposition(of: second, to: &result) }
        } else {
            result.append(ScalarChange(scalar: scalar, consumed: 0))
        }
    }

    /// Orders marks by class; those of one class stay in their order.
    private func sortMarks(_ scalars: inout [ScalarChange], _ range: Range<Int>) {
        guard range.count > 1 else { return }
        let marks = scalars[range].map { (class: combiningClass($0.scalar), mark: $0) }
        let sorted = marks.enumerated().sorted { ($0.element.class, $0.offset) < ($1.element.class, $1.offset) }
        scalars.replaceSubrange(range, with: sorted.map(\.element.mark))
    }

    private func compose(_ scalars: [ScalarChange]) -> [ScalarChange] {
        var result: [ScalarChange] = []
        result.reserveCapacity(scalars.count)
        var starter: Int?
        var lastClass: UInt8?
        for scalar in scalars {
            let itsClass = combiningClass(scalar.scalar)
            // A mark of the same or a higher class between the two keeps them apart.
            let isBlocked = lastClass.map { $0 >= itsClass } ?? false
            if let starter, !isBlocked, let composed = composition(result[starter].scalar, scalar.scalar) {
                result[starter].scalar = composed
                result[starter].consumed += scalar.consumed
                continue
            }
            if itsClass == 0 {
                starter = result.count
                lastClass = nil
            } else {
                lastClass = itsClass
            }
            result.append(scalar)
        }
        return result
    }

    private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        let leading = first &- Hangul.leading
        let vowel = second &- Hangul.vowels
        if leading < Hangul.leadingCount, vowel < Hangul.vowelCount {
            return Hangul.syllables + leading * Hangul.blockSize + vowel * Hangul.trailingCount
        }
        let syllable = first &- Hangul.syllables
        let trailing = second &- Hangul.trailing
        if syllable < Hangul.syllableCount, syllable % Hangul.trailingCount == 0,
            (1..<Hangul.trailingCount).contains(trailing)
        {
            return first + trailing
        }
        return compositions[Self.key(first, second)]
    }

    private func combiningClass(_ scalar: UInt32) -> UInt8 {
        scalar < 0x300 ? 0 : combiningClasses[scalar] ?? 0
    }

    private static func key(_ first: UInt32, _ second: UInt32) -> UInt64 {
        UInt64(first) << 32 | UInt64(second)
    }
}

/// The arithmetic of Korean syllables (The Unicode Standard, section 3.12).
private enum Hangul {
    static let syllables: UInt32 = 0xAC00
    static let leading: UInt32 = 0x1100
    static let vowels: UInt32 = 0x1161
    /// One before the first trailing consonant: none is counted as the zeroth.
    static let trailing: UInt32 = 0x11A7
    static let leadingCount: UInt32 = 19
    static let vowelCount: UInt32 = 21
    static let trailingCount: UInt32 = 28
    static let blockSize = vowelCount * trailingCount
    static let syllableCount = leadingCount * blockSize
}
