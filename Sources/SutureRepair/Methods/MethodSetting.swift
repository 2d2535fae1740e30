import Foundation

/// A number that a method can be set by.
public struct MethodSetting<Method>: Sendable {
    /// The name in help, commands and manifests.
    public let name: String
    /// What it means, in a few words.
    public let summary: String
    /// What it may be.
    public let range: ClosedRange<Double>
    /// Whether only whole numbers make sense.
    public let isWhole: Bool
    private let get: @Sendable (Method) -> Double?
    private let set: @Sendable (inout Method, Double) -> Void

    /// A number.
    public init(
        _ name: String, _ summary: String, _ range: ClosedRange<Double>,
        _ path: any WritableKeyPath<Method, Double> & Sendable
    ) {
        self.init(
            name, summary, range, isWhole: false, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 })
    }

    /// A whole number.
    public init(
        _ name: String, _ summary: String, _ range: ClosedRange<Int>,
        _ path: any WritableKeyPath<Method, Int> & Sendable
    ) {
        self.init(whole: name, summary, range, { Double($0[keyPath: path]) }, { $0[keyPath: path] = Int($1) })
    }

    /// A whole number that follows from the model unless it is set.
    public init(
        _ name: String, _ summary: String, _ range: ClosedRange<Int>,
        _ path: any WritableKeyPath<Method, Int?> & Sendable
    ) {
        self.init(whole: name, summary, range, { $0[keyPath: path].map(Double.init) }, { $0[keyPath: path] = Int($1) })
    }

    /// One that is on (1) or off (0).
    public init(_ name: String, _ summary: String, _ path: any WritableKeyPath<Method, Bool> & Sendable) {
        self.init(whole: name, summary, 0...1, { $0[keyPath: path] ? 1 : 0 }, { $0[keyPath: path] = $1 == 1 })
    }

    /// The same setting of what has the method at `path`.
    func within<Outer>(_ path: any WritableKeyPath<Outer, Method> & Sendable) -> MethodSetting<Outer> {
        MethodSetting<Outer>(
            name, summary, range, isWhole: isWhole, get: { [get] in get($0[keyPath: path]) },
            set: { [set] in set(&$0[keyPath: path], $1) })
    }

    private init(
        whole name: String, _ summary: String, _ range: ClosedRange<Int>,
        _ get: @escaping @Sendable (Method) -> Double?,
        _ set: @escaping @Sendable (inout Method, Double) -> Void
    ) {
        self.init(
            name, summary, Double(range.lowerBound)...Double(range.upperBound), isWhole: true, get: get, set: set)
    }

    fileprivate init(
        _ name: String, _ summary: String, _ range: ClosedRange<Double>, isWhole: Bool,
        get: @escaping @Sendable (Method) -> Double?, set: @escaping @Sendable (inout Method, Double) -> Void
    ) {
        (self.name, self.summary, self.range, self.isWhole) = (name, summary, range, isWhole)
        (self.get, self.set) = (get, set)
    }

    /// What a method is set to; nil where it follows from the model.
    public func value(in method: Method) -> Double? { get(method) }

    /// Sets a method.
    ///
    /// Throws ``RepairError`` with code `badRequest` for a number that it cannot be.
    func apply(_ value: Double, to method: inout Method) throws {
        guard range.contains(value), !isWhole || value == value.rounded() else {
            let kind = isWhole ? "a whole number" : "a number"
            throw RepairError(
                .badRequest, "this cannot be set so", subject: name,
                expected: "\(kind) of \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))",
                found: Self.text(value))
        }
        set(&method, value)
    }

    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e6 ? "\(Int(value))" : "\(value)"
    }
}

extension RepairMethod {
    /// The same method with some of its ``settings`` changed.
    ///
    /// Throws ``RepairError`` with code `badRequest` for a name that it does not have, or a number that cannot be.
    public func setting(_ options: [String: Double]) throws -> Self {
        var method = self
        for (name, value) in options.sorted(by: { $0.key < $1.key }) {
            guard let setting = Self.settings.first(where: { $0.name == name }) else {
                let names = Self.settings.map(\.name).joined(separator: ", ")
                throw RepairError(
                    .badRequest, "the method \(self.name) has no such setting", expected: names, found: name)
            }
            try setting.apply(value, to: &method)
        }
        return method
    }

    /// Each setting with what it is now and what it means: `factor=0.01 the patch factor f`.
    public var settingList: [String] {
        Self.settings.map { setting in
            let value = setting.value(in: self).map { String(format: "=%.3g", $0) } ?? ", by the model's depth:"
            return "\(setting.name)\(value) \(setting.summary)"
        }
    }
}
