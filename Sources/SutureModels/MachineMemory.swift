import Foundation

/// How much memory there is for a process.
package enum MachineMemory {
    /// The memory of the machine in bytes, or what the process's container allows of it, where that is less.
    package static var available: UInt64 {
        // A container's own control group is mounted at the root of these: version 2 and version 1.
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap(number)
        return ([ProcessInfo.processInfo.physicalMemory] + limits).min() ?? 0
    }

    /// What of it is free, or is taken by files that can be read again; where the system does not say, all of it.
    package static var free: UInt64 {
        let all = available
        let machine = field("MemAvailable:", of: "/proc/meminfo").map { 1024 * $0 } ?? all
        // Of a container, what it has taken but for what can be given back.
        let taken = ["/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes"].lazy
            .compactMap(number).first
        let kept = ["/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat"].lazy
            .compactMap { field("inactive_file", of: $0) }.first
        guard let taken else { return min(machine, all) }
        let own = taken - min(taken, kept ?? 0)
        return min(machine, all - min(all, own))
    }

    /// What this process has taken for itself, without the pages of files; 0 where the system does not say.
    package static var own: UInt64 { 1024 * (field("RssAnon:", of: "/proc/self/status") ?? 0) }

    /// The number that a file consists of; nil where it says "max" or is not there.
    private static func number(_ path: String) -> UInt64? {
        (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { UInt64($0.trimmingCharacters(in: .newlines)) }
    }

    /// The number behind a name at the beginning of a line.
    private static func field(_ name: String, of path: String) -> UInt64? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") {
            let parts = line.split(whereSeparator: \.isWhitespace)
            if parts.count > 1, parts[0] == name { return UInt64(parts[1]) }
        }
        return nil
    }
}

extension Double {
    /// A number of bytes as people say it: `1.6 GB`.
    package var gigabytes: String { String(format: self < 1e9 ? "%.2f GB" : "%.1f GB", self / 1e9) }
}
