import Foundation
import SutureKit

/// What happens when somebody ends the command from outside.
enum Signals {
    /// Ctrl-C, a request to end, a terminal that is closed.
    private static let ends = [SIGINT, SIGTERM, SIGHUP]

    // Guarded by the lock.
    nonisolated(unsafe) private static var softly: (@Sendable () -> Void)?
    private static let lock = NSLock()

    /// Lets the next signal ask work to end instead of ending the process; a second one ends it.
    static func soften(_ end: @escaping @Sendable () -> Void) { lock.withLock { softly = end } }

    /// Lets a thread of its own wait for signals that end the command; to be called before there are other threads.
    static func watch() {
        var set = sigset_t()
        sigemptyset(&set)
        for number in ends {
            // What is ignored from the start, as by nohup, stays so.
            var action = sigaction()
            guard sigaction(number, nil, &action) == 0, !isIgnored(action) else { continue }
            sigaddset(&set, number)
        }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let waited = set
        let thread = Thread {
            var set = waited
            var number: Int32 = 0
            while true {
                while sigwait(&set, &number) != 0 {}
                let softly = lock.withLock { () -> (@Sendable () -> Void)? in
                    defer { Self.softly = nil }
                    return Self.softly
                }
                guard let softly else { end(by: number) }
                softly()
            }
        }
        thread.stackSize = 1 << 20
        thread.start()
    }

    private static func end(by number: Int32) -> Never {
        let left = Interruption.abandon()
        // A bar may stand there, half drawn.
        let clear = Terminal.isInteractive(.errors) ? "\r\u{1B}[K" : ""
        let line = clear + Terminal.visible("interrupted; \(left)") + "\n"
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
        // As a shell says it: 130 for Ctrl-C.
        _exit(128 + number)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
            let handler = action.__sigaction_u.__sa_handler
        #else
            let handler = action.__sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == 1
    }
}
