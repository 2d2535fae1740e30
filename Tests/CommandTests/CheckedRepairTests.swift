import Foundation
import SutureTasks
import Testing

/// A repair of which nobody knows the answer, only how to tell that it is right.
@Suite("The repair command with a check")
struct CheckedRepairTests {
    /// Whether answers can be run here.
    static let hasSandbox = (try? Sandbox()) != nil

    private func run(_ place: Workplace, _ words: [String], input: String = "") throws -> Command.Outcome {
        try Command.run(
            ["repair", "model"] + words + EndToEndTests.unlimited.split(separator: " ").map(String.init),
            in: place.url, input: input)
    }

    private func check(_ outcome: Command.Outcome) throws -> [String: Any] {
        try #require((outcome.json()["checks"] as? [[String: Any]])?.first, "\(outcome.errors)")
    }

    @Test("an answer of one's own that passes becomes the target, and the free answer is run", .enabled(if: hasSandbox))
    func given() throws {
        let place = try Workplace()
        let outcome = try run(
            place,
            ["-p", "abc", "--check", "grep -qx Z {}", "--candidate", "Y", "--candidate", "Z", "-n", "1", "-o", "fix"]
                + ["--format", "json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let check = try check(outcome)
        #expect(check["source"] as? String == "given" && check["answer"] as? String == "Z")
        #expect(check["tried"] as? Int == 3 && check["after"] as? String == "Z")
        #expect((check["held_out"] as? [[String: Any]])?.isEmpty == false)
        #expect(["adopted", "workaround"].contains(check["verdict"] as? String))
        #expect(try place.done("generate model -p abc -n 1 --patch fix")["text"] as? String == "Z")
        // What passes already is left alone.
        let again = try run(
            place, ["-p", "abc", "--patch", "fix", "--check", "grep -qx Z {}", "-n", "1", "--format", "json"])
        #expect(try again.status == 0 && self.check(again)["verdict"] as? String == "right", "\(again.errors)")
    }

    @Test("a prompt as long as the context is a task that cannot be solved, and no error", .enabled(if: hasSandbox))
    func long() throws {
        let long = String(repeating: "ab", count: 600)
        let tasks =
            #"{"prompt": "\#(long)", "check": "true"}"# + "\n"
            + #"{"prompt": "abc", "check": "true", "variants": ["\#(long)"]}"#
        let outcome = try run(
            Workplace(), ["--failures", "-", "--check", "false", "-n", "1", "--format", "json"], input: tasks)
        #expect(outcome.status == 1, "\(outcome.errors)")
        let checks = try #require(outcome.json()["checks"] as? [[String: Any]])
        #expect(checks.map { $0["verdict"] as? String } == ["unsolved", "right"])
        #expect((checks.first?["fault"] as? String)?.contains("context") == true)
    }

    @Test("answers are drawn until one passes, the same ones by the same seed", .enabled(if: hasSandbox))
    func drawn() throws {
        let place = try Workplace()
        let asked = try place.done("generate model -p abc -n 1")["text"] as? String ?? ""
        let task =
            #"{"prompt": "abc", "variants": ["xabc"], "check": "grep -q '^[a-zA-Z]$' {} && ! grep -qxF -- '\#(asked)' {}"}"#
        let words = ["--failures", "-", "--check", "false", "-n", "1", "--temperature", "5", "--seed", "3"]
        let outcome = try run(place, words + ["--format", "json"], input: task)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let found = try check(outcome)
        #expect(["beam", "sample"].contains(found["source"] as? String))
        #expect(found["answer"] as? String == found["after"] as? String)
        let wordings = try #require(found["held_out"] as? [[String: Any]])
        #expect(wordings.first?["name"] as? String == "yours" && wordings.first?["prompt"] as? String == "xabc")
        let again = try run(place, words + ["--format", "json"], input: task)
        #expect(try check(again)["answer"] as? String == found["answer"] as? String)
        let shown = try run(place, words, input: task)
        #expect(shown.text.contains("The free answer passes"), "\(shown.text)")
    }

    @Test("where nothing passes it says how many were tried, and why the model's own did not", .enabled(if: hasSandbox))
    func unsolved() throws {
        let place = try Workplace()
        let outcome = try run(
            place, ["-p", "abc", "--check", "echo no good; false", "--samples", "20", "-n", "2", "-o", "fix"])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("different answers passes the check"), "\(outcome.errors)")
        #expect(outcome.errors.contains("exit code 1: no good"), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "fix").path))
    }

    @Test("without a sandbox nothing is run")
    func refused() throws {
        let place = try Workplace()
        let outcome = try Command.run(
            ["repair", "model", "-p", "abc", "--check", "touch \(place.url.path)/ran"], in: place.url,
            environment: ["PATH": "/nonexistent"])
        #expect(outcome.status == 3 && outcome.errors.contains("bubblewrap"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "ran").path))
    }
}
