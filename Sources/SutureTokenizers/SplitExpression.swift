/// A regular expression of a pre-tokenizer, as Oniguruma reads it, run by following all of its ways at once (Thompson 1968;
/// the priorities of Pike's machine give the match of a backtracking one), so that no expression takes exponential time.
struct SplitExpression: Sendable {
    let text: String
    /// Whether what it does not match is kept, as pieces of their own.
    var keepsRest = true
    private let program: [Instruction]
    /// By ASCII byte, whether a match can begin with it; what can begin with others is not told apart.
    private let beginnings: [Bool]

    enum Instruction: Sendable {
        case scalar(ScalarSet)
        /// Goes on in two places, of which the first is preferred.
        case fork(Int, Int)
        case jump(Int)
        /// Holds where the next scalar is in the set, or where it is not; the end is in none.
        case ahead(ScalarSet, isIn: Bool)
        /// Holds at the end, and before a line feed.
        case endOfLine
        case match
    }

    init(_ text: String, program: [Instruction]) {
        self.text = text
        self.program = program
        beginnings = (UInt8(0)..<128).map { byte in
            var threads = Threads(program)
            [byte].withUnsafeBufferPointer { Self.follow(program, 0, in: $0, at: 0, end: 1, &threads) }
            return threads.places.contains { place in
                guard case .scalar(let set) = program[place] else { return true }
                return set.contains(UInt32(byte))
            }
        }
    }

    /// Cuts `range` of `text` into the matches and what is between them.
    func split(_ text: UTF8Bytes, _ range: Range<Int>, into pieces: inout [Range<Int>]) {
        var work = Work(program)
        var (rest, position) = (range.lowerBound, range.lowerBound)
        func endRest() { if keepsRest, rest < position { pieces.append(rest..<position) } }
        while position < range.upperBound {
            guard let end = endOfMatch(text, position, range.upperBound, &work) else {
                position = text.scalar(at: position).end
                continue
            }
            endRest()
            pieces.append(position..<end)
            (rest, position) = (end, end)
        }
        endRest()
    }

    /// Where the preferred match that begins at `start` ends.
    private func endOfMatch(_ text: UTF8Bytes, _ start: Int, _ end: Int, _ work: inout Work) -> Int? {
        guard text[start] >= 128 || beginnings[Int(text[start])] else { return nil }
        var (found, position): (Int?, Int) = (nil, start)
        work.now.removeAll()
        work.behind.removeAll(keepingCapacity: true)
        Self.follow(program, 0, in: text, at: start, end: end, &work.now)
        while !work.now.places.isEmpty {
            work.next.removeAll()
            let (scalar, after) = position < end ? text.scalar(at: position) : (0, position)
            for place in work.now.places {
                guard case .scalar(let set) = program[place] else {
                    // A match; what is less preferred ends here.
                    found = position
                    work.behind.removeAll(keepingCapacity: true)
                    break
                }
                let key = position * program.count + place
                guard position < end, set.contains(scalar), work.dead.isEmpty || !work.dead.contains(key) else {
                    continue
                }
                work.behind.append(key)
                Self.follow(program, place + 1, in: text, at: after, end: end, &work.next)
            }
            swap(&work.now, &work.next)
            position = after
        }
        if work.behind.count > 256 { work.dead.formUnion(work.behind) }
        return found
    }

    private struct Work {
        var now: Threads
        var next: Threads
        /// Places in the text and the program that were gone through since the last match.
        var behind: [Int] = []
        /// Those from which there is no match: whatever the expression, none is gone through twice.
        var dead: Set<Int> = []

        init(_ program: [Instruction]) { (now, next) = (Threads(program), Threads(program)) }
    }

    /// Adds the places that are reached from one without a scalar, the preferred ones first.
    private static func follow(
        _ program: [Instruction], _ place: Int, in text: UTF8Bytes, at position: Int, end: Int, _ threads: inout Threads
    ) {
        threads.stack.append(place)
        while let place = threads.stack.popLast() {
            guard threads.visit(place) else { continue }
            switch program[place] {
            case .scalar, .match: threads.places.append(place)
            case .jump(let target): threads.stack.append(target)
            case .fork(let first, let second): threads.stack += [second, first]
            case .ahead(let set, let isIn):
                if (position < end && set.contains(text.scalar(at: position).value)) == isIn {
                    threads.stack.append(place + 1)
                }
            case .endOfLine:
                if position == end || text[position] == UInt8(ascii: "\n") { threads.stack.append(place + 1) }
            }
        }
    }

    /// Places of a program, each once, in the order of preference.
    private struct Threads {
        var places: [Int] = []
        var stack: [Int] = []
        private var visits: [Int]
        private var generation = 1

        init(_ program: [Instruction]) { visits = Array(repeating: 0, count: program.count) }

        mutating func removeAll() {
            places.removeAll(keepingCapacity: true)
            generation += 1
        }

        mutating func visit(_ place: Int) -> Bool {
            if visits[place] == generation { return false }
            visits[place] = generation
            return true
        }
    }
}

/// Scalars that one place of an expression takes: by class and by number, or all but those.
struct ScalarSet: Sendable {
    var classes: ScalarClass = []
    /// Classes all but whose members are in it, `\S` in brackets.
    var complements: [ScalarClass] = []
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false

    func contains(_ scalar: UInt32) -> Bool {
        let found = ScalarClassTable.shared[scalar]
        let isIn =
            !found.isDisjoint(with: classes) || complements.contains { found.isDisjoint(with: $0) }
            || ranges.contains { $0.contains(scalar) }
        return isIn != isNegated
    }
}
