import Foundation
import SutureModels
import SutureTensor
import SutureTokenizers

/// Owns the writing: all texts that are asked for grow together, token by token, by as few passes as their models allow.
actor Engine {
    private let executor = EngineExecutor("suture.engine")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let tokenizer: Tokenizer
    private let limits: ServerLimits
    private let meter: Meter
    private var waiting: [WritingRow] = []
    private var active: [WritingRow] = []
    private var next = 0
    private var isRunning = false
    private var isClosed = false

    init(_ tokenizer: Tokenizer, _ limits: ServerLimits, _ meter: Meter) {
        (self.tokenizer, self.limits, self.meter) = (tokenizer, limits, meter)
    }

    /// Begins texts, all of them or none; a text that nobody listens to any more is given up.
    ///
    /// Throws ``ServerError`` where too many wait, or a text does not fit.
    func write(_ texts: [Writing]) throws -> [Writing.Events] {
        guard !isClosed else { throw ServerError(.closing, "the server is shutting down") }
        guard waiting.count + texts.count <= limits.queue else {
            throw ServerError(
                .busy, "too many requests wait for the model", expected: "\(limits.queue) at most",
                hint: "try again later")
        }
        for text in texts { try check(text) }
        let events = texts.map { text in
            next += 1
            let id = next
            let (events, continuation) = Writing.Events.makeStream()
            continuation.onTermination = { reason in
                guard case .cancelled = reason else { return }
                Task { await self.cancel(id) }
            }
            waiting.append(
                WritingRow(
                    id, text, tokenizer, continuation, deadline: .now.advanced(by: .seconds(limits.seconds))))
            return events
        }
        tell()
        if !isRunning {
            isRunning = true
            Task { await self.run() }
        }
        return events
    }

    /// Takes no more texts.
    func close() { isClosed = true }

    private func check(_ text: Writing) throws {
        let most = text.model.architecture.contextLength
        guard (1...most).contains(text.prompt.count) else {
            throw ServerError(
                .badRequest, "the prompt does not fit the model", expected: "1...\(most) tokens",
                found: "\(text.prompt.count)")
        }
        guard text.room <= limits.tokens else {
            throw ServerError(
                .badRequest, "prompt and answer are too long", expected: "\(limits.tokens) tokens at most",
                found: "\(text.room)")
        }
    }

    private func cancel(_ id: Int) {
        waiting.removeAll { $0.id == id }
        active.removeAll { $0.id == id }
        tell()
    }

    private func run() async {
        while !(waiting.isEmpty && active.isEmpty) {
            expire()
            admit()
            step()
            tell()
            // Who asks or cancels gets a turn between passes.
            await Task.yield()
        }
        isRunning = false
    }

    private func expire() {
        let now = ContinuousClock.now
        func isLate(_ row: WritingRow) -> Bool {
            guard row.deadline <= now else { return false }
            row.events.finish(
                throwing: ServerError(.tooSlow, "the request took longer than \(Int(limits.seconds)) s"))
            return true
        }
        waiting.removeAll(where: isLate)
        active.removeAll(where: isLate)
    }

    /// Reads one prompt that waits, if there is room: the texts that grow already wait no longer than that.
    private func admit() {
        guard let first = waiting.first, active.count < limits.batch,
            active.reduce(first.writing.room, { $0 + $1.writing.room }) <= limits.tokens
        else { return }
        var row = waiting.removeFirst()
        meter.add(prompt: row.writing.prompt.count)
        if attempt(&row, { try $0.begin() }) { active.append(row) }
    }

    /// One more token in each text.
    private func step() {
        let rows = active
        active = []
        for var row in rows {
            meter.add(tokens: 1)
            if attempt(&row, { try $0.choose() }) { active.append(row) }
        }
        guard !active.isEmpty else { return }
        do {
            try Tensor.withoutGradients { try WritingRow.read(&active) }
            meter.add(pass: active.count)
        } catch {
            for row in active { row.events.finish(throwing: error) }
            active = []
        }
    }

    /// Does something with a text that goes on if it says so; an error ends the text.
    private func attempt(_ row: inout WritingRow, _ body: (inout WritingRow) throws -> Bool) -> Bool {
        do { return try Tensor.withoutGradients { try body(&row) } } catch {
            row.events.finish(throwing: error)
            return false
        }
    }

    private func tell() { meter.set(waiting: waiting.count, active: active.count) }
}
