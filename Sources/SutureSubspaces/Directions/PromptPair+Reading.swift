import Foundation
import SutureFormats

extension PromptPair {
    /// Reads pairs from JSON Lines:
    ///
    ///     {"base": "The Eiffel Tower is in", "source": "The Colosseum is in", "answer": " Paris", "other": " Rome"}
    ///
    /// `base` and `source` are texts or objects with `text`, `label` and `roles`; a role is a word, or an array of a word
    /// and which occurrence of it is meant: `{"text": "...", "roles": {"subject": "Eiffel Tower", "S2": ["Ann", 2]}}`.
    /// `target` is `other` unless it is given. Throws a ``SubspaceError`` or `FormatError` that names the line.
    public static func read(_ url: URL) throws -> [PromptPair] {
        try JSONField.lines(
            of: url,
            expected:
                "lines such as {\"base\": \"...\", \"source\": \"...\", \"answer\": \" a\", \"other\": \" b\"}"
        ) { try PromptPair($0) }
    }

    /// One of these lines, wherever it stands.
    public init(_ field: JSONField) throws {
        self.init(
            base: try Prompt(field.require("base")), source: try Prompt(field.require("source")),
            answer: try field.require("answer").string, other: try field.require("other").string,
            target: try field.optional("target")?.string)
    }
}

extension Prompt {
    init(_ field: JSONField) throws {
        guard field.value.objectValue != nil else {
            self.init(try field.string)
            return
        }
        var roles: [String: Word] = [:]
        if let given = try field.optional("roles") {
            for (role, _) in try given.object {
                let value = try given.require(role)
                if let parts = value.value.arrayValue {
                    guard parts.count == 2, let occurrence = parts[1].intValue, occurrence > 0 else {
                        throw SubspaceError(
                            .badFile, "a role is a word, or a word and its occurrence", subject: value.path,
                            expected: "[\"word\", 2]")
                    }
                    roles[role.string] = Word(try value.array[0].string, occurrence: occurrence)
                } else {
                    roles[role.string] = Word(try value.string)
                }
            }
        }
        self.init(try field.require("text").string, roles: roles, label: try field.optional("label")?.string)
    }
}
