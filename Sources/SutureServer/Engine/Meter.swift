import Foundation

/// Counts what the server does, for `/metrics`.
final class Meter: @unchecked Sendable {
    // Sendable: all below is guarded by the lock.
    private let lock = NSLock()
    private let started = Date()
    private var requests: [Request: Int] = [:]
    private var seconds = 0.0
    private var promptTokens = 0
    private var tokens = 0
    private var passes = 0
    private var rows = 0
    private var waiting = 0
    private var active = 0

    private struct Request: Hashable {
        var route: String
        var status: Int
    }

    func add(route: String, status: Int, seconds: Double) {
        lock.withLock {
            requests[Request(route: route, status: status), default: 0] += 1
            self.seconds += seconds
        }
    }

    func add(prompt count: Int) { lock.withLock { promptTokens += count } }

    func add(tokens count: Int) { lock.withLock { tokens += count } }

    /// A pass over the weights that so many texts shared.
    func add(pass rows: Int) {
        lock.withLock {
            passes += 1
            self.rows += rows
        }
    }

    func set(waiting: Int, active: Int) { lock.withLock { (self.waiting, self.active) = (waiting, active) } }

    /// All counts in Prometheus' text format.
    var exposition: String {
        lock.withLock {
            var lines: [String] = []
            func add(_ name: String, _ kind: String, _ help: String, _ values: [(labels: String, value: String)]) {
                lines += ["# HELP \(name) \(help)", "# TYPE \(name) \(kind)"]
                lines += values.map { "\(name)\($0.labels) \($0.value)" }
            }
            add(
                "suture_requests_total", "counter", "Requests answered.",
                requests.map { ("{route=\"\($0.route)\",status=\"\($0.status)\"}", "\($1)") }.sorted { $0.0 < $1.0 })
            add(
                "suture_request_seconds_total", "counter", "Time until requests were answered or began to stream.",
                [("", "\(seconds)")])
            add("suture_prompt_tokens_total", "counter", "Tokens read in prompts.", [("", "\(promptTokens)")])
            add("suture_tokens_total", "counter", "Tokens written.", [("", "\(tokens)")])
            add("suture_passes_total", "counter", "Decoding passes over the weights.", [("", "\(passes)")])
            add("suture_pass_rows_total", "counter", "Texts in these passes.", [("", "\(rows)")])
            add("suture_waiting", "gauge", "Texts that wait for the model.", [("", "\(waiting)")])
            add("suture_active", "gauge", "Texts that grow.", [("", "\(active)")])
            add(
                "suture_uptime_seconds", "gauge", "Time since the server began.",
                [("", "\(Date().timeIntervalSince(started))")])
            return lines.joined(separator: "\n") + "\n"
        }
    }
}
