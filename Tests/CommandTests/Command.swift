import Foundation

/// The `suture` that the environment names (`SUTURE`), or the one that was built beside the tests, run as a user would.
struct Command {
    /// How a run ended.
    struct Outcome {
        /// The exit code, or minus the signal that ended the process.
        var status: Int32
        var output: Data
        var errors: String

        var text: String { String(decoding: output, as: UTF8.self) }

        func json() throws -> [String: Any] {
            try JSONSerialization.jsonObject(with: output) as? [String: Any] ?? [:]
        }
    }

    static let executable: URL = {
        if let path = ProcessInfo.processInfo.environment["SUTURE"] { return URL(filePath: path).absoluteURL }
        #if os(macOS)
            let tests = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
        #else
            let tests = Bundle.main.executableURL
        #endif
        return (tests ?? URL(filePath: ".build/debug/tests")).deletingLastPathComponent().appending(path: "suture")
    }()

    /// Runs it in `directory`; words of `line` are separated by single spaces, and `''` is an empty one.
    static func run(
        _ line: String, in directory: URL, input: String = "", output target: FileHandle? = nil
    ) throws -> Outcome {
        let words = line.split(separator: " ", omittingEmptySubsequences: true).map { $0 == "''" ? "" : String($0) }
        return try run(words, in: directory, input: input, output: target)
    }

    /// Runs it, or another program, with these arguments.
    static func run(
        _ arguments: [String], in directory: URL, input: String = "", output target: FileHandle? = nil,
        program: URL = executable, environment: [String: String] = [:]
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.currentDirectoryURL = directory
        // One thread: on models as small as these, more only wait for each other.
        process.environment = ProcessInfo.processInfo.environment.merging([
            "OMP_NUM_THREADS": "1", "COLUMNS": "80", "XDG_CACHE_HOME": directory.path + "-cache"
        ]) { $1 }.merging(environment) { $1 }
        let streams = (input: Pipe(), output: Pipe(), errors: Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (
            streams.input, target ?? streams.output, streams.errors
        )
        try process.run()
        streams.input.fileHandleForWriting.write(Data(input.utf8))
        try streams.input.fileHandleForWriting.close()
        // What goes to stderr here always fits into its pipe.
        let output = target == nil ? streams.output.fileHandleForReading.readDataToEndOfFile() : Data()
        let errors = streams.errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return Outcome(status: status, output: output, errors: String(decoding: errors, as: UTF8.self))
    }
}
