/// A site, or some channels of it: `attn.23.head.4`, `mlp.8.hidden[711,712]`.
public struct SiteChannels: Hashable, Sendable {
    public var site: Site
    /// nil means all.
    public var channels: [Int]?

    /// Some channels of what is at a site; all of them if none are named.
    public init(_ site: Site, channels: [Int]? = nil) {
        self.site = site
        self.channels = channels
    }
}

extension SiteChannels: LosslessStringConvertible {
    /// Reads a name as it is written; nil for what is no site or has no such channels.
    public init?(_ text: String) {
        guard text.hasSuffix("]"), let bracket = text.firstIndex(of: "[") else {
            guard let site = Site(text) else { return nil }
            self.init(site)
            return
        }
        let list = text[text.index(after: bracket)...].dropLast()
        let channels = list.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard let site = Site(String(text[..<bracket])), channels.allSatisfy({ $0 >= 0 }),
            Set(channels).count == channels.count
        else { return nil }
        self.init(site, channels: channels)
    }

    public var description: String {
        "\(site)" + (channels.map { "[\($0.map(String.init).joined(separator: ","))]" } ?? "")
    }
}

extension Neuron: LosslessStringConvertible {
    /// Reads `mlp.8.hidden[1234]`.
    public init?(_ text: String) {
        guard let place = SiteChannels(text), case .mlpHidden(let layer) = place.site, let channels = place.channels,
            channels.count == 1
        else { return nil }
        self.init(layer: layer, index: channels[0])
    }
}
