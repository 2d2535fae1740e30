import CFiles
import Foundation

/// Work on independent things by several threads, but not more than memory likes.
package enum Parallel {
    /// How many threads there are at most.
    package static var limit: Int {
        get { setting.withLock { most } }
        set { setting.withLock { most = newValue } }
    }
    private static let setting = NSLock()
    // Guarded by the lock.
    nonisolated(unsafe) private static var most = 8

    /// The results of `body` for each element, in order.
    ///
    /// - Parameters:
    ///   - elements: the independent things.
    ///   - threads: how many of them at once; as many as there are cores, if not said.
    ///   - body: what is done with one of them.
    /// - Returns: what `body` returned for each.
    /// - Throws: what `body` throws for the first of the elements that it throws for.
    package static func map<Element: Sendable, Result: Sendable>(
        _ elements: [Element], threads: Int = ProcessInfo.processInfo.activeProcessorCount,
        _ body: @Sendable (Element) throws -> Result
    ) throws -> [Result] {
        let threads = min(elements.count, threads, limit)
        if threads < 2 { return try elements.map(body) }
        let work = Work<Result>(count: elements.count)
        return try withoutActuallyEscaping(body) { body in
            let share = Share {
                while let index = work.next() {
                    work.finish(index, Swift.Result { try body(elements[index]) })
                }
            }
            // Not by Dispatch, which ends the process where no file descriptor is left for its timer.
            withExtendedLifetime(share) {
                cf_run_on_threads(
                    Int32(threads), { $0.map { Unmanaged<Share>.fromOpaque($0).takeUnretainedValue().run() } },
                    Unmanaged.passUnretained(share).toOpaque())
            }
            return try work.results.map { try $0.get() }
        }
    }

    /// What each thread runs.
    private final class Share {
        let run: () -> Void

        init(_ run: @escaping () -> Void) { self.run = run }
    }

    private final class Work<Value: Sendable>: @unchecked Sendable {
        // Sendable: all that changes is behind the lock.
        private let lock = NSLock()
        private let count: Int
        private var started = 0
        private var outcomes: [Int: Result<Value, any Error>] = [:]
        private var hasFailed = false

        init(count: Int) { self.count = count }

        /// The next one to work on; nil when all are begun, or one went wrong and the rest would be in vain.
        func next() -> Int? {
            lock.withLock {
                if started == count || hasFailed { return nil }
                started += 1
                return started - 1
            }
        }

        func finish(_ index: Int, _ result: Result<Value, any Error>) {
            lock.withLock {
                outcomes[index] = result
                if case .failure = result { hasFailed = true }
            }
        }

        // Elements are begun in order, so those before a failure are there.
        var results: [Result<Value, any Error>] { outcomes.sorted { $0.key < $1.key }.map(\.value) }
    }
}
