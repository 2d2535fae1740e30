import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SutureTokenizers

@Suite("Where expressions cut texts")
struct CutTests {
    private static let golden = Result {
        try JSONField(JSON.parse(Array(Data(contentsOf: Goldens.url("tokenizers/cuts.json")))), source: "cuts.json")
    }

    private func ends(_ steps: [PreTokenizer], _ text: String) -> [Int] {
        var aligned = Array(text.utf8).withUnsafeBufferPointer { AlignedText($0, start: 0) }
        var pieces = [0..<text.utf8.count]
        for step in steps { step.apply(to: &aligned, &pieces) }
        return pieces.map(\.upperBound)
    }

    private func check(_ steps: [PreTokenizer], _ cuts: ArraySlice<JSONField>, _ name: String) throws {
        let texts = try Self.golden.get().require("texts").array
        for (text, cuts) in zip(texts, cuts) {
            let found = try ends(steps, text.string)
            let expected = try cuts.array.map { try $0.int }
            #expect(found == expected, "\(name): \(text.value)")
        }
    }

    @Test(
        "a pre-tokenizer that a GGUF file names cuts as its model's does",
        arguments: [
            "default", "falcon", "deepseek-coder", "deepseek-llm", "deepseek-v3", "gpt-4o", "tekken", "qwen35"
        ])
    func named(name: String) throws {
        let steps = try GGUFPreTokenizer(named: name, subject: "").preTokenizers
        let cuts = try Self.golden.get().require("named").require(ByteString(name)).array
        #expect(cuts.count == 240)
        try check(steps, cuts[...], name)
    }

    @Test("a file without the name is cut as one that names the default")
    func absent() throws {
        let (absent, named) = (
            try GGUFPreTokenizer(named: nil, subject: ""), try GGUFPreTokenizer(named: "default", subject: "")
        )
        for text in ["It's 12345 $+=a", "a  b\n\n c"] {
            #expect(ends(absent.preTokenizers, text) == ends(named.preTokenizers, text))
        }
        #expect(throws: TokenizerError.self) { try GGUFPreTokenizer(named: "gemma4", subject: "") }
    }

    @Test("random expressions cut as in the reference")
    func random() throws {
        for entry in try Self.golden.get().require("expressions").array {
            let parts = try entry.array
            let text = try parts[0].string
            let expression = try SplitExpressionParser.expression(text, subject: "")
            try check([.pattern(.expression(expression))], parts[1...], text)
        }
    }

    @Test(
        "what is not supported is named with its place",
        arguments: [
            ("a++", "at character 2"), ("(?<=a)b", "this kind of group"), ("a*", "match nothing"),
            ("(?i:ss)", "ligature"),
            (#"\p{Han}+"#, #"\p{Han}"#), ("(?=ab)c", "look at more"), ("[[:alpha:]]", "brackets"),
            ("a)", "without its"),
            ("(a", "without its"), (#"\bx"#, #"\b"#), ("(?:a{9}){999}", "4096"), ("^a", "\"^\"")
        ])
    func unsupported(expression: String, reason: String) {
        let error = #expect(throws: TokenizerError.self) {
            try SplitExpressionParser.expression(expression, subject: "x")
        }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
}
