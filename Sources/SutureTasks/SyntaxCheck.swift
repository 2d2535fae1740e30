import Foundation

/// Asks the language's own program whether an answer is well-formed. The answer is read, and never executed.
///
/// bash reads it with `-n` (do not execute), Python parses it (`ast.parse`): a name that does not exist is no fault of
/// syntax. Both read it from their standard input, in an empty environment, with a limit of time.
public struct SyntaxCheck: Sendable {
    /// A language whose program may be there.
    public enum Language: String, Sendable, Codable, CaseIterable {
        case bash, python
    }

    /// What became of the question.
    public enum Verdict: Sendable, Equatable {
        case valid
        /// With the first line of what the program said.
        case invalid(String)
        /// The program did not answer in time.
        case undecided
    }

    public let language: Language
    private let program: URL
    private let limit: Double

    /// nil where the program, bash or python3, is not in one of the directories of `PATH`.
    ///
    /// - Parameters:
    ///   - language: what the answers are written in.
    ///   - limit: the seconds that the program may take.
    public init?(_ language: Language, limit: Double = 5) {
        let name = language == .bash ? "bash" : "python3"
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let places = path.split(separator: ":").filter { $0.hasPrefix("/") }.map { String($0) + "/" + name }
        guard let place = places.first(where: FileManager.default.isExecutableFile) else { return nil }
        self.language = language
        self.limit = limit
        program = URL(filePath: place)
    }

    /// Checks one answer.
    ///
    /// Throws ``TaskError`` with code `failed` where the program cannot be started.
    public func callAsFunction(_ code: String) throws -> Verdict {
        // Neither program takes a zero byte for text: bash drops it, and what is checked would be something else.
        if code.utf8.contains(0) { return .invalid("a zero byte") }
        // Files rather than pipes: neither side can ever wait for the other, or write to one that has gone.
        let (input, output) = (try Self.spool(Data(code.utf8)), try Self.spool(Data()))
        defer { withExtendedLifetime((input, output)) {} }
        let process = Process()
        process.executableURL = program
        process.arguments =
            language == .bash
            ? ["--norc", "--noprofile", "-n"]
            : ["-I", "-S", "-W", "ignore", "-c", "import ast, sys; ast.parse(sys.stdin.buffer.read())"]
        process.environment = ["LC_ALL": "C.UTF-8"]
        process.standardInput = input
        process.standardOutput = FileHandle.nullDevice
        process.standardError = output
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        do {
            try process.run()
        } catch {
            throw TaskError(.failed, "this program cannot be started", subject: program.path)
        }
        guard ended.wait(timeout: .now() + limit) == .success else {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            return .undecided
        }
        if process.terminationStatus == 0, process.terminationReason == .exit { return .valid }
        try output.seek(toOffset: 0)
        let said = String(decoding: try output.read(upToCount: 1 << 16) ?? Data(), as: UTF8.self)
        let lines = said.split(whereSeparator: \.isNewline)
        return .invalid(String((language == .bash ? lines.first : lines.last) ?? "no reason was given"))
    }

    /// A file without a name that holds some bytes, read from its start.
    private static func spool(_ bytes: Data) throws -> FileHandle {
        let url = FileManager.default.temporaryDirectory.appending(path: "suture-\(UUID().uuidString)")
        guard FileManager.default.createFile(atPath: url.path, contents: bytes, attributes: [.posixPermissions: 0o600])
        else { throw TaskError(.failed, "a temporary file cannot be made", subject: url.path) }
        defer { try? FileManager.default.removeItem(at: url) }
        return try FileHandle(forUpdating: url)
    }
}
