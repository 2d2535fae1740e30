import Foundation

/// Runs what an actor does on a thread of its own, so that long computations keep no other task from running.
final class EngineExecutor: SerialExecutor {
    private let jobs = Jobs()

    init(_ name: String) {
        let thread = Thread { [jobs] in jobs.run() }
        thread.name = name
        // As deep as the main thread's.
        thread.stackSize = 8 << 20
        thread.start()
    }

    deinit { jobs.end() }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.add { [executor = asUnownedSerialExecutor()] in job.runSynchronously(on: executor) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// What is to be run, in order.
    private final class Jobs: @unchecked Sendable {
        // Sendable: all below is guarded by the condition's lock.
        private let condition = NSCondition()
        private var waiting: [@Sendable () -> Void] = []
        private var isEnded = false

        func add(_ job: @escaping @Sendable () -> Void) {
            condition.withLock {
                waiting.append(job)
                condition.signal()
            }
        }

        func end() {
            condition.withLock {
                isEnded = true
                condition.signal()
            }
        }

        func run() {
            while let job = next() { job() }
        }

        private func next() -> (@Sendable () -> Void)? {
            condition.withLock {
                while waiting.isEmpty {
                    if isEnded { return nil }
                    condition.wait()
                }
                return waiting.removeFirst()
            }
        }
    }
}
