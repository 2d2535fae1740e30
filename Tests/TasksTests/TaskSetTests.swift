import Foundation
import SutureFormats
import SutureTasks
import Testing

@Suite("Data sets of intents and code")
struct TaskSetTests {
    private static func read(_ name: String, _ bytes: [UInt8], codes: String? = nil) throws -> TaskSet {
        let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let url = directory.appending(path: name)
        try Data(bytes).write(to: url)
        guard let codes else { return try TaskSet(contentsOf: url) }
        let other = directory.appending(path: "codes")
        try Data(codes.utf8).write(to: other)
        return try TaskSet(contentsOf: url, codes: other)
    }

    @Test(
        "are read in the forms in which they are published",
        arguments: [
            (
                "conala.json",
                #"[{"intent": "a", "rewritten_intent": "sum `x`", "snippet": "sum(x)", "question_id": 1},"#
                    + #" {"intent": "len of `x`", "rewritten_intent": null, "snippet": "len(x)"}]"#,
                [TaskSet.Task(intent: "sum `x`", code: "sum(x)"), .init(intent: "len of `x`", code: "len(x)")]
            ),
            (
                "tldr.jsonl", #"{"nl": "list all", "cmd": "ls -a", "cmd_name": "ls"}"# + "\r\n\n",
                [.init(intent: "list all", code: "ls -a")]
            ),
            (
                "shellcode.tsv",
                "SNIPPETS\tINTENTS\r\nxor eax, eax \\n inc eax\tzero out eax \\n add one\r\n",
                [.init(intent: "zero out eax \n add one", code: "xor eax, eax \n inc eax")]
            ),
            (
                "pages.tsv", "page\tdescription\tcommand\ncommon/ls\tList\tls\n",
                [.init(intent: "List", code: "ls")]
            )
        ])
    func forms(_ name: String, _ text: String, _ tasks: [TaskSet.Task]) throws {
        #expect(try Self.read(name, Array(text.utf8)).tasks == tasks)
    }

    @Test("of two files of lines, or in Latin-1, too; what is empty or there twice is counted")
    func otherForms() throws {
        let lines = try Self.read("all.nl", Array("one\ntwo\none\n\n".utf8), codes: "1\n2\n3\n\n")
        #expect(lines.tasks == [.init(intent: "one", code: "1"), .init(intent: "two", code: "2")])
        #expect(lines.skipped == 2)
        let latin = try Self.read("old.tsv", Array("INTENTS\tSNIPPETS\ncaf".utf8) + [0xE9] + Array("\tnop\n".utf8))
        #expect(latin.tasks == [.init(intent: "café", code: "nop")])
    }

    @Test(
        "that are something else are refused",
        arguments: [
            ("a.json", "[{\"intent\": \"x\"}]"), ("b.jsonl", "{\"nl\": 1, \"cmd\": \"x\"}"), ("c.tsv", "a\tb\n1\t2\n"),
            ("d.tsv", "intent\tcode\n1\n"), ("e.txt", "x"), ("f.json", "[]"), ("g.jsonl", "")
        ])
    func refusals(_ name: String, _ text: String) {
        let error = #expect(throws: (any Error).self) { try Self.read(name, Array(text.utf8)) }
        #expect((error as? any Diagnostic)?.kind == .badInput)
    }

    @Test("two files of different length are refused")
    func lengths() {
        #expect(throws: TaskError.self) { try Self.read("all.nl", Array("a\nb\n".utf8), codes: "1\n") }
    }

    @Test("questions stand behind examples, and no example is asked")
    func questions() throws {
        let set = TaskSet((0..<40).map { .init(intent: "intent \($0)", code: "code \($0)") })
        let questions = try set.questions(.bash, shots: 2, limit: 100, seed: 1)
        #expect(questions.count == 30)
        let asked = Set(questions.map(\.expected))
        for question in questions {
            #expect(question.prompt.hasSuffix("\n$") && question.expected.hasPrefix(" code"))
            #expect(question.expected.hasSuffix("\n"))
            #expect(question.prompt.components(separatedBy: "# intent: ").count == 4)
            #expect(!asked.contains { question.prompt.contains("$" + $0) })
        }
        #expect(try set.questions(.bash, shots: 2, limit: 5, seed: 1) == Array(questions.prefix(5)))
        #expect(throws: TaskError.self) { try set.questions(.bash, shots: 40, limit: 1, seed: 1) }
    }

    @Test("frames are what they say", arguments: ["{intent}", "{code} {intent}", "{intent} {code} {code}", ""])
    func frames(_ text: String) throws {
        #expect(throws: TaskError.self) { try Frame(text) }
        let frame = try Frame(#"Q: {intent}\nA: {code}\n"#)
        let failure = frame.failure(.init(intent: "add", code: "a + b"), after: [.init(intent: "one", code: "1")])
        #expect(failure == Failure(prompt: "Q: one\nA: 1\nQ: add\nA:", expected: " a + b\n"))
    }
}
