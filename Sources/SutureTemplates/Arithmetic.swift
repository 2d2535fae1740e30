import Foundation

/// A number as Python's operators see it.
enum Number {
    case int(Int)
    case float(Double)

    init?(_ value: Value) {
        if let int = value.asInt {
            self = .int(int)
        } else if case .float(let float) = value {
            self = .float(float)
        } else {
            return nil
        }
    }

    var asDouble: Double {
        switch self {
        case .int(let value): Double(value)
        case .float(let value): value
        }
    }
}

extension Evaluator {
    private var overflow: TemplateError { fail(.unsupported, "a whole number beyond 64 bits") }

    func negative(_ value: Value) throws(TemplateError) -> Value {
        switch Number(value) {
        case .int(let value):
            guard value != .min else { throw overflow }
            return .int(-value)
        case .float(let value): return .float(-value)
        case nil: throw misfit("-", value)
        }
    }

    func positive(_ value: Value) throws(TemplateError) -> Value {
        switch Number(value) {
        case .int(let value): return .int(value)
        case .float: return value
        case nil: throw misfit("+", value)
        }
    }

    private func misfit(_ sign: String, _ values: Value...) -> TemplateError {
        for value in values {
            if case .undefined(let what) = value { return fail(.undefined, what) }
        }
        for value in values {
            // A view of a dict gives a set, and a set is no value here.
            if case .view = value { return unsupported("'\(sign)' with a view of a dict") }
        }
        let types = values.map(\.typeName).joined(separator: " and ")
        return fail(.value, "'\(sign)' does not work on \(types)")
    }

    func calculate(
        _ sign: Expression.Operator, _ left: Value, _ right: Value
    ) throws(TemplateError) -> Value {
        if left.isUndefined || right.isUndefined, !(sign == .modulo && isText(left)) {
            throw misfit(sign.rawValue, left, right)
        }
        switch (sign, left, right) {
        case (.modulo, .string(let format), _): return try formatted(format, with: right)
        case (.add, .string(let left), .string(let right)):
            try charge(left.utf8.count + right.utf8.count)
            return .string(left + right)
        case (.add, .list(let left), .list(let right)): return try list(left.values + right.values)
        case (.add, .tuple(let left), .tuple(let right)): return try tuple(left.values + right.values)
        case (.multiply, _, _):
            if let count = right.asInt, let result = try repeated(left, count) { return result }
            if let count = left.asInt, let result = try repeated(right, count) { return result }
        default: break
        }
        guard let first = Number(left), let second = Number(right) else { throw misfit(sign.rawValue, left, right) }
        if case .int(let left) = first, case .int(let right) = second { return try calculate(sign, left, right) }
        return .float(try calculate(sign, first.asDouble, second.asDouble))
    }

    private func isText(_ value: Value) -> Bool {
        if case .string = value { true } else { false }
    }

    /// `value * count` of a text, a list or a tuple; nil for other values.
    private func repeated(_ value: Value, _ count: Int) throws(TemplateError) -> Value? {
        let size: Int
        switch value {
        case .string(let text): size = text.utf8.count
        case .list(let items), .tuple(let items): size = items.values.count * 24
        default: return nil
        }
        let count = max(count, 0)
        let (bytes, overflow) = size.multipliedReportingOverflow(by: count)
        try charge(overflow ? .max : bytes)
        switch value {
        case .string(let text): return .string(size == 0 ? "" : String(repeating: text, count: count))
        case .list(let items): return .list(Items(repeated(items.values, count)))
        case .tuple(let items): return .tuple(Items(repeated(items.values, count)))
        default: return nil
        }
    }

    private func repeated(_ values: [Value], _ count: Int) -> [Value] {
        if values.isEmpty { return [] }
        var result: [Value] = []
        result.reserveCapacity(values.count * count)
        for _ in 0..<count { result += values }
        return result
    }

    private func calculate(_ sign: Expression.Operator, _ left: Int, _ right: Int) throws(TemplateError) -> Value {
        let result: (partialValue: Int, overflow: Bool)
        switch sign {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide:
            guard right != 0 else { throw fail(.value, "a division by zero") }
            // Beyond this Python rounds the exact quotient, not that of the rounded numbers.
            guard max(left.magnitude, right.magnitude) <= 1 << 53 else {
                throw unsupported("the quotient of whole numbers beyond 53 bits")
            }
            return .float(Double(left) / Double(right))
        case .floorDivide, .modulo:
            guard right != 0 else { throw fail(.value, "a division by zero") }
            guard right != -1 else {
                if sign == .modulo { return .int(0) }
                return try negative(.int(left))
            }
            let remainder = left % right
            let isOff = remainder != 0 && (remainder < 0) != (right < 0)
            if sign == .modulo { return .int(isOff ? remainder + right : remainder) }
            return .int(isOff ? left / right - 1 : left / right)
        case .power: return try power(left, right)
        }
        guard !result.overflow else { throw overflow }
        return .int(result.partialValue)
    }

    private func power(_ base: Int, _ exponent: Int) throws(TemplateError) -> Value {
        guard exponent >= 0 else {
            guard base != 0 else { throw fail(.value, "zero to a negative power") }
            return .float(pow(Double(base), Double(exponent)))
        }
        if base == 0 || base == 1 { return .int(exponent == 0 ? 1 : base) }
        if base == -1 { return .int(exponent % 2 == 0 ? 1 : -1) }
        var result = 1
        guard exponent < 64 else { throw overflow }
        for _ in 0..<exponent {
            let (product, isOver) = result.multipliedReportingOverflow(by: base)
            guard !isOver else { throw overflow }
            result = product
        }
        return .int(result)
    }

    private func calculate(
        _ sign: Expression.Operator, _ left: Double, _ right: Double
    ) throws(TemplateError) -> Double {
        switch sign {
        case .add: return left + right
        case .subtract: return left - right
        case .multiply: return left * right
        case .power:
            if left == 0, right < 0 { throw fail(.value, "zero to a negative power") }
            if left < 0, left.isFinite, right.isFinite, right != right.rounded() {
                throw unsupported("a complex number")
            }
            let result = pow(left, right)
            if result.isInfinite, left.isFinite, right.isFinite { throw fail(.value, "the power is too large") }
            return result
        case .divide, .floorDivide, .modulo: break
        }
        guard right != 0 else { throw fail(.value, "a division by zero") }
        if sign == .divide { return left / right }
        var remainder = fmod(left, right)
        var quotient = (left - remainder) / right
        if remainder == 0 {
            remainder = right < 0 ? -0.0 : 0.0
        } else if (right < 0) != (remainder < 0) {
            remainder += right
            quotient -= 1
        }
        if sign == .modulo { return remainder }
        if quotient == 0 { return left / right < 0 || (left / right).sign == .minus ? -0.0 : 0.0 }
        let floored = quotient.rounded(.down)
        return quotient - floored > 0.5 ? floored + 1 : floored
    }
}
