import Foundation

/// Says, when a signal ends the process, which round it was and how to run it alone.
enum Replay {
    private nonisolated(unsafe) static var seed: UInt64 = 0
    /// The round at work.
    nonisolated(unsafe) static var round: UInt64 = 0

    /// Seconds of processor time for what comes next, and twelve times as many for what waits; 0 for no limit.
    static func limitTime(to seconds: Int) {
        var timer = itimerval()
        timer.it_value.tv_sec = seconds
        #if os(Linux)
            setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
        #else
            setitimer(ITIMER_PROF, &timer, nil)
        #endif
        alarm(UInt32(12 * seconds))
    }

    static func prepare(seed: UInt64) {
        self.seed = seed
        for number in [SIGPROF, SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE] {
            signal(number) { number in
                // The process is broken: it may at most fail to say this.
                let reason =
                    number == SIGPROF || number == SIGALRM ? "took more than its time" : "ended by signal \(number)"
                let line = "round \(Replay.round) \(reason); alone: suture-fuzz 60 \(Replay.seed) \(Replay.round)\n"
                _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }
}
