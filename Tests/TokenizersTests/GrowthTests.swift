import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SutureTokenizers

/// A tokenizer and a text of a size, made to be slow.
struct HostileCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The `tokenizer.json` and the text; both grow with the size.
    let make: @Sendable (_ size: Int) -> (json: String, text: String)

    init(_ name: String, _ make: @escaping @Sendable (Int) -> (json: String, text: String)) {
        (testDescription, self.make) = (name, make)
    }

    static func json(_ parts: String = "", vocabulary: String = #""a": 0, "b": 1"#, merges: String = "") -> String {
        #"{\#(parts)"model": {"type": "BPE", "vocab": {\#(vocabulary)}, "merges": [\#(merges)]}}"#
    }

    static func added(_ contents: [String], normalized: Bool = false, left: Bool = false) -> String {
        let tokens = contents.enumerated().map { index, content in
            #"{"id": \#(index + 10), "content": "\#(content)", "single_word": false, "lstrip": \#(left), "#
                + #""rstrip": false, "normalized": \#(normalized), "special": false}"#
        }
        return #""added_tokens": [\#(tokens.joined(separator: ", "))], "#
    }

    static func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    static let all = [
        HostileCase("added tokens that share a prefix") { size in
            let contents = (1...max(1, size / 400)).map { many("a", $0) + "b" }
            return (json(added(contents)), many("a", size))
        },
        HostileCase("one long added token that nearly stands everywhere") { size in
            (json(added([many("a", size) + "b"])), many("a", 2 * size))
        },
        HostileCase("an added space that takes the spaces before it") { size in
            (json(added([" "], left: true)), many(" ", size))
        },
        HostileCase("an added space that takes the spaces behind it") { size in
            (json(added([" "]).replacing("\"rstrip\": false", with: "\"rstrip\": true")), many(" ", size))
        },
        HostileCase("a pattern that nearly stands everywhere is replaced") { size in
            let pattern = many("a", size / 2) + "b"
            return (
                json(#""normalizer": {"type": "Replace", "pattern": {"String": "\#(pattern)"}, "content": "c"}, "#),
                many("a", size)
            )
        },
        HostileCase("a pattern that nearly stands everywhere splits") { size in
            let pattern = many("a", size / 2) + "b"
            let split = #"{"type": "Split", "pattern": {"String": "\#(pattern)"}, "behavior": "MergedWithPrevious", "#
            return (json(#""pre_tokenizer": \#(split)"invert": false}, "#), many("a", size))
        },
        HostileCase("one long word of merges") { size in
            (
                json(vocabulary: #""a": 0, "b": 1, "aa": 2, "aaaa": 3, "ab": 4"#, merges: #""a a", "aa aa", "a b""#),
                many("a", size)
            )
        },
        HostileCase("tokens of all lengths of one letter") { size in
            let count = Int(Double(size).squareRoot())
            let names = (1...max(2, count)).map { many("a", $0) }
            let vocabulary = names.enumerated().map { #""\#($1)": \#($0)"# }.joined(separator: ", ")
            let merges = (1..<names.count).map { #""\#(names[$0 - 1]) a""# }.joined(separator: ", ")
            return (json(vocabulary: vocabulary, merges: merges), many("a", size))
        },
        HostileCase("spaces and line breaks before the pieces of Llama 3") { size in
            let byteLevel = #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}"#
            let pattern = SplitPattern.llama3(digits: 3).regularExpression
                .replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            let split =
                #"{"type": "Split", "pattern": {"Regex": "\#(pattern)"}, "behavior": "Isolated", "invert": false}"#
            return (
                json(#""pre_tokenizer": {"type": "Sequence", "pretokenizers": [\#(split), \#(byteLevel)]}, "#),
                many(" ", size / 2) + many("\n ", size / 4)
            )
        },
        HostileCase("an expression that looks to the end before each piece") { size in
            (
                json(#""pre_tokenizer": \#(Self.split("x[^y]*y|x|z[^y]*y")), "#),
                many("x", size / 2) + many("z", size / 2)
            )
        },
        HostileCase("an expression of many counts") { size in
            (json(#""pre_tokenizer": \#(Self.split("x{0,9}x*(?:x{1,5}|xx){1,9}y")), "#), many("x", size))
        },
        HostileCase("marks to be put in order") { size in
            (json(#""normalizer": {"type": "NFC"}, "#), "a" + many("\u{301}\u{316}", size / 4))
        },
        HostileCase("metaspace before each of many words") { size in
            let metaspace = #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}"#
            return (json(#""pre_tokenizer": \#(metaspace), "#), many(" a", size / 2))
        },
        HostileCase("an unknown token that is long and blank") { size in
            let blank = many("Ġ", size)
            let byteLevel =
                #"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}"#
            let model = #""model": {"type": "BPE", "unk_token": "\#(blank)", "vocab": {"\#(blank)": 0}, "merges": []}"#
            return (#"{"pre_tokenizer": \#(byteLevel), "post_processor": \#(byteLevel), \#(model)}"#, many("x", size))
        }
    ]

    private static func split(_ expression: String) -> String {
        #"{"type": "Split", "pattern": {"Regex": "\#(expression)"}, "behavior": "Isolated", "invert": false}"#
    }
}

@Suite("Work on a text grows with its length, whatever the tokenizer", .serialized)
struct GrowthTests {
    /// The processor time of this thread, in seconds.
    private func work(_ body: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let start = now()
        try body()
        return now() - start
    }

    /// The least of a few tries: what else the machine does only adds to it.
    private func least(_ body: () throws -> Void) rethrows -> Double {
        var least = Double.infinity
        for _ in 0..<3 { least = min(least, try work(body)) }
        return least
    }

    /// Eight times as much takes eight times as long, and a little more; sixty-four times, if work were quadratic.
    @Test("of a tokenizer.json", arguments: HostileCase.all)
    func encode(hostile: HostileCase) throws {
        let times = try [4_000, 32_000].map { size in
            let (json, text) = hostile.make(size)
            return try least { _ = try load(json).encode(text) }
        }
        #expect(times[1] < 24 * max(times[0], 0.0005), "\(times)")
    }

    @Test("of the vocabulary of a GGUF file with one long token")
    func longToken() {
        let times = [4_000, 32_000].map { size in
            var builder = BPEBuilder(isByteLevel: false, capacity: 4)
            for (id, token) in ["a", String(repeating: "a", count: size), "aa", "b"].enumerated() {
                _ = builder.insert(Array(token.utf8), id: id)
            }
            return least {
                var builder = builder
                builder.insertMerges(byScore: [0, -1, -2, -3])
            }
        }
        #expect(times[1] < 24 * max(times[0], 0.0005), "\(times)")
    }

    @Test("merges by score are all pairs of tokens that make a token")
    func mergesByScore() throws {
        let names = ["a", "b", "ab", "ba", "aba", "abab", "é", "aé", "ab"]
        var builder = BPEBuilder(isByteLevel: false, capacity: names.count)
        for (id, name) in names.enumerated() { _ = builder.insert(Array(name.utf8), id: id) }
        builder.insertMerges(byScore: names.indices.map { -Float($0) })
        let model = try builder.model(
            unknown: nil, fuseUnknown: false, byteFallback: false, ignoresMerges: false, subject: "")
        let pairs = model.merges.sorted().map { [Int($0.left), Int($0.right)] }
        var expected: [[Int]] = []
        for (left, first) in names.enumerated().dropLast() {
            for (right, second) in names.enumerated().dropLast() where names.contains(first + second) {
                expected.append([left, right])
            }
        }
        #expect(Set(pairs) == Set(expected))
    }

    @Test("an added token is the longest that begins leftmost, the first of equal ones")
    func longest() throws {
        let contents = ["<a", "<ab>", "<abc", "b>x", ">", "<a"]
        let automaton = PatternAutomaton(contents.map { Array($0.utf8) })
        var random = SplitMix64(state: 1)
        for _ in 0..<2000 {
            let text = (0..<12).map { _ in Array("<abc>x".utf8)[Int.random(in: 0..<6, using: &random)] }
            let found = text.withUnsafeBufferPointer(automaton.matchesFromTheEnd)
            let expected = text.indices.reversed().compactMap { start in
                contents.indices.filter { text[start...].starts(with: contents[$0].utf8) }
                    .max { contents[$0].utf8.count < contents[$1].utf8.count }.map { (start, $0) }
            }
            #expect(found.map(\.start) == expected.map(\.0))
            #expect(found.map { contents[$0.pattern] } == expected.map { contents[$0.1] })
            #expect(found.allSatisfy { $0.pattern < 5 })
        }
    }

    @Test("a pattern is found where it is, and nowhere else")
    func patterns() {
        var random = SplitMix64(state: 2)
        for _ in 0..<2000 {
            let text = (0..<20).map { _ in UInt8.random(in: 0...1, using: &random) }
            let pattern = (0..<Int.random(in: 0...4, using: &random)).map { _ in UInt8.random(in: 0...1, using: &random)
            }
            var (expected, position): ([Range<Int>], Int) = ([], 0)
            while position + pattern.count <= text.count, !pattern.isEmpty {
                let isThere = text[position...].starts(with: pattern)
                if isThere { expected.append(position..<position + pattern.count) }
                position += isThere ? pattern.count : 1
            }
            var found: [Range<Int>] = []
            text.withUnsafeBufferPointer {
                BytePattern(pattern).forEachMatch(in: $0, 0..<text.count) { found.append($0) }
            }
            #expect(found == expected)
        }
    }

    static let tooLarge = [
        (
            HostileCase.json(
                #""normalizer": {"type": "Sequence", "normalizers": ["#
                    + (0..<8).map { _ in
                        #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"}"#
                    }.joined(separator: ", ") + "]}, "), "100000000"
        ),
        (HostileCase.json(#""normalizer": {"type": "Prepend", "prepend": "\#(HostileCase.many("a", 100))"}, "#), "101"),
        (
            HostileCase.json(
                #""decoder": {"type": "Replace", "pattern": {"String": "a"}, "#
                    + #""content": "\#(HostileCase.many("b", 99))"}, "#),
            "100"
        ),
        (
            HostileCase.json(
                #""pre_tokenizer": {"type": "Sequence", "pretokenizers": ["#
                    + (0..<65).map { _ in #"{"type": "Digits", "individual_digits": true}"# }.joined(separator: ", ")
                    + "]}, "), "65"
        ),
        (HostileCase.json(HostileCase.added([HostileCase.many("a", 5_000_000)])), "5000000")
    ]

    @Test("what would make texts or tables out of all proportion is refused, with the figures", arguments: tooLarge)
    func refused(json: String, figure: String) throws {
        let error = try #require(throws: TokenizerError.self) { try load(json) }
        #expect(error.code == .tooLarge)
        #expect(error.description.contains("expected at most"))
        #expect(error.description.contains(figure), "\(error)")
    }

    @Test("what stands for a space is one character")
    func metaspace() throws {
        for mark in ["", "ab"] {
            let json = HostileCase.json(
                #""pre_tokenizer": {"type": "Metaspace", "replacement": "\#(mark)", "prepend_scheme": "always"}, "#)
            let error = try #require(throws: TokenizerError.self) { try load(json) }
            #expect(error.code == .malformed)
            #expect(error.description.contains("replacement"))
        }
    }
}
