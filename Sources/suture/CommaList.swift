import ArgumentParser
import Foundation

/// A list with commas between its elements, each of them once: `recruit,mint`.
struct CommaList<Element: ExpressibleByArgument & Hashable>: ExpressibleByArgument {
    let elements: [Element]

    init(_ elements: [Element]) { self.elements = elements }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        elements = parts.compactMap { Element(argument: $0.trimmingCharacters(in: .whitespaces)) }
        guard elements.count == parts.count, Set(elements).count == parts.count else { return nil }
    }

    var defaultValueDescription: String { elements.map(\.defaultValueDescription).joined(separator: ",") }
    static var allValueStrings: [String] { Element.allValueStrings }
}

/// A name with a number, such as `factor=0.5`; in a list each name stands once.
struct NamedNumber: ExpressibleByArgument, Hashable {
    let name: String
    let value: Double

    init?(argument: String) {
        let sides = argument.split(separator: "=", omittingEmptySubsequences: false)
        guard sides.count == 2, !sides[0].isEmpty, let value = Double(sides[1]), value.isFinite else { return nil }
        (name, self.value) = (String(sides[0]), value)
    }

    static func == (a: NamedNumber, b: NamedNumber) -> Bool { a.name == b.name }
    func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// Numbers with commas between them: `0.485,0.456,0.406`.
struct NumberList: ExpressibleByArgument {
    let numbers: [Double]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        numbers = parts.compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard numbers.count == parts.count, numbers.allSatisfy(\.isFinite) else { return nil }
    }
}
