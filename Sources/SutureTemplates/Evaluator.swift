/// Runs the statements of a template once.
final class Evaluator {
    /// How a statement ended.
    enum Flow {
        case onward, leaveLoop, nextItem
    }

    let limits: TemplateLimits
    let time: TemplateTime?
    /// The line at hand, for errors.
    var line = 1
    var output = ""
    /// The text that a filter block filters.
    var captured = Value.string("")
    private var depth = 0
    private var steps: Int
    private var memory: Int
    /// What can hold itself, or a chain without bound; emptied in the end, so that nothing is freed recursively.
    private var namespaces: [Namespace] = []
    private var scopes: [Scope] = []

    init(limits: TemplateLimits, time: TemplateTime?) {
        self.limits = limits
        self.time = time
        steps = limits.steps
        memory = limits.memory
    }

    func render(_ body: [Statement], _ variables: [String: TemplateValue]) throws(TemplateError) -> String {
        let globals = Scope(in: nil)
        for (name, function) in GlobalFunction.named { globals.names[name] = .function(function) }
        for (name, value) in variables { globals.names[name] = try convert(value, depth: 0) }
        _ = try run(body, Scope(in: globals))
        return output
    }

    func release() {
        for namespace in namespaces { namespace.entries = [:] }
        for scope in scopes {
            scope.names = [:]
            scope.parent = nil
        }
        namespaces = []
        scopes = []
    }

    func register(_ namespace: Namespace) { namespaces.append(namespace) }
    func register(_ scope: Scope) { scopes.append(scope) }

    // MARK: - Bounds

    func fail(_ code: TemplateError.Code, _ what: String, hint: String? = nil) -> TemplateError {
        TemplateError(code, line: line, what, hint: hint)
    }

    func unsupported(_ what: String) -> TemplateError { fail(.unsupported, "\(what) is not supported") }

    func step(_ count: Int = 1) throws(TemplateError) {
        steps -= count
        guard steps >= 0 else { throw fail(.limit, "the template takes more than \(limits.steps) steps") }
    }

    func charge(_ bytes: Int) throws(TemplateError) {
        guard bytes <= memory else {
            throw fail(.limit, "the template makes more than \(limits.memory) bytes of values")
        }
        memory -= bytes
    }

    /// Counts the reading of a long text.
    func scan(_ text: String) throws(TemplateError) { try step(text.utf8.count >> 6) }

    func enter() throws(TemplateError) {
        depth += 1
        guard depth <= limits.depth else {
            throw fail(.limit, "the template goes more than \(limits.depth) levels deep, as in endless recursion")
        }
    }

    func leave() { depth -= 1 }

    /// Refuses a value that is nested too deeply to be walked through.
    func held(_ value: Value) throws(TemplateError) -> Value {
        guard value.depth <= limits.nesting else {
            throw fail(.limit, "a value of more than \(limits.nesting) levels")
        }
        return value
    }

    func text(_ text: String) throws(TemplateError) -> Value {
        try charge(text.utf8.count + 16)
        return .string(text)
    }

    func list(_ values: [Value]) throws(TemplateError) -> Value {
        try charge(values.count * 24 + 48)
        return try held(.list(Items(values)))
    }

    func tuple(_ values: [Value]) throws(TemplateError) -> Value {
        try charge(values.count * 24 + 48)
        return try held(.tuple(Items(values)))
    }

    func iterator(
        over depth: Int, _ next: @escaping () throws(TemplateError) -> Value?
    ) throws(TemplateError) -> Value {
        try charge(128)
        return try held(.iterator(ValueIterator(depth: depth, next)))
    }

    func emit(_ text: String) throws(TemplateError) {
        guard output.utf8.count + text.utf8.count <= limits.output else {
            throw fail(.limit, "the rendered text is longer than \(limits.output) bytes")
        }
        output += text
    }

    private func convert(_ value: TemplateValue, depth: Int) throws(TemplateError) -> Value {
        guard depth <= limits.nesting else {
            throw fail(.limit, "a variable of more than \(limits.nesting) levels")
        }
        switch value {
        case .null: return .null
        case .undefined: return .undefined("a variable is undefined")
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .float(let value): return .float(value)
        case .string(let value): return .string(value)
        case .array(let items):
            var values: [Value] = []
            for item in items { values.append(try convert(item, depth: depth + 1)) }
            return try held(.list(Items(values)))
        case .object(let entries):
            var pairs: [(key: Key, name: Value, value: Value)] = []
            for (key, value) in entries {
                pairs.append((.string(.init(key)), .string(key), try convert(value, depth: depth + 1)))
            }
            return try held(.dictionary(Entries(pairs)))
        }
    }

    /// The value of a constant of the source.
    func constant(_ value: TemplateValue) -> Value {
        switch value {
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .float(let value): .float(value)
        case .string(let value): .string(value)
        default: .null
        }
    }
}
