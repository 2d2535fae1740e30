/// A value as Python has it while a template runs.
enum Value {
    /// What was looked for and not found; the text says so when it is used.
    case undefined(String)
    case null
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case list(Items)
    case tuple(Items)
    case range(PythonRange)
    case dictionary(Entries)
    case view(Entries.Part, Entries)
    case iterator(ValueIterator)
    case namespace(Namespace)
    case loop(LoopState)
    case macro(Macro)
    case function(GlobalFunction)
    indirect case method(Value, String)
}

extension Value {
    /// Levels of values within this one: bounded, so that printing, comparing and freeing it never use up the stack.
    var depth: Int {
        switch self {
        case .list(let items), .tuple(let items): items.depth
        case .dictionary(let entries), .view(_, let entries): entries.depth
        case .iterator(let iterator): iterator.depth
        case .method(let value, _): value.depth + 1
        default: 0
        }
    }

    /// Python's name of the type, for messages.
    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .null: "None"
        case .bool: "bool"
        case .int: "int"
        case .float: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .range: "range"
        case .dictionary: "dict"
        case .view: "a view of a dict"
        case .iterator: "an iterator"
        case .namespace: "namespace"
        case .loop: "loop"
        case .macro: "macro"
        case .function, .method: "function"
        }
    }

    /// Python's truth of the value.
    var isTrue: Bool {
        switch self {
        case .undefined, .null: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let items), .tuple(let items): !items.values.isEmpty
        case .range(let range): range.count > 0
        case .dictionary(let entries), .view(_, let entries): entries.count > 0
        case .iterator, .namespace, .macro, .function, .method: true
        case .loop(let loop): loop.isNonempty
        }
    }

    /// The whole number that a bool or an int is.
    var asInt: Int? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): value
        default: nil
        }
    }

    var isUndefined: Bool {
        if case .undefined = self { true } else { false }
    }
}

/// The values of a list or a tuple. Nothing in the sandbox can change one.
struct Items {
    let values: [Value]
    let depth: Int

    init(_ values: [Value]) {
        self.values = values
        depth = 1 + (values.lazy.map(\.depth).max() ?? 0)
    }
}

/// Python's `range`.
struct PythonRange {
    let start: Int
    let stop: Int
    let step: Int
    let count: Int

    /// Nil if the numbers do not fit.
    init?(start: Int, stop: Int, step: Int) {
        guard step != 0 else { return nil }
        self.start = start
        self.stop = stop
        self.step = step
        guard step > 0 ? start < stop : start > stop else {
            count = 0
            return
        }
        let (low, high) = step > 0 ? (start, stop) : (stop, start)
        let (span, overflow) = high.subtractingReportingOverflow(low)
        guard !overflow, step != .min else { return nil }
        count = (span - 1) / abs(step) + 1
    }

    /// The number at an index below `count`.
    subscript(index: Int) -> Int { start + index * step }
}

/// Attributes that macros and loops see change.
final class Namespace {
    var entries: [Key.Text: Value] = [:]
}

/// A macro with the scope that it was defined in.
final class Macro {
    let routine: Statement.Routine
    let scope: Scope

    init(_ routine: Statement.Routine, scope: Scope) {
        self.routine = routine
        self.scope = scope
    }
}

/// Names and their values, and the scope around.
final class Scope {
    var names: [String: Value] = [:]
    var parent: Scope?

    init(in parent: Scope?) { self.parent = parent }

    func find(_ name: String) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.names[name] { return value }
            scope = current.parent
        }
        return nil
    }
}
