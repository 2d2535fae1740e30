import Foundation
import SutureTensor

/// The middle of several measurements; the upper one of an even number.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

/// The seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    try ContinuousClock().measure(body) / .seconds(1)
}

extension String {
    /// Aligned to the left in a column of `width` characters.
    func left(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// Aligned to the right in a column of `width` characters.
    func right(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

/// What was measured and on what, so that a number is never read without it.
func printConditions(threads: Int, rounds: Int) {
    var load = 0.0
    getloadavg(&load, 1)
    let cores = ProcessInfo.processInfo.activeProcessorCount
    print(
        "libtorch \(Runtime.version), \(threads) threads on \(cores) cores, "
            + "load \(String(format: "%.1f", load)) at the start, medians of \(rounds) rounds in turn")
}
