/// A Python iterator: gives its values once, each only when it is asked for.
final class ValueIterator {
    /// Iterators that this one reads from, in a chain.
    let depth: Int
    private var step: (() throws(TemplateError) -> Value?)?

    init(depth: Int, _ step: @escaping () throws(TemplateError) -> Value?) {
        self.depth = depth + 1
        self.step = step
    }

    convenience init(_ values: [Value]) {
        var index = 0
        self.init(depth: values.lazy.map(\.depth).max() ?? 0) { () throws(TemplateError) -> Value? in
            guard index < values.count else { return nil }
            index += 1
            return values[index - 1]
        }
    }

    func next() throws(TemplateError) -> Value? {
        guard let step else { return nil }
        if let value = try step() { return value }
        self.step = nil
        return nil
    }
}

/// What `loop` tells inside of a loop.
final class LoopState {
    private let source: ValueIterator
    private var upcoming: [Value] = []
    private(set) var index0 = -1
    private(set) var previous: Value?
    private(set) var current: Value?
    /// The arguments of the last `loop.changed`.
    var lastChanged: [Value]?

    init(_ source: ValueIterator) { self.source = source }

    var isNonempty: Bool { index0 >= 0 }

    func advance() throws(TemplateError) -> Value? {
        let next: Value?
        if upcoming.isEmpty {
            next = try source.next()
        } else {
            next = upcoming.removeLast()
        }
        guard let next else { return nil }
        previous = current
        current = next
        index0 += 1
        return next
    }

    /// The value after the one at hand; looks ahead, as Jinja does.
    func peek() throws(TemplateError) -> Value? {
        if upcoming.isEmpty, let next = try source.next() { upcoming = [next] }
        return upcoming.last
    }

    /// How many values there are in all; reads the rest.
    func length() throws(TemplateError) -> Int {
        var rest = Array(upcoming.reversed())
        while let next = try source.next() { rest.append(next) }
        upcoming = rest.reversed()
        return index0 + 1 + upcoming.count
    }
}
