import Foundation
import Testing

@testable import SutureTasks

@Suite("Tasks that are judged by tests")
struct CheckedTaskTests {
    @Test("A prompt is asked without the white space at its end, and as it was given beside it")
    func cutEnd() throws {
        let given = "def two():\n    \"\"\"Two.\"\"\"\n"
        let lines = """
            {"prompt": "def two():\\n    \\"\\"\\"Two.\\"\\"\\"\\n", "test": "assert two() == 2", "expected": "    return 2\\n",
            """.trimmingCharacters(in: .newlines) + """
                 "candidates": ["\\n    return 1 + 1\\n"], "variants": ["def two():\\n    # Two\\n", "def two(): return"]}
                """
        let read = try CheckedTask.read(Array(lines.utf8), name: "tasks", kind: .python)[0]
        let task = read.askedUpToItsLastWord
        #expect(task.prompt == "def two():\n    \"\"\"Two.\"\"\"" && task.question == task.prompt)
        #expect(task.candidates == ["\n    return 1 + 1\n", "\n    return 2\n"])
        #expect(task.heldOut.prefix(3).map(\.name) == ["as given", "yours", "yours"])
        #expect(task.heldOut.prefix(3).map(\.prompt) == [given, "def two():\n    # Two", "def two(): return"])
        #expect(task.wordings.allSatisfy { $0.prompt.last?.isWhitespace == false })
        #expect(task.askedUpToItsLastWord == task)
    }

    @Test(
        "What ends in a word, is a conversation or goes to a command is asked as it is",
        arguments: [
            CheckedTask(prompt: "x =", kind: .python, test: "assert x"),
            CheckedTask(prompt: "user: x\n", question: "x", isChat: true, kind: .python, test: "assert x"),
            CheckedTask(prompt: "x =\n", kind: .command("grep 2 {}")),
            CheckedTask(prompt: " \n", kind: .bash, test: "answer")
        ])
    func asItIs(task: CheckedTask) {
        #expect(task.askedUpToItsLastWord == task)
    }
}
