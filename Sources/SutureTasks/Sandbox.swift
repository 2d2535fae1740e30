import Foundation
import SutureFormats

/// Runs programs that nobody has read, with bubblewrap: without a network, without this machine's files but its programs,
/// in a folder of their own, and within limits.
///
/// What a program may see is `/usr` with its links (`/bin`, `/lib`), read-only, a `/proc` and a `/dev` of its own, and a
/// folder in memory that is gone with it. All its processes end with it, and with this process. Where this process is
/// root's, the program is nobody's: the number of root's processes cannot be limited.
public struct Sandbox: Sendable {
    /// What a program may use.
    public struct Limits: Sendable, Equatable {
        /// Seconds, by the clock; no process of it may compute longer either.
        public var seconds = 10.0
        /// Memory of each process, in MiB.
        public var memory = 512
        /// How many processes and threads there are at once.
        public var processes = 32
        /// Size of a file, and of all files together, in MiB.
        public var files = 16
        public var folder = 64

        /// The default limits.
        public init() {}
    }

    /// How a program ended, and the last that it said.
    public struct Outcome: Sendable, Equatable {
        /// Whether it ended by itself, in time, with exit code 0.
        public var isSuccess: Bool
        /// Why not: `exit code 1`, `took longer than 10 s`.
        public var reason: String
        /// The last of what it printed, at most 4,096 bytes.
        public var output: String
    }

    /// A file that a program finds in its folder.
    public struct File: Sendable {
        let name: String
        let bytes: [UInt8]

        /// A file from its text; names have letters, digits, dots and dashes only.
        public init(_ name: String, _ text: String) {
            precondition(name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_".contains($0)) })
            (self.name, bytes) = (name, Array(text.utf8))
        }
    }

    public let limits: Limits
    private let program: String
    private let arguments: [String]

    /// Finds bubblewrap in `PATH`, and tries it.
    ///
    /// - Parameter limits: what programs may use.
    /// - Throws: ``TaskError`` with code `noSandbox` where there is none, or where this system does not let it work.
    public init(_ limits: Limits = Limits()) throws {
        try self.init(limits, path: ProcessInfo.processInfo.environment["PATH"] ?? "")
    }

    init(_ limits: Limits, path: String) throws {
        func find(_ name: String) -> String? {
            path.split(separator: ":").filter { $0.hasPrefix("/") }.map { "\($0)/\(name)" }
                .first(where: FileManager.default.isExecutableFile)
        }
        guard let bubblewrap = find("bwrap") else {
            throw TaskError(
                .noSandbox, "answers are run in a sandbox only, and bubblewrap (bwrap) is not installed",
                hint: "install it, such as with: apt install bubblewrap")
        }
        self.limits = limits
        if getuid() == 0, let setpriv = find("setpriv") {
            program = setpriv
            arguments =
                ["--reuid=65534", "--regid=65534", "--clear-groups", "--", bubblewrap] + Self.walls(limits)
        } else {
            (program, arguments) = (bubblewrap, Self.walls(limits))
        }
        let trial = try run("exit 0")
        guard trial.isSuccess else {
            throw TaskError(
                .noSandbox, "bubblewrap cannot make a sandbox here", subject: bubblewrap,
                found: trial.output.split(whereSeparator: \.isNewline).first.map(String.init) ?? trial.reason,
                hint: "it is 0.7 or newer, with user namespaces that this user may make")
        }
    }

    private static let folder = "/tmp/work"

    /// What bubblewrap is asked for.
    private static func walls(_ limits: Limits) -> [String] {
        var walls = [
            "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--hostname",
            "sandbox", "--ro-bind", "/usr", "/usr"
        ]
        for place in ["/bin", "/sbin", "/lib", "/lib32", "/lib64"] {
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: place) {
                walls += ["--symlink", target, place]
            } else {
                walls += ["--ro-bind-try", place, place]
            }
        }
        // Debian's awk and others are links to here.
        for place in ["/etc/alternatives", "/etc/ld.so.cache", "/nix/store"] {
            walls += ["--ro-bind-try", place, place]
        }
        walls += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
        walls += ["--size", "\(limits.folder << 20)", "--tmpfs", "/tmp", "--dir", folder, "--chdir", folder]
        walls += ["--remount-ro", "/"]
        let environment = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp"
        ]
        return walls + environment.sorted { $0.key < $1.key }.flatMap { ["--setenv", $0.key, $0.value] }
    }

    /// Runs a command of the shell in a new folder that holds these files.
    ///
    /// - Parameters:
    ///   - command: what `/bin/sh` runs; it reads nothing from its standard input.
    ///   - files: what is in the folder.
    /// - Returns: how it ended. A program that cannot be run or goes beyond a limit has no success; that is no error.
    /// - Throws: ``TaskError`` or a `FormatError` where nothing can be started.
    public func run(_ command: String, files: [File] = []) throws -> Outcome {
        let (input, output) = (try spool(), try spool())
        defer { for descriptor in [input, output] { close(descriptor) } }
        try write(files.flatMap(\.bytes), to: input)
        // Files come by the standard input, one after another, so that no folder of ours is seen inside.
        let unpacking = files.map { "head -c \($0.bytes.count) > \($0.name)" }.joined(separator: " && ")
        let seconds = Int(limits.seconds.rounded(.up))
        let limited =
            "exec prlimit --cpu=\(seconds) --as=\(limits.memory << 20) --nproc=\(limits.processes) "
            + "--fsize=\(limits.files << 20) --nofile=128 --core=0 -- /bin/sh -c \"$1\" < /dev/null"
        var process = ChildProcess(
            program,
            arguments + ["--", "/bin/sh", "-c", (files.isEmpty ? "" : unpacking + " && ") + limited, "sh", command])
        process.environment = ["PATH": "/usr/bin:/bin"]
        (process.input, process.output, process.errors) = (
            .descriptor(input), .descriptor(output), .descriptor(output)
        )
        // Some time to make and to clear the sandbox; what computes is ended by the other limit.
        process.limit = limits.seconds
        let ending = try process.run()
        let reason =
            switch ending {
            case .exited(0): ""
            case .exited(128 + SIGXCPU), .killed(SIGXCPU), .late: "took longer than \(format(limits.seconds)) s"
            case .exited(128 + SIGXFSZ), .killed(SIGXFSZ): "wrote more than \(limits.files) MiB"
            case .exited(let code) where code > 128: "ended by signal \(code - 128)"
            case .exited(let code): "exit code \(code)"
            case .killed(let signal): "ended by signal \(signal)"
            }
        return Outcome(isSuccess: ending == .exited(0), reason: reason, output: try tail(of: output))
    }

    private func format(_ seconds: Double) -> String {
        seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)"
    }

    private func tail(of file: Int32) throws -> String {
        let end = lseek(file, 0, SEEK_END)
        var said = [UInt8](repeating: 0, count: 4096)
        let count = said.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, max(0, end - $0.count)) }
        return String(decoding: said.prefix(max(0, count)), as: UTF8.self)
    }

    private func write(_ bytes: [UInt8], to file: Int32) throws {
        try bytes.withUnsafeBytes { bytes in
            guard bytes.isEmpty || pwrite(file, bytes.baseAddress, bytes.count, 0) == bytes.count else {
                throw Self.noRoom
            }
        }
    }

    /// A file without a name, which the program may open again as `/dev/stderr`.
    private func spool() throws -> Int32 {
        let descriptor = SpoolFile.open(FileManager.default.temporaryDirectory.path)
        guard descriptor >= 0, fchmod(descriptor, 0o666) == 0 else { throw Self.noRoom }
        return descriptor
    }

    private static var noRoom: TaskError {
        TaskError(
            .failed, "a temporary file cannot be written", subject: FileManager.default.temporaryDirectory.path,
            found: String(cString: strerror(errno)))
    }
}
