/// What a scalar is to the patterns of pre-tokenizers.
///
/// The classes are those of the reference, measured scalar by scalar (`UnicodeTables+Classes.swift`). Its parts carry different
/// Unicode versions: ``number`` is that of its regular expressions, ``numeric`` that of its `Digits`; they differ in 13
/// scalars.
struct ScalarClass: OptionSet {
    let rawValue: UInt16

    /// `\p{L}`
    static let letter = ScalarClass(rawValue: 1)
    /// `\p{N}`
    static let number = ScalarClass(rawValue: 2)
    /// `\s`
    static let space = ScalarClass(rawValue: 4)
    /// `\w`, which decides where a word ends for an added token.
    static let word = ScalarClass(rawValue: 8)
    /// What `Digits` splits off.
    static let numeric = ScalarClass(rawValue: 16)

    /// `\p{NAME}` of a general category, or of a group of them.
    static let named: [String: ScalarClass] = [
        "L": letter, "N": number, "Lu": ScalarClass(rawValue: 1 << 5), "Lt": ScalarClass(rawValue: 1 << 6),
        "Ll": ScalarClass(rawValue: 1 << 7), "Lm": ScalarClass(rawValue: 1 << 8), "Lo": ScalarClass(rawValue: 1 << 9),
        "M": ScalarClass(rawValue: 1 << 10), "P": ScalarClass(rawValue: 1 << 11),
        "S": ScalarClass(rawValue: 1 << 12), "Nd": ScalarClass(rawValue: 1 << 13)
    ]
}

/// The class of every scalar: pages of 256, equal pages stored once.
struct ScalarClassTable: Sendable {
    static let shared = ScalarClassTable()

    private let pages: [UInt16]
    private let classes: [UInt16]

    private init() {
        var pages: [UInt16] = []
        var classes: [UInt16] = []
        var uniformPages: [UInt16: UInt16] = [:]
        var page: [UInt16] = []
        page.reserveCapacity(256)

        func addUniformPage(_ value: UInt16) {
            if let known = uniformPages[value] { return pages.append(known) }
            let new = UInt16(classes.count / 256)
            uniformPages[value] = new
            classes.append(contentsOf: repeatElement(value, count: 256))
            pages.append(new)
        }

        NumberList(UnicodeTables.classes).readEach { run in
            let value = UInt16(truncatingIfNeeded: run.values[1])
            var length = run.values[0]
            while length > 0 {
                if page.isEmpty, length >= 256 {
                    addUniformPage(value)
                    length -= 256
                    continue
                }
                let taken = min(length, 256 - page.count)
                page.append(contentsOf: repeatElement(value, count: taken))
                length -= taken
                if page.count == 256 {
                    pages.append(UInt16(classes.count / 256))
                    classes.append(contentsOf: page)
                    page.removeAll(keepingCapacity: true)
                }
            }
        }
        self.pages = pages
        self.classes = classes
    }

    @inline(__always)
    subscript(scalar: UInt32) -> ScalarClass {
        ScalarClass(rawValue: classes[Int(pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)])
    }
}

/// The lists of numbers in `UnicodeTables`: entries between blanks, numbers in base 36 between dots.
struct NumberList {
    struct Entry {
        var values: [Int] = []
        var isMarked = false
    }

    private let text: StaticString

    init(_ text: StaticString) {
        self.text = text
    }

    func readEach(_ body: (Entry) -> Void) {
        var entry = Entry()
        var value = 0
        text.withUTF8Buffer { bytes in
            for byte in bytes {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value * 36 + Int(byte) - 48
                case UInt8(ascii: "a")...UInt8(ascii: "z"): value = value * 36 + Int(byte) - 87
                case UInt8(ascii: "."):
                    entry.values.append(value)
                    value = 0
                case UInt8(ascii: "!"): entry.isMarked = true
                default:
                    entry.values.append(value)
                    body(entry)
                    value = 0
                    entry.values.removeAll(keepingCapacity: true)
                    entry.isMarked = false
                }
            }
        }
        entry.values.append(value)
        body(entry)
    }
}
