import Foundation
import SutureFormats

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
    /// Throws ``TaskError`` with code `failed`, or a `FormatError`, where the program cannot be started.
    public func callAsFunction(_ code: String) throws -> Verdict {
        // Neither program takes a zero byte for text: bash drops it, and what is checked would be something else.
        if code.utf8.contains(0) { return .invalid("a zero byte") }
        // Files rather than pipes: neither side can ever wait for the other, or write to one that has gone.
        let (input, output) = (try spool(), try spool())
        defer { for descriptor in [input, output] { close(descriptor) } }
        try Array(code.utf8).withUnsafeBytes { bytes in
            guard pwrite(input, bytes.baseAddress, bytes.count, 0) == bytes.count else { throw Self.noRoom }
        }
        var process = ChildProcess(
            program.path,
            language == .bash
                ? ["--norc", "--noprofile", "-n"]
                : ["-I", "-S", "-W", "ignore", "-c", "import ast, sys; ast.parse(sys.stdin.buffer.read())"])
        process.environment = ["LC_ALL": "C.UTF-8"]
        (process.input, process.errors) = (.descriptor(input), .descriptor(output))
        process.limit = limit
        switch try process.run() {
        case .exited(0): return .valid
        case .late: return .undecided
        case .exited, .killed: break
        }
        var said = [UInt8](repeating: 0, count: 1 << 16)
        let count = said.withUnsafeMutableBytes { pread(output, $0.baseAddress, $0.count, 0) }
        let lines = String(decoding: said.prefix(max(0, count)), as: UTF8.self).split(whereSeparator: \.isNewline)
        return .invalid(String((language == .bash ? lines.first : lines.last) ?? "no reason was given"))
    }

    /// A file without a name.
    private func spool() throws -> Int32 {
        let descriptor = SpoolFile.open(FileManager.default.temporaryDirectory.path)
        guard descriptor >= 0 else { throw Self.noRoom }
        return descriptor
    }

    private static var noRoom: TaskError {
        TaskError(
            .failed, "a temporary file cannot be written", subject: FileManager.default.temporaryDirectory.path,
            found: String(cString: strerror(errno)))
    }
}
