import Foundation

@testable import SutureTemplates

/// The files under `Tests/Goldens/templates`.
enum Goldens {
    struct Malformed: Error {}

    static func read(_ name: String) throws -> TemplateValue {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let data = try Data(contentsOf: folder.appending(path: "Goldens/templates/\(name).json"))
        var reader = JSONReader(bytes: [UInt8](data))
        return try reader.value()
    }
}

extension TemplateValue {
    subscript(key: String) -> TemplateValue {
        guard case .object(let entries) = self else { return .undefined }
        return entries.last { $0.key == key }?.value ?? .undefined
    }

    subscript(index: Int) -> TemplateValue { items.indices.contains(index) ? items[index] : .undefined }

    var items: [TemplateValue] {
        if case .array(let items) = self { items } else { [] }
    }

    var variables: [String: TemplateValue] {
        guard case .object(let entries) = self else { return [:] }
        return Dictionary(entries.map { ($0.key, $0.value) }) { $1 }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var number: Int? {
        if case .int(let number) = self { number } else { nil }
    }

    var isTrue: Bool {
        if case .bool(true) = self { true } else { false }
    }
}

/// JSON with the order of its keys, which Foundation loses.
struct JSONReader {
    let bytes: [UInt8]
    var index = 0

    mutating func value() throws -> TemplateValue {
        skipSpace()
        guard index < bytes.count else { throw Goldens.Malformed() }
        switch bytes[index] {
        case UInt8(ascii: "{"):
            var entries: [(key: String, value: TemplateValue)] = []
            while try next(until: UInt8(ascii: "}")) {
                guard case .string(let key) = try value() else { throw Goldens.Malformed() }
                skipSpace()
                index += 1
                entries.append((key, try value()))
            }
            return .object(entries)
        case UInt8(ascii: "["):
            var items: [TemplateValue] = []
            while try next(until: UInt8(ascii: "]")) { items.append(try value()) }
            return .array(items)
        default: return try scalar()
        }
    }

    private mutating func skipSpace() {
        while index < bytes.count, [32, 9, 10, 13].contains(bytes[index]) { index += 1 }
    }

    /// Steps over an opening bracket or a comma; false at the end.
    private mutating func next(until end: UInt8) throws -> Bool {
        skipSpace()
        if index < bytes.count, bytes[index] != end { index += 1 }
        skipSpace()
        guard index < bytes.count else { throw Goldens.Malformed() }
        guard bytes[index] == end else { return true }
        index += 1
        return false
    }

    private mutating func scalar() throws -> TemplateValue {
        let start = index
        if bytes[index] == UInt8(ascii: "\"") {
            index += 1
            while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            index += 1
            let list = Data([UInt8(ascii: "[")] + bytes[start..<min(index, bytes.count)] + [UInt8(ascii: "]")])
            return .string(try JSONDecoder().decode([String].self, from: list).first ?? "")
        }
        while index < bytes.count, ![32, 10, 44, 93, 125].contains(bytes[index]) { index += 1 }
        let word = String(decoding: bytes[start..<index], as: UTF8.self)
        switch word {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            if let number = Int(word) { return .int(number) }
            guard let number = Double(word) else { throw Goldens.Malformed() }
            return .float(number)
        }
    }
}
