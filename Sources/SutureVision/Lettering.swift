/// Letters of 5 x 7 dots, for the names in pictures that Suture draws: a to z (as capitals) and digits.
enum Lettering {
    /// How many pixels a dot is wide and high.
    private static let size = 2
    /// From one letter to the next.
    static let step = 6 * size
    static let height = 7 * size

    static func width(of text: String) -> Int { max(0, text.count * step - size) }

    /// The pixels of a letter, as row and column; none for a letter that is not known, which is a space.
    static func dots(of letter: Character) -> [(row: Int, column: Int)] {
        guard let shape = shapes[Character(letter.lowercased())] else { return [] }
        return (0..<35).filter { shape >> (34 - $0) & 1 == 1 }.flatMap { dot in
            (0..<size * size).map { (dot / 5 * size + $0 / size, dot % 5 * size + $0 % size) }
        }
    }

    /// 35 bits each, row by row from the upper left.
    private static let shapes: [Character: UInt64] = [
        "a": 0x3_A31F_C631, "b": 0x7_A31F_463E, "c": 0x3_A308_422E, "d": 0x7_A318_C63E, "e": 0x7_E10F_421F,
        "f": 0x7_E10F_4210, "g": 0x3_A30B_C62E, "h": 0x4_631F_C631, "i": 0x3_8842_108E, "j": 0x1_C421_0A4C,
        "k": 0x4_654C_5251, "l": 0x4_2108_421F, "m": 0x4_775A_C631, "n": 0x4_7359_C631, "o": 0x3_A318_C62E,
        "p": 0x7_A31F_4210, "q": 0x3_A318_D64D, "r": 0x7_A31F_5251, "s": 0x3_E107_043E, "t": 0x7_C842_1084,
        "u": 0x4_6318_C62E, "v": 0x4_6318_C544, "w": 0x4_631A_D771, "x": 0x4_62A2_2A31, "y": 0x4_62A2_1084,
        "z": 0x7_C222_221F, "0": 0x3_A33A_E62E, "1": 0x1_1842_108E, "2": 0x3_A213_221F, "3": 0x7_8217_043E,
        "4": 0x0_8CA9_7C42, "5": 0x7_E1E0_862E, "6": 0x3_A1E8_C62E, "7": 0x7_C222_2108, "8": 0x3_A317_462E,
        "9": 0x3_A317_842E
    ]
}
