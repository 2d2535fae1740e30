import Foundation

/// How much memory there is for a process.
enum MachineMemory {
    /// The memory of the machine in bytes, or what the process's container allows of it, where that is less.
    static var available: UInt64 {
        // A container's own control group is mounted at the root of these: version 2 and version 1.
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap {
            // The file says "max" where there is no limit.
            (try? String(contentsOfFile: $0, encoding: .utf8)).flatMap { UInt64($0.trimmingCharacters(in: .newlines)) }
        }
        return ([ProcessInfo.processInfo.physicalMemory] + limits).min() ?? 0
    }
}
