import Foundation

/// Shows how far long work has come, on stderr only: a bar where a person reads it, a line every few seconds else.
///
///     let progress = ProgressReporter(isQuiet: options.quiet)
///     progress.report(.init("repairing", completed: 3, total: 20, unit: "failures"))
///     progress.finish()
///
/// Safe to call from any thread.
public final class ProgressReporter: Sendable {
    /// How far one piece of work has come.
    public struct Update: Sendable {
        public var label: String
        public var completed: Int
        /// nil where nobody knows how much there is.
        public var total: Int?
        /// What is counted, in the plural.
        public var unit: String
        /// How it stands, such as `loss 0.31`; shown at the end.
        public var detail: String

        /// How far work has come that goes by this label.
        public init(_ label: String, completed: Int, total: Int? = nil, unit: String = "", detail: String = "") {
            self.label = label
            self.completed = completed
            self.total = total
            self.unit = unit
            self.detail = detail
        }
    }

    /// What work reports to.
    public var handler: ProgressHandler { { self.report(.init($0, completed: $1, total: $2)) } }

    enum Mode: Sendable {
        case bar(width: Int)
        case lines, silent
    }

    private let mode: Mode
    private let style: Terminal.Style
    private let now: @Sendable () -> Double
    private let write: @Sendable (String) -> Void
    private let lock = NSLock()
    // Guarded by the lock.
    nonisolated(unsafe) private var label = ""
    nonisolated(unsafe) private var start = (time: 0.0, completed: 0)
    nonisolated(unsafe) private var shown: Double?
    nonisolated(unsafe) private var isBarDrawn = false

    /// - Parameter isQuiet: Shows nothing at all.
    public convenience init(isQuiet: Bool = false) {
        let isBar = Terminal.isInteractive(.errors)
        self.init(
            mode: isQuiet ? .silent : isBar ? .bar(width: Terminal.width) : .lines, style: .automatic(for: .errors),
            now: { ProcessInfo.processInfo.systemUptime },
            write: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) })
    }

    init(
        mode: Mode, style: Terminal.Style = .plain, now: @escaping @Sendable () -> Double,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.mode = mode
        self.style = style
        self.now = now
        self.write = write
    }

    /// Takes note of an update; draws it unless one was drawn just before. A new label begins new work.
    public func report(_ update: Update) {
        lock.withLock {
            let time = now()
            if shown == nil || update.label != label {
                endBar()
                label = update.label
                start = (time, update.completed)
                shown = nil
            }
            let isLast = update.completed == update.total
            switch mode {
            case .silent: break
            case .bar(let width):
                guard isLast || time - (shown ?? -.infinity) >= 0.1 else { return }
                write("\r\u{1B}[K" + bar(update, time: time, width: width))
                isBarDrawn = true
            case .lines:
                // Quick work says nothing but its end.
                guard isLast || time - (shown ?? start.time) >= 5 else {
                    shown = shown ?? start.time
                    return
                }
                write(Visible.line(summary(update, time: time)) + "\n")
            }
            shown = time
        }
    }

    /// Removes the bar, so that what follows starts on an empty line.
    public func finish() {
        lock.withLock {
            endBar()
            shown = nil
        }
    }

    private func endBar() {
        if isBarDrawn { write("\r\u{1B}[K") }
        isBarDrawn = false
    }

    private func bar(_ update: Update, time: Double, width: Int) -> String {
        let text = Visible.line(summary(update, time: time))
        let space = width - displayWidth(text) - 3
        guard let total = update.total, total > 0, space >= 8 else { return truncated(text, to: width - 1) }
        let share = Bars.share(Double(update.completed) / Double(total), width: min(24, space))
        return "\(style(.good, share)) \(text)"
    }

    /// `training 512/6000 images, 811/s, 7 s left, loss 0.31`
    private func summary(_ update: Update, time: Double) -> String {
        let pace = pace(update, time: time)
        return update.detail.isEmpty ? pace : "\(pace), \(update.detail)"
    }

    private func pace(_ update: Update, time: Double) -> String {
        var text = "\(update.label) \(update.completed)"
        if let total = update.total { text += "/\(total)" }
        if !update.unit.isEmpty { text += " \(update.unit)" }
        let elapsed = time - start.time
        let done = update.completed - start.completed
        guard elapsed > 0.5, done > 0 else { return text }
        let rate = Double(done) / elapsed
        text += ", \(Numeral.short(rate))/s"
        if let total = update.total, total > update.completed {
            text += ", \(Self.duration(Double(total - update.completed) / rate)) left"
        } else if update.completed == update.total {
            text += ", \(Self.duration(elapsed))"
        }
        return text
    }

    /// Seconds as `42 s`, `3 min 5 s` or `2 h 4 min`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e8 else { return "long" }
        let whole = Int(seconds.rounded())
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        default: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        }
    }
}
