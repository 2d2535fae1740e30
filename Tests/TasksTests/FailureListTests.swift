import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SutureTasks

@Suite("Lists of failures")
struct FailureListTests {
    private func read(_ line: String) throws -> [Failure] {
        try Failure.read(Array(line.utf8), name: "list.jsonl")
    }

    @Test("each of several prompts is a failure that knows of the others; what is to be kept stands with the first")
    func wordings() throws {
        let failures = try read(
            #"{"prompts": ["a", "b", "c"], "expected": " x", "keep": [{"prompt": "d", "expected": " y"}]}"#)
        #expect(failures.map(\.prompt) == ["a", "b", "c"] && failures.allSatisfy { $0.expected == " x" })
        #expect(failures.map(\.wordings) == [["b", "c"], ["a", "c"], ["a", "b"]])
        #expect(failures.map(\.keep) == [[Failure(prompt: "d", expected: " y")], [], []])
        #expect(try read(#"{"prompt": "a", "expected": " x"}"#) == [Failure(prompt: "a", expected: " x")])
    }

    @Test(
        "are refused where prompts or what is to be kept make no sense",
        arguments: [
            (#"{"prompt": "a", "prompts": ["b"], "expected": " x"}"#, "found prompt and prompts"),
            (#"{"messages": [], "prompts": ["b"], "expected": " x"}"#, "found prompts and messages"),
            (#"{"prompts": [], "expected": " x"}"#, "one or more texts that differ, found none"),
            (#"{"prompts": ["a", ""], "expected": " x"}"#, "found an empty one"),
            (#"{"prompts": ["a", "a"], "expected": " x"}"#, "found one twice"),
            (#"{"prompts": "a", "expected": " x"}"#, "prompts"),
            (#"{"prompt": "a", "expected": " x", "keep": [{"prompt": "b"}]}"#, "keep[0]"),
            (#"{"prompt": "a", "expected": " x", "keep": [{"prompt": "", "expected": "c"}]}"#, "keep[0]")
        ])
    func refused(line: String, message: String) throws {
        let error = #expect(throws: (any Error).self) { try read(line) }
        let text = "\(try #require(error))"
        #expect(text.contains(message) && text.contains("list.jsonl, line 1"), "\(text)")
    }
}
