import ArgumentParser
import SutureKit

/// A corruption as a command line names it: `fog`, `fog:3` or `fog:3:tiny`.
struct CorruptionName: ExpressibleByArgument, Hashable {
    private let kind: Corruption.Kind
    private let severity: Int?
    private let profile: Corruption.Profile?
    /// What is wrong behind the name; the parser has no words for it.
    private var problem: String?

    init(_ kind: Corruption.Kind) { (self.kind, severity, profile) = (kind, nil, nil) }

    init(_ corruption: Corruption) {
        (kind, severity, profile) = (corruption.kind, corruption.severity, corruption.profile)
    }

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...3).contains(parts.count), let kind = Corruption.Kind(rawValue: parts[0]) else { return nil }
        self.kind = kind
        severity = parts.count > 1 ? Int(parts[1]) : nil
        profile = parts.count > 2 ? Corruption.Profile(rawValue: parts[2]) : nil
        if parts.count > 1, !(1...5).contains(severity ?? 0) {
            problem = "the severity of \(argument) is 1...5, not \(parts[1].isEmpty ? "empty" : parts[1])"
        } else if parts.count > 2, profile == nil {
            let names = Corruption.Profile.allCases.map(\.rawValue).joined(separator: ", ")
            problem = "the amounts of \(argument) are one of \(names), not \(parts[2].isEmpty ? "empty" : parts[2])"
        }
    }

    func validate(option: String) throws {
        if let problem { throw ValidationError("\(option): \(problem).") }
    }

    var defaultValueDescription: String { severity.map { "\(kind.rawValue):\($0)" } ?? kind.rawValue }
    static var allValueStrings: [String] { Corruption.Kind.allCases.map(\.rawValue) }

    /// The corruptions that are meant: all of these severities, and with these amounts, unless the name says which.
    func corruptions(severities: [Int], profile usual: Corruption.Profile) -> [Corruption] {
        (severity.map { [$0] } ?? severities).map { Corruption(kind, severity: $0, profile: profile ?? usual) }
    }
}

/// Which corruptions, how severe, and for images of which size.
struct CorruptionOptions: ParsableArguments {
    static let form = "fog, fog:3 or fog:3:tiny (with the amounts for images of that data set)"

    @Option(help: "The severities, 1...5, of corruptions that do not say theirs: 1,3,5.")
    var severities = CommaList([1, 2, 3, 4, 5])

    @Option(help: "Whose amounts: cifar, tiny or imagenet; else those of the images' size.")
    var profile: Corruption.Profile?

    func validate() throws {
        guard severities.elements.allSatisfy((1...5).contains) else {
            throw ValidationError("--severities are of 1...5, such as 1,3,5.")
        }
    }

    /// What the names mean for images of this size.
    func corruptions(_ names: [CorruptionName], of images: ImageSet) -> [Corruption] {
        names.flatMap { $0.corruptions(severities: severities.elements, profile: profile ?? images.profile) }
    }
}

extension CommaList<CorruptionName> {
    func validate(option: String) throws {
        for name in elements { try name.validate(option: option) }
    }

    /// The corruptions, of which each has to say how severe it is.
    func complete(option: String) throws -> [Corruption] {
        try validate(option: option)
        return try elements.flatMap { name in
            let meant = name.corruptions(severities: [], profile: .cifar)
            guard !meant.isEmpty else {
                throw ValidationError(
                    "\(option): \(name.defaultValueDescription) lacks its severity, such as \(name.defaultValueDescription):3."
                )
            }
            return meant
        }
    }
}

extension Corruption.Profile: ExpressibleByArgument {}
