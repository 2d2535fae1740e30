/// A value that a template can read: what JSON has, and "undefined" as Jinja means it.
public enum TemplateValue: Sendable {
    /// Python's `None`.
    case null
    /// As if the variable had not been given.
    case undefined
    /// `True` or `False`.
    case bool(Bool)
    /// A whole number.
    case int(Int)
    /// A floating-point number.
    case float(Double)
    /// A text.
    case string(String)
    /// A list.
    case array([TemplateValue])
    /// A dictionary in the order of its entries; of two equal keys the later value counts.
    case object([(key: String, value: TemplateValue)])
}

extension TemplateValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// `null`.
    public init(nilLiteral: ()) { self = .null }
    /// `bool`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// `int`.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// `float`.
    public init(floatLiteral value: Double) { self = .float(value) }
    /// `string`.
    public init(stringLiteral value: String) { self = .string(value) }
    /// `array`.
    public init(arrayLiteral elements: TemplateValue...) { self = .array(elements) }
    /// `object`, in the order written.
    public init(dictionaryLiteral elements: (String, TemplateValue)...) {
        self = .object(elements.map { (key: $0.0, value: $0.1) })
    }
}
