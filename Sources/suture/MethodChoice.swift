import ArgumentParser
import SutureKit

/// A method with settings, such as `mint:factor=0.1`.
struct MethodChoice: ExpressibleByArgument, Hashable {
    private let name: MethodName
    private let settings: [NamedNumber]

    init(_ name: MethodName) { (self.name, settings) = (name, []) }

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let name = MethodName(rawValue: parts[0]) else { return nil }
        let settings = parts.dropFirst().compactMap { NamedNumber(argument: $0) }
        guard settings.count == parts.count - 1, Set(settings).count == settings.count else { return nil }
        (self.name, self.settings) = (name, settings)
    }

    var defaultValueDescription: String { name.rawValue }
    static var allValueStrings: [String] { MethodName.allCases.map(\.rawValue) }

    /// Throws `RepairError` for a setting that the method does not have.
    var method: any RepairMethod {
        get throws { try name.method.setting(settings.reduce(into: [:]) { $0[$1.name] = $1.value }) }
    }

    // A name is equal to itself whatever its number is.
    static func == (a: MethodChoice, b: MethodChoice) -> Bool {
        a.name == b.name && a.settings.map(\.name) == b.settings.map(\.name)
            && a.settings.map(\.value) == b.settings.map(\.value)
    }

    func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
