import SutureFormats
import SutureTokenizers
import Testing

@Suite("Malformed and unsupported tokenizer.json")
struct MalformedFileTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let json: String
        let code: TokenizerError.Code
        /// What the message has to say.
        let mention: String
        var testDescription: String { mention }
    }

    static let model = #""model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}"#

    static func with(model: String) -> String { #"{"model": {"type": "BPE", \#(model)}}"# }
    static func with(_ part: String) -> String { #"{\#(part), \#(model)}"# }
    static func added(_ id: Int, _ content: String) -> String {
        with(
            #""added_tokens": [{"id": \#(id), "content": "\#(content)", "special": true, "single_word": false, "#
                + #""lstrip": false, "rstrip": false, "normalized": false}]"#)
    }

    static let cases = [
        Case(json: with(model: #""vocab": {"a": 0}, "merges": ["a b"]"#), code: .unknownToken, mention: "merges[0]"),
        Case(
            json: with(model: #""vocab": {"a": 0, "b": 1}, "merges": ["a b"]"#), code: .unknownToken,
            mention: "\"ab\""),
        Case(json: with(model: #""vocab": {"a": 0, "b": 0}, "merges": []"#), code: .conflictingTokens, mention: "id 0"),
        Case(json: with(model: #""vocab": {"a": -1}, "merges": []"#), code: .idOutOfRange, mention: "-1"),
        Case(
            json: with(model: #""vocab": {"a": 99999999999}, "merges": []"#), code: .idOutOfRange,
            mention: "99999999999"),
        Case(json: with(model: #""vocab": {"a": "0"}, "merges": []"#), code: .malformed, mention: "\"a\""),
        Case(json: with(model: #""vocab": {"a": 1.5}, "merges": []"#), code: .malformed, mention: "\"a\""),
        Case(json: with(model: #""vocab": {"a": 0}, "merges": ["aa"]"#), code: .malformed, mention: "merges[0]"),
        Case(json: with(model: #""vocab": {"a": 0}, "merges": [["a"]]"#), code: .malformed, mention: "merges[0]"),
        Case(json: with(model: #""vocab": {"a": 0}, "merges": {"a": 1}"#), code: .malformed, mention: "merges"),
        Case(json: with(model: #""vocab": {}, "merges": [], "unk_token": "?""#), code: .unknownToken, mention: "\"?\""),
        Case(
            json: with(model: #""vocab": {"a": 0}, "merges": [], "byte_fallback": true"#), code: .unknownToken,
            mention: "<0x00>"),
        Case(json: with(model: #""vocab": {}, "merges": [], "dropout": 0.1"#), code: .unsupported, mention: "dropout"),
        Case(
            json: with(model: #""vocab": {}, "merges": [], "end_of_word_suffix": "</w>""#), code: .unsupported,
            mention: "</w>"),
        Case(json: #"{"model": {"type": "WordPiece", "vocab": {}}}"#, code: .unsupported, mention: "WordPiece"),
        Case(json: #"{"model": {"type": "Unigram", "vocab": []}}"#, code: .unsupported, mention: "Unigram"),
        Case(json: with(#""normalizer": {"type": "NFKC"}"#), code: .unsupported, mention: "NFKC"),
        Case(
            json: with(#""normalizer": {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": ""}"#),
            code: .unsupported, mention: #"\s+"#),
        Case(json: with(#""pre_tokenizer": {"type": "Whitespace"}"#), code: .unsupported, mention: "Whitespace"),
        Case(
            json: with(
                #""pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x++"}, "behavior": "Isolated", "#
                    + #""invert": false}"#
            ),
            code: .unsupported, mention: "at character 2"),
        Case(
            json: with(#""post_processor": {"type": "BertProcessing"}"#), code: .unsupported,
            mention: "BertProcessing"),
        Case(json: with(#""decoder": {"type": "CTC"}"#), code: .unsupported, mention: "CTC"),
        Case(
            json: with(#""decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}"#),
            code: .unsupported, mention: "ByteFallback"),
        Case(
            json: with(
                #""decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, "#
                    + #"{"type": "Strip", "content": "", "start": 99999999999, "stop": 0}]}"#),
            code: .unsupported, mention: "Strip"),
        Case(json: added(0, "<x>"), code: .conflictingTokens, mention: "<x>"),
        Case(json: added(7, "ab"), code: .conflictingTokens, mention: "ab"),
        Case(json: added(-5, "<x>"), code: .idOutOfRange, mention: "-5")
    ]

    @Test("The error names what is wrong and where", arguments: cases)
    func namesTheProblem(file: Case) throws {
        let error = try #require(throws: TokenizerError.self) { try load(file.json) }
        #expect(error.code == file.code)
        #expect(error.description.contains(file.mention), "\(error)")
        #expect(error.description.contains("tokenizer.json"))
        #expect(error.kind == .badInput)
    }

    @Test(
        "A missing part or a wrong type is named",
        arguments: [
            ("{}", "model"), (#"{"model": {"type": "BPE", "merges": []}}"#, "vocab"),
            (#"{"model": {"type": "BPE", "vocab": {}}}"#, "merges"), (#"{"model": 3}"#, "model"),
            (#"{"model": {"type": "BPE", "vocab": [], "merges": []}}"#, "vocab"), ("[]", "object"), ("", "byte 0"),
            (with(#""pre_tokenizer": {"type": "ByteLevel"}"#), "add_prefix_space"),
            (with(#""added_tokens": [{"id": 5}]"#), "content")
        ])
    func namesTheMissingPart(json: String, mention: String) throws {
        let error = try #require(throws: FormatError.self) { try load(json) }
        #expect(error.description.contains(mention), "\(error)")
    }

    @Test("Ids may have holes, which no token has")
    func holes() throws {
        let tokenizer = try load(Self.with(model: #""vocab": {"a": 0, "b": 5}, "merges": []"#))
        #expect(tokenizer.vocabularySize == 6)
        #expect(tokenizer.token(3) == nil)
        #expect(tokenizer.encode("ab").ids == [0, 5])
    }
}
