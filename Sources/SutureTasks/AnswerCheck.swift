import Foundation

/// Judges an answer by running it, in a sandbox: with the tests that a task brings, or by a command.
///
/// The command finds in its folder the files `prompt`, `answer` and, where the task has one, `test`; exit code 0 says that
/// the answer holds.
public struct AnswerCheck: Sendable {
    /// How answers are judged.
    public enum Kind: Sendable, Equatable {
        /// Python: prompt, answer and test are one program, which calls `check(ENTRY_POINT)` where the task names one.
        case python
        /// bash: the test is a script that runs `answer`, each line of which has to succeed.
        case bash
        /// A command of the shell, in which `{}` stands for the answer's file.
        case command(String)

        /// `python`, `bash`, or else a command.
        public init(_ text: String) {
            self =
                switch text {
                case "python": .python
                case "bash": .bash
                default: .command(text)
                }
        }

        /// Whether a task has to bring a test.
        public var needsTest: Bool { if case .command = self { false } else { true } }
    }

    /// What came of it; with the reason where it does not hold.
    public enum Verdict: Sendable, Equatable {
        case passes
        case fails(String)

        /// Whether the answer holds.
        public var isPassing: Bool { self == .passes }
    }

    private let sandbox: Sandbox

    /// A judge that runs answers in this sandbox.
    public init(in sandbox: Sandbox) { self.sandbox = sandbox }

    /// Judges one answer.
    ///
    /// - Parameters:
    ///   - answer: what the model wrote, up to its end.
    ///   - task: what was asked, with the test.
    ///   - wording: the words in which it was asked, where these are not the task's own.
    /// - Returns: whether it holds.
    /// - Throws: what ``Sandbox/run(_:files:)`` throws.
    public func callAsFunction(_ answer: String, to task: CheckedTask, asked wording: String? = nil) throws -> Verdict {
        if answer.utf8.contains(0) { return .fails("a zero byte") }
        let prompt = wording ?? task.question
        var files = [Sandbox.File("prompt", prompt), Sandbox.File("answer", answer)]
        if let test = task.test { files.append(Sandbox.File("test", test)) }
        let outcome: Sandbox.Outcome
        switch task.kind {
        case .command(let command):
            outcome = try sandbox.run(command.replacing("{}", with: "answer"), files: files)
        case .bash:
            files[1] = Sandbox.File("answer", Self.block(of: answer))
            // A shell of its own for each: what the answer sets or leaves is not the script's.
            outcome = try sandbox.run("bash -e test", files: files)
        case .python:
            // An answer that ends the program before its tests has not passed them.
            let mark = "passed-\(UInt64.random(in: 0...(.max)))"
            let program = Self.program(answer, behind: prompt, task) + "open(\"\(mark)\", \"w\").close()\n"
            files.append(Sandbox.File("program.py", program))
            outcome = try sandbox.run("python3 -I -B program.py && test -e \(mark)", files: files)
        }
        if outcome.isSuccess { return .passes }
        let said = outcome.output.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""
        return .fails(outcome.reason + said)
    }

    /// One program of what was asked, the answer and its test.
    private static func program(_ answer: String, behind prompt: String, _ task: CheckedTask) -> String {
        let code = block(of: answer)
        // An answer that brings the function itself needs no beginning of it.
        let isWhole = task.isChat || task.entryPoint.map { code.contains("def \($0)(") } == true
        let call = task.entryPoint.map { "check(\($0))\n" } ?? ""
        return (isWhole ? code : prompt + answer) + "\n" + (task.test ?? "") + "\n" + call
    }

    /// The first fenced block of an answer in Markdown; all of it where there is none.
    static func block(of answer: String) -> String {
        guard let start = answer.firstRange(of: "```") else { return answer }
        let rest = answer[start.upperBound...]
        guard let line = rest.firstIndex(where: \.isNewline) else { return answer }
        let body = rest[rest.index(after: line)...]
        return String(body[..<(body.firstRange(of: "```")?.lowerBound ?? body.endIndex)])
    }
}

/// Where an answer ends, if no token of the model's ends it.
public struct AnswerEnd: Sendable, Equatable {
    /// It ends before the first of these.
    public var stops: [String]
    /// Python: it ends before the first line that is not indented, imports and decorators aside.
    public var isBlock: Bool

    /// An end by strings, or by indentation.
    public init(stops: [String] = [], isBlock: Bool = false) { (self.stops, self.isBlock) = (stops, isBlock) }

    /// As answers of a kind end where nobody says otherwise; those of a chat end by the model's own token.
    public init(of kind: AnswerCheck.Kind, isChat: Bool) {
        switch kind {
        case .python where !isChat: self.init(isBlock: true)
        case .bash where !isChat: self.init(stops: ["\n\n"])
        default: self.init()
        }
    }

    /// Where a text that follows `prompt` ends; nil while it may go on.
    public func place(in text: String, behind prompt: String) -> String.Index? {
        let stop = stops.compactMap { text.firstRange(of: $0)?.lowerBound }.min()
        guard isBlock, let line = Self.outside(text, isFreshLine: prompt.last?.isNewline ?? true) else { return stop }
        return stop.map { min($0, line) } ?? line
    }

    /// Where the first line begins that is not indented, behind some code.
    private static func outside(_ text: String, isFreshLine: Bool) -> String.Index? {
        var hasCode = false
        var isFresh = isFreshLine
        var start = text.startIndex
        while start < text.endIndex {
            let end = text[start...].firstIndex(where: \.isNewline) ?? text.endIndex
            let line = text[start..<end]
            if let first = line.first(where: { !$0.isWhitespace }) {
                let isIndented = line.first?.isWhitespace == true
                if isFresh, !isIndented, hasCode, !")]}".contains(first) { return start }
                let isPreface = ["import ", "from ", "@", "#"].contains { line.hasPrefix($0) }
                if !isFresh || isIndented || !isPreface { hasCode = true }
            }
            isFresh = true
            start = end == text.endIndex ? end : text.index(after: end)
        }
        return nil
    }
}
