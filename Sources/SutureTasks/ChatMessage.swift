import Foundation
import SutureFormats

/// One turn of a conversation.
public struct ChatMessage: Hashable, Sendable, Codable {
    /// Who speaks: `system`, `user` or `assistant`, or what else the model's template knows.
    public var role: String
    /// What is said.
    public var content: String

    /// A turn by who speaks and what is said.
    public init(_ role: String, _ content: String) {
        self.role = role
        self.content = content
    }

    /// The turns of a JSON file: a list of objects with `role` and `content`, or an object with that as `messages`.
    ///
    /// Throws a `FormatError` that names the place, or that the list is empty.
    public static func read(_ url: URL) throws -> [ChatMessage] {
        let bytes = try MappedFile(url).copy()
        let field = try JSONField(JSON.parse(bytes, source: url.relativePath), source: url.relativePath)
        // As requests to chat services have it, too.
        let list = field.value.objectValue == nil ? field : try field.require("messages")
        let messages = try read(list)
        guard !messages.isEmpty else {
            throw FormatError(
                .missingKey, "the conversation is empty", subject: url.relativePath,
                expected: "messages, such as [{\"role\": \"user\", \"content\": \"...\"}]")
        }
        return messages
    }

    /// The turns of a list of objects with `role` and `content`.
    ///
    /// Throws a `FormatError` that names the place.
    static func read(_ list: JSONField) throws -> [ChatMessage] {
        try list.array.map { ChatMessage(try $0.require("role").string, try $0.require("content").string) }
    }
}
