import Foundation

/// A child process that prints one JSON object as its last line.
struct Child {
    var executable: URL
    var arguments: [String]
    /// What it is told beside the environment of this process.
    var environment: [String: String] = [:]

    /// A script of `Benchmarks/peers`, or nil with a note where Python is not set up.
    static func peer(_ script: String, _ arguments: [String], python environment: String = "python") -> Child? {
        let root = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let python = root.appending(path: ".deps/\(environment)/bin/python")
        guard FileManager.default.isExecutableFile(atPath: python.path) else {
            FileHandle.standardError.write(
                Data(
                    "note: no peer, because Python is not set up; run Scripts/setup-python\(environment.dropFirst(6).replacing("-", with: " "))\n"
                        .utf8))
            return nil
        }
        return Child(
            executable: python, arguments: [root.appending(path: "Benchmarks/peers/\(script)").path] + arguments)
    }

    /// This very program with other arguments.
    static func itself(_ arguments: [String]) -> Child {
        let path = Bundle.main.executablePath ?? CommandLine.arguments[0]
        return Child(executable: URL(filePath: path), arguments: arguments)
    }

    /// Runs to the end and reads the last line; what goes to stderr is passed on.
    func run<Report: Decodable>(_ type: Report.Type = Report.self) throws -> Report {
        guard let report = try lines(type, last: true).last else { throw failure }
        return report
    }

    /// Runs to the end and reads one object from each line, or from the last.
    func lines<Report: Decodable>(_ type: Report.Type = Report.self, last: Bool = false) throws -> [Report] {
        let process = Process()
        let output = Pipe()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw failure }
        let lines = data.split(separator: UInt8(ascii: "\n"))
        return try lines.suffix(last ? 1 : lines.count).map { try JSONDecoder().decode(Report.self, from: $0) }
    }

    private var failure: ChildFailed {
        ChildFailed(command: ([executable.path] + arguments).joined(separator: " "))
    }
}

/// A child process that ended with an error or printed nothing.
struct ChildFailed: Error, CustomStringConvertible {
    let command: String
    var description: String { "this failed or printed nothing: \(command)" }
}
