import SutureCore
import Testing

@Suite("Text in messages")
struct TextTests {
    private enum Code: ErrorCode {
        case bad
        var kind: DiagnosticKind { .badInput }
    }

    @Test("an error is one line: what, where, expected, found, what to do")
    func description() {
        let error = CodedError(
            Code.bad, "wrong type", subject: "a\nb", expected: "F32", found: "\u{1B}[2J", hint: "convert it")
        #expect(error.description == #"a\nb: wrong type (expected F32, found \u{1B}[2J); convert it"#)
        #expect(error.kind.rawValue == 4)
    }

    @Test("what is long is cut, and what turns the direction of writing is spelled out")
    func hostile() {
        let long = CodedError(Code.bad, String(repeating: "x", count: 10_000)).description
        #expect(long.count < 400 && long.hasSuffix("..."))
        #expect(!CodedError(Code.bad, "a\u{202E}b").description.unicodeScalars.contains("\u{202E}"))
        #expect(Visible.text("a\u{202E}b\u{1B}") == "a‹U+202E›b␛")
    }

    @Test(
        "a token shows its spaces, and a name is one where white space would be lost",
        arguments: [(" ls", "·ls"), ("a b", "a b"), ("\n", "⏎"), ("", "")])
    func labels(text: String, label: String) {
        #expect(Visible.label(text) == label)
        #expect(Visible.token(" a\t") == "·a⇥" && Visible.token("") == "∅")
    }

    @Test("a quotation is short, and on one line")
    func quotation() {
        #expect(Visible.quoted("a\nb") == #""a\nb""#)
        #expect(Visible.quoted(String(repeating: "x", count: 100)).count == 65)
    }
}
