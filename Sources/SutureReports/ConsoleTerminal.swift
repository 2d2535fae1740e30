import Foundation

/// What is known of the terminal that a command talks to.
public enum Terminal {
    /// Columns of the terminal on stdout or stderr, else of `COLUMNS`, else 80.
    public static var width: Int {
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            var size = winsize()
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        }
        let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 80
        return (1...10_000).contains(columns) ? columns : 80
    }

    /// Whether a person reads a stream: it is a terminal, and not one that can only print.
    public static func isInteractive(_ stream: Stream) -> Bool {
        isatty(stream.descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Text as a terminal may have it: hidden characters, which may move its cursor or turn its lines, become visible.
    public static func visible(_ text: String) -> String { Visible.text(text) }

    /// Where a command writes: results to `output`, all else to `errors`.
    public enum Stream: Sendable {
        case output, errors

        var descriptor: Int32 {
            switch self {
            case .output: STDOUT_FILENO
            case .errors: STDERR_FILENO
            }
        }
    }
}
