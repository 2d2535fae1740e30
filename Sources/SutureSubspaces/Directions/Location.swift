import SutureModels

/// A site and the tokens there: `mlp.20.hidden@last`, `residual.21@subject`, `attn.6.head.3@4`.
public struct Location: Hashable, Sendable {
    /// Which tokens of a prompt are meant.
    public enum Tokens: Hashable, Sendable {
        case last
        case all
        /// The token that plays a role in the prompt, such as `subject`; see ``Prompt/roles``.
        case role(String)
        /// Indices from the start.
        case at([Int])
    }

    public var site: Site
    public var tokens: Tokens

    /// A site in a model, and the tokens at which it is meant.
    public init(_ site: Site, at tokens: Tokens = .last) {
        self.site = site
        self.tokens = tokens
    }
}

extension Location: LosslessStringConvertible {
    /// Reads `SITE@TOKENS`; these are `last` if they are left out.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let site = Site(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(site)
            return
        }
        guard let tokens = Tokens(String(parts[1])) else { return nil }
        self.init(site, at: tokens)
    }

    public var description: String { "\(site)@\(tokens)" }
}

extension Location.Tokens: LosslessStringConvertible {
    /// Reads a name such as `mlp.20.hidden@last`; nil for what is no location.
    public init?(_ text: String) {
        guard let first = text.first else { return nil }
        if first.isNumber || first == "-" {
            let indices = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
            guard indices.allSatisfy({ $0 >= 0 }) else { return nil }
            self = .at(indices)
        } else {
            switch text {
            case "last": self = .last
            case "all": self = .all
            default: self = .role(text)
            }
        }
    }

    public var description: String {
        switch self {
        case .last: "last"
        case .all: "all"
        case .role(let name): name
        case .at(let indices): indices.map(String.init).joined(separator: ",")
        }
    }
}
