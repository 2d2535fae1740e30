import Foundation

/// Work on a stack of its own: that of the caller may be too small for the levels that a template is allowed.
enum DeepStack {
    private static let bytes = 16 << 20

    private final class Outcome<Value: Sendable>: @unchecked Sendable {
        var value: Result<Value, TemplateError>?
    }

    static func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Result<Value, TemplateError>
    ) throws(TemplateError) -> Value {
        // Written before the signal and read after it.
        let outcome = Outcome<Value>()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            outcome.value = work()
            done.signal()
        }
        thread.stackSize = bytes
        thread.start()
        done.wait()
        guard let value = outcome.value else {
            throw TemplateError(.limit, line: 1, "no thread could be started", hint: "try again with fewer at a time")
        }
        return try value.get()
    }
}
