import Foundation

/// Work on independent things by as many threads as there are cores, but not more than memory likes.
package enum Parallel {
    private static let limit = 8

    /// The results of `body` for each element, in order.
    ///
    /// - Throws: what `body` throws for the first of the elements that it throws for.
    package static func map<Element: Sendable, Result: Sendable>(
        _ elements: [Element], _ body: @Sendable (Element) throws -> Result
    ) throws -> [Result] {
        let threads = min(elements.count, ProcessInfo.processInfo.activeProcessorCount, limit)
        if threads < 2 { return try elements.map(body) }
        let work = Work<Result>(count: elements.count)
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while let index = work.next() {
                work.finish(index, Swift.Result { try body(elements[index]) })
            }
        }
        return try work.results.map { try $0.get() }
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
