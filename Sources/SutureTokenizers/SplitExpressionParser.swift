import SutureFormats

/// Reads the part of Oniguruma's regular expressions that published pre-tokenizers use; what it does not know is an error
/// that says where.
struct SplitExpressionParser {
    private let text: String
    private let scalars: [UInt32]
    private let subject: String
    private var position = 0
    private var ignoresCase = false
    private var depth = 0

    /// What an expression may come to when its counts are written out.
    private static let limit = 4096

    private indirect enum Node {
        case scalar(ScalarSet)
        case ahead(ScalarSet, isIn: Bool)
        case endOfLine
        case sequence([Node])
        case choice([Node])
        case repeated(Node, ClosedRange<Int>)

        /// Whether it can match nothing.
        var isEmptyPossible: Bool {
            switch self {
            case .scalar: false
            case .ahead, .endOfLine: true
            case .sequence(let nodes): nodes.allSatisfy(\.isEmptyPossible)
            case .choice(let nodes): nodes.contains(where: \.isEmptyPossible)
            case .repeated(let node, let count): count.lowerBound == 0 || node.isEmptyPossible
            }
        }
    }

    /// - Throws: ``TokenizerError`` with the place of what is not supported.
    static func expression(_ text: String, subject: String) throws -> SplitExpression {
        var parser = SplitExpressionParser(text: text, subject: subject)
        let node = try parser.choice()
        guard parser.position == parser.scalars.count else { throw parser.unsupported("a \")\" without its \"(\"") }
        guard !node.isEmptyPossible else {
            throw parser.unsupported("an expression that can match nothing")
        }
        var program: [SplitExpression.Instruction] = []
        try parser.compile(node, into: &program)
        return SplitExpression(text, program: program + [.match])
    }

    private init(text: String, subject: String) {
        (self.text, self.subject) = (text, subject)
        scalars = text.unicodeScalars.map(\.value)
    }

    private func unsupported(_ what: String) -> TokenizerError {
        TokenizerError(
            .unsupported, "the regular expression \"\(text)\" is not supported", subject: subject,
            found: "\(what), at character \(position)")
    }

    // MARK: Reading

    private var next: Character? {
        position < scalars.count ? Unicode.Scalar(scalars[position]).map(Character.init) : nil
    }

    private mutating func skip(_ expected: String) -> Bool {
        let expected = expected.unicodeScalars.map(\.value)
        guard scalars[position...].starts(with: expected) else { return false }
        position += expected.count
        return true
    }

    private mutating func choice() throws -> Node {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw unsupported("groups in 64 others") }
        var choices = [try sequence()]
        while skip("|") { choices.append(try sequence()) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func sequence() throws -> Node {
        var nodes: [Node] = []
        var letter: UInt32?
        while let next, next != "|", next != ")" {
            let start = position
            let node = try counted(atom())
            // Oniguruma takes some pairs of letters for one, as the two s of ß, where case does not count.
            let isLetter = ignoresCase && position == start + 1
            let pair = isLetter ? letter.map { [$0 | 0x20, scalars[start] | 0x20] } : nil
            if let pair, Self.ligatures.contains(pair) { throw unsupported("a ligature's letters without case") }
            letter = isLetter ? scalars[start] : nil
            nodes.append(node)
        }
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private static let ligatures = Set(["ss", "st", "ff", "fi", "fl"].map { $0.unicodeScalars.map(\.value) })

    private mutating func counted(_ node: Node) throws -> Node {
        let count: ClosedRange<Int>
        if skip("?") {
            count = 0...1
        } else if skip("*") {
            count = 0...Int.max
        } else if skip("+") {
            count = 1...Int.max
        } else if skip("{") {
            count = try bounds()
        } else {
            return node
        }
        if let next, "?+*{".contains(next) { throw unsupported("a count that is not the greedy one") }
        switch node {
        case .ahead, .endOfLine: throw unsupported("a count of what matches nothing")
        default: return .repeated(node, count)
        }
    }

    private mutating func bounds() throws -> ClosedRange<Int> {
        guard let low = number() else { throw unsupported("a \"{\" without a number") }
        let high = skip(",") ? (next == "}" ? Int.max : number()) : low
        guard let high, low <= high, skip("}") else { throw unsupported("a count without its \"}\"") }
        return low...high
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let digit = next?.wholeNumberValue, next?.isASCII == true, (value ?? 0) < Self.limit {
            value = (value ?? 0) * 10 + digit
            position += 1
        }
        return value
    }

    private mutating func atom() throws -> Node {
        if skip("(") { return try group() }
        if skip("[") { return .scalar(try brackets()) }
        if skip("\\") { return .scalar(try escape(inBrackets: false)) }
        if skip("$") { return .endOfLine }
        if skip(".") { return .scalar(ScalarSet(ranges: [10...10], isNegated: true)) }
        guard let next, !"^*+?{".contains(next) else { throw unsupported("\"\(next.map(String.init) ?? "")\" here") }
        position += 1
        return .scalar(try literal(scalars[position - 1]))
    }

    private mutating func group() throws -> Node {
        let outer = ignoresCase
        defer { ignoresCase = outer }
        var isIn: Bool?
        if skip("?i:") {
            ignoresCase = true
        } else if skip("?=") {
            isIn = true
        } else if skip("?!") {
            isIn = false
        } else if !skip("?:"), next == "?" {
            throw unsupported("this kind of group")
        }
        let node = try choice()
        guard skip(")") else { throw unsupported("a \"(\" without its \")\"") }
        guard let isIn else { return node }
        guard case .scalar(let set) = node else { throw unsupported("a look at more than one character") }
        return .ahead(set, isIn: isIn)
    }

    private mutating func brackets() throws -> ScalarSet {
        var set = ScalarSet()
        set.isNegated = skip("^")
        var isFirst = true
        while !skip("]") {
            guard let next, !isFirst || next != "]", next != "[", !skip("&&") else {
                throw unsupported("such brackets")
            }
            isFirst = false
            var one: ScalarSet
            if skip("\\") {
                one = try escape(inBrackets: true)
            } else {
                position += 1
                one = try literal(scalars[position - 1])
            }
            if self.next == "-", position + 1 < scalars.count, scalars[position + 1] != UInt32(ascii: "]") {
                position += 1
                let isEscaped = skip("\\")
                if !isEscaped { position += 1 }
                let last = isEscaped ? try escape(inBrackets: true) : try literal(scalars[position - 1])
                guard let low = one.only, let high = last.only, low <= high, !ignoresCase,
                    self.next != "-" || position + 1 < scalars.count && scalars[position + 1] == UInt32(ascii: "]")
                else { throw unsupported("such a range") }
                one = ScalarSet(ranges: [low...high])
            }
            set.classes.formUnion(one.isNegated ? [] : one.classes)
            if one.isNegated { set.complements.append(one.classes) }
            set.ranges += one.ranges
        }
        return set
    }

    private mutating func escape(inBrackets: Bool) throws -> ScalarSet {
        guard let next else { throw unsupported("a \"\\\" at the end") }
        position += 1
        switch next {
        case "s", "S": return ScalarSet(classes: .space, isNegated: next == "S")
        case "d", "D": return ScalarSet(classes: ScalarClass.named["Nd"] ?? [], isNegated: next == "D")
        case "n": return ScalarSet(ranges: [10...10])
        case "r": return ScalarSet(ranges: [13...13])
        case "t": return ScalarSet(ranges: [9...9])
        case "p", "P":
            let start = position
            guard skip("{"), let end = scalars[position...].firstIndex(of: UInt32(ascii: "}")) else {
                throw unsupported("a \"\\p\" without a name")
            }
            let name = String(String.UnicodeScalarView(scalars[position..<end].compactMap(Unicode.Scalar.init)))
            guard let classes = ScalarClass.named[name], !ignoresCase else {
                position = start
                throw unsupported("\\\(next){\(name)}")
            }
            position = end + 1
            return ScalarSet(classes: classes, isNegated: next == "P")
        default:
            guard next.isASCII, !next.isLetter, !next.isNumber else {
                position -= 1
                throw unsupported("\"\\\(next)\"")
            }
            return ScalarSet(ranges: [scalars[position - 1]...scalars[position - 1]])
        }
    }

    /// A character as itself; without case also the other ones that count as it.
    private func literal(_ scalar: UInt32) throws -> ScalarSet {
        var set = ScalarSet(ranges: [scalar...scalar])
        guard ignoresCase else { return set }
        guard scalar < 128 else { throw unsupported("a character outside of ASCII without case") }
        guard (0x61...0x7A).contains(scalar | 0x20) else { return set }
        set.ranges = [scalar & ~0x20, scalar | 0x20].map { $0...$0 }
        // The long s, and the sign of kelvin.
        let other: UInt32? = scalar | 0x20 == 0x73 ? 0x17F : scalar | 0x20 == 0x6B ? 0x212A : nil
        if let other { set.ranges.append(other...other) }
        return set
    }

    // MARK: Compiling

    private func compile(_ node: Node, into program: inout [SplitExpression.Instruction]) throws {
        guard program.count < Self.limit else { throw unsupported("more than \(Self.limit) places in all") }
        switch node {
        case .scalar(let set): program.append(.scalar(set))
        case .ahead(let set, let isIn): program.append(.ahead(set, isIn: isIn))
        case .endOfLine: program.append(.endOfLine)
        case .sequence(let nodes): for node in nodes { try compile(node, into: &program) }
        case .choice(let nodes):
            var exits: [Int] = []
            for node in nodes.dropLast() {
                let fork = program.count
                program.append(.match)
                try compile(node, into: &program)
                exits.append(program.count)
                program.append(.match)
                program[fork] = .fork(fork + 1, program.count)
            }
            if let last = nodes.last { try compile(last, into: &program) }
            for exit in exits { program[exit] = .jump(program.count) }
        case .repeated(let node, let count):
            guard !node.isEmptyPossible else { throw unsupported("a count of what can match nothing") }
            for _ in 0..<min(count.lowerBound, Self.limit) { try compile(node, into: &program) }
            if count.upperBound == Int.max {
                let fork = program.count
                program.append(.match)
                try compile(node, into: &program)
                program.append(.jump(fork))
                program[fork] = .fork(fork + 1, program.count)
            } else {
                var forks: [Int] = []
                for _ in count.lowerBound..<min(count.upperBound, Self.limit) {
                    forks.append(program.count)
                    program.append(.match)
                    try compile(node, into: &program)
                }
                for fork in forks { program[fork] = .fork(fork + 1, program.count) }
            }
        }
    }
}

extension ScalarSet {
    /// The one scalar that it is, if it is one.
    fileprivate var only: UInt32? {
        guard !isNegated, classes.isEmpty, ranges.count == 1, ranges[0].count == 1 else { return nil }
        return ranges[0].lowerBound
    }
}

extension UInt32 {
    fileprivate init(ascii scalar: Unicode.Scalar) { self = scalar.value }
}
