import Foundation

/// A program, its time from start to end and its peak memory.
struct MeasuredProcess {
    let seconds: Double
    let mebibytes: Double

    /// Runs to the end; what the program prints is not shown.
    init(_ arguments: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for output: Int32 in [1, 2] { posix_spawn_file_actions_addopen(&actions, output, "/dev/null", O_WRONLY, 0) }
        var pid = pid_t()
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        let clock = ContinuousClock()
        let start = clock.now
        guard posix_spawnp(&pid, arguments[0], &actions, nil, &pointers, environ) == 0 else {
            throw ChildFailed(command: arguments.joined(separator: " "))
        }
        var (status, usage, peak, ended) = (Int32(0), rusage(), 0.0, pid_t(0))
        while ended == 0 {
            ended = wait4(pid, &status, WNOHANG, &usage)
            // What the system tells at the end counts this process too, from which the child was made.
            if ended == 0 {
                peak = max(peak, Self.peak(of: pid) ?? 0)
                usleep(2000)
            }
        }
        guard ended == pid, status == 0 else { throw ChildFailed(command: arguments.joined(separator: " ")) }
        seconds = (clock.now - start) / .seconds(1)
        mebibytes = peak > 0 ? peak : Double(usage.ru_maxrss) / 1024
    }

    /// The peak of a running process so far, in mebibytes, where the system has /proc.
    private static func peak(of pid: pid_t) -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
        else { return nil }
        return Double(line.filter(\.isNumber)).map { $0 / 1024 }
    }
}
