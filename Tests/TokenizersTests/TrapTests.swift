import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SutureTokenizers

/// What other tokenizers in Swift got wrong.
@Suite("Known traps")
struct TrapTests {
    @Test("Canonically equivalent tokens stay two tokens")
    func canonicalEquivalence() throws {
        let json = #"""
            {"added_tokens": [], "model": {"type": "BPE", "merges": ["a ̀"],
             "vocab": {"a": 0, "\#u{300}": 1, "a\#u{300}": 2, "\#u{E0}": 3}}}
            """#.replacing("a ̀", with: "a \u{300}")
        let tokenizer = try load(json)
        #expect(tokenizer.encode("a\u{300}\u{E0}").ids == [2, 3])
        #expect(tokenizer.id(of: "a\u{300}") == 2)
        #expect(tokenizer.id(of: "\u{E0}") == 3)
    }

    @Test("A line break of two scalars is not one character")
    func lineBreaks() throws {
        let tokenizer = try GoldenFile.tokenizer("gpt2")
        let encoding = tokenizer.encode("a\r\nb")
        #expect(encoding.ids.flatMap { tokenizer.token($0) ?? [] } == Array("a\r\nb".utf8))
        #expect(encoding.offsets.last == 3..<4)
    }

    @Test("A run of 200,000 letters takes no quadratic time", arguments: ["gpt2", "llama2"])
    func longRun(name: String) throws {
        let tokenizer = try GoldenFile.tokenizer(name)
        let text = String(repeating: "a", count: 200_000)
        #expect(tokenizer.decode(tokenizer.encode(text).ids) == text)
    }

    @Test("Scanning and the queue merge in the same order")
    func longAndShortMerges() throws {
        let tokenizer = try GoldenFile.tokenizer("gpt2")
        for index in 0..<300 {
            let text = HostileStrings.string(index)
            let piece = Array(text.utf8.prefix(32))
            guard piece.count == 32 else { continue }
            var long: [BPE.Symbol] = []
            var short: [BPE.Symbol] = []
            piece.withUnsafeBufferPointer { tokenizer.model.encode($0, into: &short) }
            // One more byte that merges with nothing makes the piece too long to scan.
            (piece + [0xFF]).withUnsafeBufferPointer { tokenizer.model.encode($0, into: &long) }
            #expect(long.dropLast().map(\.id) == short.map(\.id))
        }
    }

    /// Ids by what the reference says; where the spaces are those of a token already, none are left for another.
    @Test(
        "Spaces that an added token takes behind it are looked through for others",
        arguments: [
            (false, false, [[0, 3, 3, 2], [3, 3, 1], [1, 4, 3, 1, 2], [0, 3, 1, 4, 3]]),
            (false, true, [[0, 3, 3, 2], [3, 3], [1, 4, 3, 2], [0, 3, 4, 3]]),
            (true, true, [[0, 3, 2], [3], [1, 4, 2], [0, 3, 4]])
        ])
    func overlappingTokens(left: Bool, right: Bool, expected: [[Int]]) throws {
        func added(_ id: Int, _ content: String, _ left: Bool, _ right: Bool) -> String {
            #"{"id": \#(id), "content": "\#(content)", "single_word": false, "lstrip": \#(left), "rstrip": \#(right), "#
                + #""normalized": false, "special": false}"#
        }
        let tokenizer = try load(
            #"{"added_tokens": [\#(added(3, "  ", left, right)), \#(added(4, "x", false, true))], "#
                + #""model": {"type": "BPE", "vocab": {"a": 0, " ": 1, "b": 2}, "merges": []}}"#)
        for (text, ids) in zip(["a    b", "     ", " x   b", "a   x  "], expected) {
            #expect(tokenizer.encode(text).ids == ids, "\(text)")
        }
    }

    @Test("Merges are read in both spellings")
    func mergeSpellings() throws {
        let vocabulary = #""vocab": {"a": 0, "b": 1, "ab": 2}"#
        for merges in [#"["a b"]"#, #"[["a", "b"]]"#] {
            let tokenizer = try load(#"{"model": {"type": "BPE", \#(vocabulary), "merges": \#(merges)}}"#)
            #expect(tokenizer.encode("abba").ids == [2, 1, 0])
        }
    }

    @Test("The long s makes a contraction in Llama 3's pattern only")
    func longS() throws {
        let text = "it'\u{17F}x"
        func pieces(_ pattern: SplitPattern) -> [String] {
            var text = text
            return text.withUTF8 { bytes in
                var pieces: [Range<Int>] = []
                pattern.split(bytes, 0..<bytes.count, into: &pieces)
                return pieces.map { String(decoding: bytes[$0], as: UTF8.self) }
            }
        }
        #expect(pieces(.llama3(digits: 3)) == ["it", "'\u{17F}", "x"])
        #expect(pieces(.gpt2) == ["it", "'", "\u{17F}x"])
    }

    @Test("No beginning-of-sequence token unless asked for")
    func noHiddenBeginning() throws {
        let tokenizer = try GoldenFile.tokenizer("llama2")
        #expect(tokenizer.encode("hello").ids.first != 1)
        let configured = tokenizer.encode("hello", specials: .asConfigured)
        #expect(configured.ids == [1] + tokenizer.encode("hello").ids)
        #expect(configured.offsets.first == 0..<0)
    }

    @Test("A prompt begins as texts do, once, and nothing comes after it")
    func opening() throws {
        let template = """
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, \
            {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [], \
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}, \
            "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}
            """
        let flags =
            #""single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true"#
        let tokenizer = try load(
            """
            {"model": {"type": "BPE", "vocab": {"a": 0, "<s>": 1, "</s>": 2}, "merges": []}, "post_processor": \(template), \
            "added_tokens": [{"id": 1, "content": "<s>", \(flags)}, {"id": 2, "content": "</s>", \(flags)}]}
            """)
        #expect(tokenizer.encode("a", specials: .asConfigured).ids == [1, 0, 2])
        #expect(tokenizer.encode("a", specials: .opening).ids == [1, 0])
        #expect(tokenizer.encode("<s>a", specials: .opening).ids == [1, 0])
        #expect(tokenizer.encode("a", specials: .opening).offsets == [0..<0, 0..<1])
        let other = try GoldenFile.tokenizer("gpt2")
        #expect(other.encode("hello", specials: .opening) == other.encode("hello"))
    }

    @Test("Bytes that the vocabulary lacks are reported as lost")
    func lostBytes() throws {
        let tokenizer = try load(#"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}"#)
        let encoding = tokenizer.encode("aéxa")
        #expect(encoding.ids == [0, 0])
        #expect(encoding.lost == [1..<4])
        #expect(try GoldenFile.tokenizer("gpt2").encode("aé\u{0}").lost.isEmpty)
    }
}

/// A tokenizer from the text of a `tokenizer.json`.
func load(_ json: String) throws -> Tokenizer {
    try withTemporaryDirectory { directory in
        let url = directory.appending(path: "tokenizer.json")
        try Data(json.utf8).write(to: url)
        return try Tokenizer(tokenizerJSON: url)
    }
}
