import Foundation
import SutureFormats

/// A JSON value as lines for people: `side effects, divergence: 0.02`.
enum JSONOutline {
    private static let limit = 40

    static func facts(of value: JSON) -> [Report.Fact] {
        var lines: [Report.Fact] = []
        collect(value, path: [], &lines)
        guard lines.count > limit else { return lines }
        return lines.prefix(limit) + [.init("and", "\(lines.count - limit) more, in --format json")]
    }

    private static func collect(_ value: JSON, path: [String], _ lines: inout [Report.Fact]) {
        if let object = value.objectValue {
            for (key, member) in object {
                collect(member, path: path + [key.string.replacingOccurrences(of: "_", with: " ")], &lines)
            }
        } else if let array = value.arrayValue, array.contains(where: { $0.objectValue != nil || $0.arrayValue != nil })
        {
            for (index, element) in array.enumerated() { collect(element, path: path + ["\(index + 1)"], &lines) }
        } else if !value.isNull {
            lines.append(.init(path.joined(separator: ", "), text(of: value)))
        }
    }

    private static func text(of value: JSON) -> String {
        if let array = value.arrayValue { return array.map { text(of: $0) }.joined(separator: ", ") }
        if let text = value.stringValue { return text }
        if value.intValue == nil, let number = value.doubleValue { return String(format: "%.4g", number) }
        return String(decoding: value.serialized(), as: UTF8.self)
    }
}
