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
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pid = pid_t()
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        let clock = ContinuousClock()
        let start = clock.now
        guard posix_spawnp(&pid, arguments[0], &actions, nil, &pointers, environ) == 0 else {
            throw ChildFailed(command: arguments.joined(separator: " "))
        }
        var status: Int32 = 0
        var usage = rusage()
        guard wait4(pid, &status, 0, &usage) == pid, status == 0 else {
            throw ChildFailed(command: arguments.joined(separator: " "))
        }
        seconds = (clock.now - start) / .seconds(1)
        mebibytes = Double(usage.ru_maxrss) / 1024
    }
}
