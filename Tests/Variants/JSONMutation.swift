import SutureFormats

extension JSON {
    private static let hostile: [JSON] = [
        nil, true, false, 0, 1, -1, 2, 3, 7, JSON(1 << 31), JSON(1 << 62), JSON(Int.max), JSON(Int.min), 0.5, 1e-30,
        1e300,
        .number("1e400"), .number("-0"), .number("123456789012345678901234567890"), "", "x", "\u{0}", "linear", "yarn",
        [], [1], [0, 0, 0], ["a", "a"], [:], ["a": 1]
    ]

    /// Puts one thing wrong somewhere in the document, and says what.
    mutating func mutate(_ random: inout some RandomNumberGenerator) -> String {
        switch self {
        case .object(let members) where !members.isEmpty:
            let at = Int.random(in: 0..<members.count, using: &random)
            let (key, value) = members[at]
            // Deeper where there is more; an object of thousands, such as a vocabulary, is mostly one thing.
            if Self.isLarge(value), Int.random(in: 0..<4, using: &random) > 0 {
                var value = value
                let said = value.mutate(&random)
                self = .object(Self.object(members, replacing: at, with: (key, value)))
                return "\(key).\(said)"
            }
            return mutateMember(members, at, &random)
        case .array(let elements) where !elements.isEmpty:
            let at = Int.random(in: 0..<elements.count, using: &random)
            return mutateElement(elements, at, &random)
        default:
            self = Self.hostile.randomElement(using: &random) ?? nil
            return "= \(brief)"
        }
    }

    private mutating func mutateMember(
        _ members: JSONObject, _ at: Int, _ random: inout some RandomNumberGenerator
    ) -> String {
        let (key, value) = members[at]
        let other = members.randomElement(using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0:
            var left = JSONObject()
            for (position, member) in members.enumerated() where position != at { left[member.key] = member.value }
            self = .object(left)
            return "no \(key)"
        case 1:
            let name = ByteString((other?.key.string ?? "") + "x")
            self = .object(Self.object(members, replacing: at, with: (name, value)))
            return "\(key) is called \(name)"
        case 2:
            self = .object(Self.object(members, replacing: at, with: (key, other?.value ?? nil)))
            return "\(key) is as \(other?.key.string ?? "")"
        default:
            let new = Self.altered(value, &random)
            self = .object(Self.object(members, replacing: at, with: (key, new)))
            return "\(key) = \(new.brief)"
        }
    }

    private mutating func mutateElement(
        _ elements: [JSON], _ at: Int, _ random: inout some RandomNumberGenerator
    ) -> String {
        var elements = elements
        defer { self = .array(elements) }
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            elements.remove(at: at)
            return "[\(at)] is gone"
        case 1:
            elements.append(elements[at])
            return "[\(at)] again at the end"
        case 2:
            elements[at] = elements.randomElement(using: &random) ?? nil
            return "[\(at)] is another"
        case 3:
            let said = elements[at].mutate(&random)
            return "[\(at)].\(said)"
        case 4 where elements.count < 100:
            elements = Array(repeatElement(elements[at], count: 500))
            return "500 times [\(at)]"
        default:
            elements[at] = Self.altered(elements[at], &random)
            return "[\(at)] = \(elements[at].brief)"
        }
    }

    private static func altered(_ value: JSON, _ random: inout some RandomNumberGenerator) -> JSON {
        if let number = value.intValue, Int.random(in: 0..<3, using: &random) == 0 {
            return [JSON(number &+ 1), JSON(number &- 1), JSON(number &* 2), JSON(number / 2), JSON(0 &- number)]
                .randomElement(using: &random) ?? value
        }
        if let text = value.stringValue, Int.random(in: 0..<3, using: &random) == 0 {
            return [JSON(text + text), JSON(String(text.dropLast())), JSON(text + "\u{301}"), JSON(text.uppercased())]
                .randomElement(using: &random) ?? value
        }
        return hostile.randomElement(using: &random) ?? nil
    }

    private static func isLarge(_ value: JSON) -> Bool {
        switch value {
        case .object(let members): !members.isEmpty
        case .array(let elements): !elements.isEmpty
        default: false
        }
    }

    private static func object(_ members: JSONObject, replacing at: Int, with member: (ByteString, JSON)) -> JSONObject
    {
        var object = JSONObject()
        for (position, old) in members.enumerated() {
            if position == at { object[member.0] = member.1 } else { object[old.key] = old.value }
        }
        return object
    }

    fileprivate var brief: String { String(decoding: serialized().prefix(60), as: UTF8.self) }
}
