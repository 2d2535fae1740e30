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

    /// The turns of a list of objects with `role` and `content`.
    ///
    /// Throws a `FormatError` that names the place.
    static func read(_ list: JSONField) throws -> [ChatMessage] {
        try list.array.map { ChatMessage(try $0.require("role").string, try $0.require("content").string) }
    }
}
