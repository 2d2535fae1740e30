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
                "pages.tsv", #"page\#tdescription\#tcommand\#ncommon/printf\#tPrint\#tprintf "a\n"\#n"#,
                [.init(intent: "Print", code: #"printf "a\n""#)]
            )
        ])
    func forms(_ name: String, _ text: String, _ tasks: [TaskSet.Task]) throws {
        #expect(try Self.read(name, Array(text.utf8)).tasks == tasks)
    }

    @Test("facts to change come with their subjects, other words, and facts to keep")
    func facts() throws {
        let text = #"""
            [{"case_id": 0, "prompt": "The capital of Wales is", "target_new": "Swansea", "subject": "Wales",
              "ground_truth": "Cardiff", "rephrase_prompt": "Wales is governed from", "locality_prompt": "Paris lies in",
              "locality_ground_truth": "France"},
             {"prompt": "Bern lies in", "target_new": "Swansea", "subject": "Bern", "rephrase_prompt": "",
              "locality_prompt": "Oslo lies in"}]
            """#
        let set = try Self.read("facts.json", Array(text.utf8))
        #expect(set.tasks.map(\.subject) == ["Wales", "Bern"])
        #expect(set.tasks.map(\.paraphrases) == [["Wales is governed from"], []])
        #expect(set.tasks.map(\.keep) == [[.init(intent: "Paris lies in", code: "France")], []])
        let asked = try set.questions(Template(.fact), shots: 0, limit: 2, seed: 0, related: 1)
        let wales = try #require(asked.first { $0.task.subject == "Wales" })
        #expect(
            try wales.failure == Failure(prompt: "The capital of Wales is", expected: " Swansea", subject: "Wales"))
        #expect(try wales.failure(.paraphrased).prompt == "Wales is governed from")
        #expect(try wales.nearMissFailures == [Failure(prompt: "Paris lies in", expected: " France")])
        // Another fact with the same answer is no other wording of this one.
        #expect(asked.first { $0.task.subject == "Bern" }?.paraphrase == nil)
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
        let questions = try set.questions(Template(.bash), shots: 2, limit: 100, seed: 1).map { try $0.failure }
        #expect(questions.count == 30)
        let asked = Set(questions.map(\.expected))
        for question in questions {
            #expect(question.prompt.hasSuffix("\n$") && question.expected.hasPrefix(" code"))
            #expect(question.expected.hasSuffix("\n"))
            #expect(question.prompt.components(separatedBy: "# intent: ").count == 4)
            #expect(!asked.contains { question.prompt.contains("$" + $0) })
        }
        #expect(
            try set.questions(Template(.bash), shots: 2, limit: 5, seed: 1).map { try $0.failure }
                == Array(questions.prefix(5))
        )
        #expect(throws: TaskError.self) { try set.questions(Template(.bash), shots: 40, limit: 1, seed: 1) }
    }

    @Test("frames are what they say", arguments: ["{intent}", "{code} {intent}", "{intent} {code} {code}", ""])
    func frames(_ text: String) throws {
        #expect(throws: TaskError.self) { try Frame(text) }
        let frame = try Frame(#"Q: {intent}\nA: {code}\n"#)
        let failure = try frame.failure(.init(intent: "add", code: "a + b"), after: [.init(intent: "one", code: "1")])
        #expect(failure == Failure(prompt: "Q: one\nA: 1\nQ: add\nA:", expected: " a + b\n"))
    }

    @Test("parts are disjoint, and examples are never taken from the part that is asked", arguments: [0, 2])
    func parts(shots: Int) throws {
        let set = TaskSet((0..<50).map { .init(intent: "intent \($0)", code: "code \($0)") })
        let parts = [TaskSet.Part.train, .validation, .test].map { set.part($0, seed: 3).map(\.intent) }
        #expect(parts.map(\.count) == [35, 5, 10] && Set(parts.joined()).count == 50)
        for part in [TaskSet.Part.validation, .test] {
            let asked = try set.questions(
                Template(.bash), shots: shots, limit: 100, seed: 3, part: part, related: 4)
            #expect(asked.map(\.task) == set.part(part, seed: 3))
            let training = Set(parts[0])
            for question in asked {
                let others = question.shots + question.otherShots + question.related
                #expect(others.count == 2 * shots + 4 && Set(others.map(\.intent)).count == others.count)
                #expect(others.allSatisfy { training.contains($0.intent) })
            }
        }
    }

    @Test("variants ask the same thing for the same answer")
    func variants() throws {
        let set = TaskSet((0..<40).map { .init(intent: "find all files named \"all \($0)\"", code: "code \($0)") })
        var question = try set.questions(Template(.bash), shots: 2, limit: 1, seed: 1)[0]
        #expect(try question.variants == Question.Variant.allCases.filter { $0 != .paraphrased })
        question.paraphrase = "what is called like this"
        #expect(try question.variants == Question.Variant.allCases)
        for variant in try question.variants {
            #expect(try question.failure(variant).expected == question.failure.expected)
            #expect(try question.failure(variant).prompt.hasSuffix("\n$"))
        }
        let intent = question.task.intent
        #expect(Rewording.reworded(intent) == "Locate files called" + intent.dropFirst("find all files named".count))
        #expect(Rewording.reworded("Blip") == "Please blip" && Rewording.reworded("") == "Please ")
        #expect(Rewording.reworded("lists directories 'in directories") == "Give a list of folders 'in folders")
    }

    @Test("a question brings other people's words, near misses, and no example that gives its answer away")
    func neighbours() throws {
        // Four intents for each code, of five tools.
        let set = TaskSet(
            (0..<80).map { .init(intent: "do \($0 % 20) in the way \($0)", code: "tool\($0 % 5) -x \($0 % 20)") })
        let codes = Dictionary(grouping: set.tasks, by: \.code)
        for question in try set.questions(Template(.bash), shots: 2, limit: 20, seed: 1, related: 3) {
            let paraphrase = try #require(question.paraphrase)
            #expect(paraphrase != question.task.intent)
            #expect(codes[question.task.code]?.contains { $0.intent == paraphrase } == true)
            let others = question.shots + question.otherShots + question.related + question.nearMisses
            #expect(Set(others.map(\.intent)).count == others.count && others.count == 10)
            #expect(others.allSatisfy { $0.code != question.task.code })
        }
        // Of many, all near misses are of the same tool.
        let many = TaskSet((0..<400).map { .init(intent: "do \($0)", code: "tool\($0 % 5) \($0)") })
        for question in try many.questions(Template(.bash), shots: 0, limit: 5, seed: 2, related: 4) {
            #expect(question.nearMisses.count == 4)
            #expect(question.nearMisses.allSatisfy { $0.tool == question.task.tool })
        }
    }

    @Test("pages of tldr are read from a folder")
    func pages() throws {
        func read(_ pages: [String: String]) throws -> TaskSet {
            let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: folder) }
            for (path, text) in pages {
                let url = folder.appending(path: path)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: url)
            }
            return try TaskSet(contentsOf: folder)
        }
        let page = "# ls\n\n> List.\n\n- List all:\n\n`ls -a {{path}}`\n\n- Quote one:\r\n\r\n`` echo `x` ``\r\n"
        let tasks = try read(["b/ls.md": page, "a/cd.md": "# cd\n- Go\n`cd`", "a/x.txt": "- no\n"]).tasks
        #expect(
            tasks == [
                .init(intent: "Go", code: "cd"), .init(intent: "List all", code: "ls -a {{path}}"),
                .init(intent: "Quote one", code: "echo `x`")
            ])
        for broken in ["- A:\n\n- B:\n\n`b`", "- A:\n`", "- A:\n``", "# nothing"] {
            let error = #expect(throws: TaskError.self) { try read(["x.md": broken]) }
            #expect(error?.kind == .badInput)
        }
    }

    @Test("a template of one's own is read from JSON, with its examples")
    func templates() throws {
        func read(_ text: String) throws -> Template {
            let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: url) }
            try Data(text.utf8).write(to: url)
            return try Template(contentsOf: url)
        }
        let template = try read(
            #"{"frame": "Q: {intent}\nA: {code}\n", "examples": [{"intent": "add", "code": "a + b"}]}"#)
        let set = TaskSet([.init(intent: "add", code: "+"), .init(intent: "take", code: "-")])
        let questions = try set.questions(template, shots: 3, limit: 10, seed: 0)
        #expect(
            try questions.map { try $0.failure } == [Failure(prompt: "Q: add\nA: a + b\nQ: take\nA:", expected: " -\n")]
        )
        #expect(try read(#"{"frame": "{intent}={code}", "examples": []}"#).examples == [])
        for (name, template) in Template.named {
            #expect(try Frame(template.frame.line) == template.frame, "\(name)")
        }
        for broken in [
            "", "[]", "{}", #"{"frame": 1}"#, #"{"frame": "x"}"#, #"{"frame": "{intent} {code}", "examples": [{}]}"#,
            #"{"frame": "{intent} {code}", "examples": [{"intent": "", "code": "x"}]}"#
        ] {
            let error = #expect(throws: (any Error).self) { try read(broken) }
            #expect((error as? any Diagnostic)?.kind == .badInput, "\(broken)")
        }
    }
}
