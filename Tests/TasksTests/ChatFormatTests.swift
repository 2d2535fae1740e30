import Foundation
import SutureTasks
import SutureTemplates
import SutureTestSupport
import SutureTokenizers
import Testing

@Suite("Conversations")
struct ChatFormatTests {
    private struct Golden: Decodable {
        struct Case: Decodable {
            var tokenizer, beginning, end, template, answer: String
            var messages: [ChatMessage]
            var prompt, whole: [Int]
        }
        var templates: [String: String]
        var cases: [Case]
    }

    private static let chatml = """
        {% for m in messages %}<|im_start|>{{ m.role }}
        {{ m.content }}<|im_end|>
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
        {% endif %}
        """

    private func tokenizer(_ name: String, beginning: String, end: String) throws -> Tokenizer {
        try withTemporaryDirectory { folder in
            try FileManager.default.copyItem(
                at: Goldens.url("tokenizers/\(name).json"), to: folder.appending(path: "tokenizer.json"))
            try Data(#"{"bos_token": "\#(beginning)", "eos_token": "\#(end)"}"#.utf8).write(
                to: folder.appending(path: "tokenizer_config.json"))
            return try Tokenizer(snapshot: folder)
        }
    }

    private func chat(_ template: String = chatml) throws -> ChatFormat {
        try ChatFormat(template, tokenizer("smollm", beginning: "<|im_start|>", end: "<|im_end|>"))
    }

    @Test("prompts are the tokens that transformers makes of them, and so are answers with their end")
    func goldens() throws {
        let golden = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: Goldens.url("templates/chats.json")))
        for each in golden.cases {
            let chat = try ChatFormat(
                #require(golden.templates[each.template]),
                tokenizer(each.tokenizer, beginning: each.beginning, end: each.end))
            let what = "\(each.tokenizer), \(each.template), \(each.messages.count) messages"
            let failure = try chat.failure(each.messages, expected: each.answer + chat.closing)
            let tokens = try TokenizedFailure(failure, chat.tokenizer)
            #expect(tokens.prompt == each.prompt, "\(what)")
            // What stands behind the end, such as a line break, is no part of the answer.
            #expect(each.whole.starts(with: tokens.prompt + tokens.answer), "\(what)")
            let rest = each.whole.dropFirst((tokens.prompt + tokens.answer).count)
            let left = chat.tokenizer.decode(Array(rest))
            #expect(left.allSatisfy { $0.isWhitespace }, "\(what)")
        }
    }

    @Test("a frame's examples are turns, and a written answer is told without its end token")
    func frame() throws {
        let chat = try chat()
        let frame = try Frame("# {intent}\\n{code}\\n").asTurns(chat)
        let failure = try frame.failure(.init(intent: "list", code: "ls"), after: [.init(intent: "up", code: "cd ..")])
        #expect(
            failure.prompt == """
                <|im_start|>user
                # up<|im_end|>
                <|im_start|>assistant
                cd ..<|im_end|>
                <|im_start|>user
                # list<|im_end|>
                <|im_start|>assistant

                """)
        #expect(failure.expected == "ls<|im_end|>")
        #expect(frame.text(chat.tokenizer.encode(failure.expected).ids, chat.tokenizer) == "ls")
    }

    @Test("a list may hold whole conversations, but only where they can be written")
    func list() throws {
        try withTemporaryDirectory { folder in
            let url = folder.appending(path: "failures.jsonl")
            try Data(
                """
                {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}], "expected": "Ho"}
                \t
                {"prompt": "Hi", "expected": "Ha"}

                """.utf8
            ).write(to: url)
            let found = try Failure.read(url, chat: chat())
            #expect(found[0].prompt.contains("system\nBe short.<|im_end|>\n<|im_start|>user\nHi<|im_end|>"))
            #expect(found[1].prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
            #expect(found.map(\.expected) == ["Ho", "Ha"])
            let error = #expect(throws: TaskError.self) { try Failure.read(url) }
            #expect(error?.description.contains("line 1") == true && error?.hint?.contains("--chat") == true)
        }
    }

    @Test(
        "what cannot write a question and an answer is refused with the reason",
        arguments: [
            ("{% if %}", "line 1"), ("{{ raise_exception('no') }}", "no"),
            ("{% for m in messages %}{{ m.role }}{% endfor %}", "leaves out")
        ])
    func refused(template: String, reason: String) throws {
        let error = #expect(throws: TaskError.self) { try chat(template) }
        #expect(error?.code == .noChat && error?.description.contains(reason) == true)
    }
}
