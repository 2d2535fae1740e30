import Foundation
import Testing

@testable import SutureReports

@Suite("Progress")
struct ProgressTests {
    /// What a reporter wrote, under a clock that the test moves.
    private final class Screen: @unchecked Sendable {
        var time = 100.0
        var output = ""

        func reporter(_ mode: ProgressReporter.Mode) -> ProgressReporter {
            ProgressReporter(mode: mode, now: { self.time }, write: { self.output += $0 })
        }
    }

    @Test("is a bar that knows rate and time left, and is wiped at the end")
    func bar() {
        let screen = Screen()
        let reporter = screen.reporter(.bar(width: 80))
        for completed in 0...4 {
            reporter.report(.init("repairing", completed: completed, total: 20, unit: "failures"))
            screen.time += 0.5
        }
        #expect(screen.output.contains("repairing 4/20 failures, 2/s, 8 s left"))
        reporter.finish()
        #expect(screen.output.hasSuffix("\r\u{1B}[K"))
        for line in screen.output.split(separator: "\r") {
            #expect(displayWidth(line.replacing("\u{1B}[K", with: "")) < 80)
        }
    }

    @Test("says how it stands at the end of the line")
    func detail() {
        let screen = Screen()
        let reporter = screen.reporter(.bar(width: 80))
        for (completed, loss) in [(0, "2.3"), (512, "0.31")] {
            reporter.report(
                .init("training", completed: completed, total: 1024, unit: "images", detail: "loss \(loss)"))
            screen.time += 1
        }
        #expect(screen.output.contains("training 0/1024 images, loss 2.3"))
        #expect(screen.output.contains("training 512/1024 images, 512/s, 1 s left, loss 0.31"))
    }

    @Test("is drawn at most ten times a second")
    func rate() {
        let screen = Screen()
        let reporter = screen.reporter(.bar(width: 80))
        for completed in 0..<1000 {
            reporter.report(.init("work", completed: completed, total: 2000))
            screen.time += 0.001
        }
        #expect((5...11).contains(screen.output.filter { $0 == "\r" }.count))
    }

    @Test("is a plain line every few seconds where nobody watches")
    func lines() {
        let screen = Screen()
        let reporter = screen.reporter(.lines)
        for completed in 0...120 {
            reporter.report(.init("work\u{1B}", completed: completed, total: 120))
            screen.time += 0.1
        }
        reporter.finish()
        #expect(screen.output.split(separator: "\n").count == 3)
        #expect(!screen.output.contains("\r") && !screen.output.contains("\u{1B}"))
        #expect(screen.output.hasSuffix("work␛ 120/120, 10/s, 12 s\n"))
    }

    @Test("says nothing when quiet")
    func silent() {
        let screen = Screen()
        let reporter = screen.reporter(.silent)
        reporter.report(.init("work", completed: 1, total: 1))
        reporter.finish()
        #expect(screen.output.isEmpty)
    }

    @Test(
        "writes durations as people do",
        arguments: [(0.4, "0 s"), (59, "59 s"), (185, "3 min 5 s"), (7440, "2 h 4 min")])
    func duration(seconds: Double, expected: String) {
        #expect(ProgressReporter.duration(seconds) == expected)
    }
}
