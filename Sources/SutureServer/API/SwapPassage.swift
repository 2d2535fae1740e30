import SutureFormats
import SutureModels
import SutureSubspaces

/// Two prompts of equally many tokens, of which one lends the other what some part of the model writes.
struct SwapPassage: Sendable {
    static let keys = Passage.keys.union(["source", "source_messages", "component"])

    /// What is lent.
    enum Component: String, CaseIterable, Sendable {
        case residual, attention, mlp

        var sweep: SweepMap.Kind {
            switch self {
            case .residual: .residual
            case .attention: .attention
            case .mlp: .mlp
            }
        }

        func site(_ layer: Int) -> Site {
            switch self {
            case .residual: .residual(layer)
            case .attention: .attentionOut(layer)
            case .mlp: .mlpOut(layer)
            }
        }
    }

    var passage: Passage
    /// The prompt that lends, whole.
    var source: String
    var component: Component

    /// How many tokens each has at most: every one of them is patched in every layer.
    private static let limit = 128

    /// A passage with `source` in the place of its `prompt`, or `source_messages` in that of its `messages`.
    init(_ body: JSONField, _ workbench: Workbench) throws {
        passage = try Passage(body, workbench)
        let key: ByteString = passage.isChat ? "source_messages" : "source"
        try body.refuse(passage.isChat ? "source" : "source_messages") { _ in false }
        let lent = try body.require(key)
        source =
            try passage.isChat
            ? workbench.tokenizers.chat.get().prompt(WritingRequest.messages(lent)) : lent.string
        source += passage.written
        component = try Self.component(body)
        let counts = [passage.text, source].map { workbench.tokenizers.tokens(of: $0, isChat: passage.isChat).count }
        guard counts[0] == counts[1] else {
            throw ServerError(
                .badRequest, "the two prompts need equally many tokens", subject: lent.path, expected: "\(counts[0])",
                found: "\(counts[1])")
        }
        guard counts[0] <= Self.limit else {
            throw ServerError(
                .badRequest, "the prompts are too long to be swept", subject: lent.path,
                expected: "\(Self.limit) tokens at most", found: "\(counts[0])")
        }
        guard passage.text != source else {
            throw ServerError(.badRequest, "the two prompts are the same", subject: lent.path)
        }
    }

    /// As ``members`` keeps it.
    init(kept body: JSONField) throws {
        passage = try Passage(kept: body)
        source = try body.require("source").string
        component = try Self.component(body)
    }

    var members: JSONObject {
        var members = passage.members
        members["source"] = JSON(source)
        members["component"] = JSON(component.rawValue)
        return members
    }

    private static func component(_ body: JSONField) throws -> Component {
        guard let field = try body.optional("component") else { return .residual }
        guard let component = Component(rawValue: try field.string) else {
            throw ServerError(
                .badRequest, "there is no such component", subject: field.path,
                expected: Component.allCases.map(\.rawValue).joined(separator: ", "),
                found: "\"\(try field.string.prefix(40))\"")
        }
        return component
    }
}
