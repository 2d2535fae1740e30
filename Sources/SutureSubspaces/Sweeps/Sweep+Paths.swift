import SutureModels
import SutureTensor

extension Sweep {
    /// What a path leads to: one reading of the residual stream.
    public enum Receiver: Hashable, Sendable {
        /// What a head asks, and the keys and values that it sees (shared by a group of heads in some models).
        case queries(Head)
        case keys(Head)
        case values(Head)
        /// The MLP of a layer.
        case mlp(Int)
        /// The scores of the next token.
        case logits
    }

    /// Path patching (Wang et al. 2022): the effect of each head and MLP on the output through one receiver alone,
    /// `[layers, heads + 1]`, MLPs last.
    ///
    /// What a sender writes is changed to the source's in the residual stream that the receiver reads; everything else
    /// between them stays as in the clean run. What does not lie before the receiver has no effect.
    public func paths(
        to receiver: Receiver, progress: ProgressHandler = { _, _, _ in }
    ) throws -> [[Double]] {
        let isWritten = { (site: Site) in
            switch site {
            case .attentionOut, .mlpOut, .residual: true
            default: false
            }
        }
        if let site = model.interventions.map(\.site).first(where: isWritten) {
            throw SubspaceError(
                .badRequest, "paths are not patched where what is written to the stream changes in each run",
                subject: "\(site)")
        }
        _ = try uniquePlaces
        let place = try ReceivingPlace(receiver, model.architecture)
        return try Tensor.withoutGradients {
            try (0..<place.layers).map { layer in
                progress("sweeping", layer, place.layers)
                let written = try written(layer, withMLP: layer < place.layersWithMLP)
                let cells = try cells(written.map { Intervention(place.stream, .add($0)) }, at: place)
                let effects = try effects(of: cells)
                return effects + Array(repeating: 0, count: model.architecture.heads + 1 - effects.count)
            }
        }
    }

    /// How much else each head of a layer, and its MLP, would write in the source, `[1, positions, width]` each.
    private func written(_ layer: Int, withMLP: Bool) throws -> [Tensor] {
        let width = model.architecture.headWidth
        let change = try difference(.heads(layer))
        let heads = try (0..<model.architecture.heads).map { head in
            guard let writing = try model.writing(.head(layer: layer, index: head)) else {
                throw SubspaceError(.badRequest, "no matrix writes from this head")
            }
            return try change.narrowed(2, head * width..<(head + 1) * width).linear(writing)
        }
        return withMLP ? heads + [try difference(.mlpOut(layer))] : heads
    }

    /// What the receiver does when the stream it reads is changed, put into the clean run.
    private func cells(_ senders: [Intervention], at place: ReceivingPlace) throws -> [Intervention] {
        guard let site = place.site else { return senders }
        let changed = try trace.replay(senders.map { Alternative([$0]) }, capturing: [site], logits: .none)[site]
        return try senders.indices.map { row in
            let value = try changed.narrowed(0, row..<row + 1)
            guard let units = place.units else { return Intervention(site, .replace(value)) }
            return Intervention(site, units: units, .replace(try value.indexSelected(2, at: units)))
        }
    }

    /// Where a receiver reads, and what it makes of that.
    private struct ReceivingPlace {
        /// A site that is added to where the receiver reads the stream.
        var stream: Site
        /// What it computes, and the channels of that; nil where it is the output itself.
        var site: Site?
        var units: [Int]?
        /// How many layers' heads, and MLPs, lie before it.
        var layers: Int
        var layersWithMLP: Int

        init(_ receiver: Receiver, _ architecture: Architecture) throws {
            func check(_ isThere: Bool) throws {
                guard isThere else {
                    throw SubspaceError(.badRequest, "the model has no such receiver", subject: "\(receiver)")
                }
            }
            func head(_ head: Head, _ site: (Int) -> Site, groups: Int) throws -> ReceivingPlace {
                try check(
                    (1..<architecture.layers).contains(head.layer) && (0..<architecture.heads).contains(head.index))
                let start = head.index / (architecture.heads / groups) * architecture.headWidth
                return ReceivingPlace(
                    stream: .residual(head.layer), site: site(head.layer),
                    units: Array(start..<start + architecture.headWidth), layers: head.layer, layersWithMLP: head.layer)
            }
            switch receiver {
            case .queries(let own): self = try head(own, Site.queries, groups: architecture.heads)
            case .keys(let own): self = try head(own, Site.keys, groups: architecture.keyValueHeads)
            case .values(let own): self = try head(own, Site.values, groups: architecture.keyValueHeads)
            case .mlp(let layer):
                // The MLP reads the stream after its own layer's attention, or beside it.
                let isParallel = architecture.isParallel
                try check((isParallel ? 1..<architecture.layers : 0..<architecture.layers).contains(layer))
                self.init(
                    stream: isParallel ? .residual(layer) : .attentionOut(layer), site: .mlpOut(layer),
                    layers: isParallel ? layer : layer + 1, layersWithMLP: layer)
            case .logits:
                self.init(
                    stream: .residual(architecture.layers), layers: architecture.layers,
                    layersWithMLP: architecture.layers)
            }
        }

        private init(stream: Site, site: Site? = nil, units: [Int]? = nil, layers: Int, layersWithMLP: Int) {
            self.stream = stream
            self.site = site
            self.units = units
            self.layers = layers
            self.layersWithMLP = layersWithMLP
        }
    }
}

extension Sweep.Receiver: LosslessStringConvertible {
    /// Reads `23.4` (the queries of that head), `23.4.keys`, `23.4.values`, `mlp.23` and `logits`.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let numbers = parts.map { Int($0) ?? -1 }
        switch parts.count {
        case 1 where text == "logits": self = .logits
        case 2 where parts[0] == "mlp" && numbers[1] >= 0: self = .mlp(numbers[1])
        case 2 where numbers.allSatisfy { $0 >= 0 }: self = .queries(Head(layer: numbers[0], index: numbers[1]))
        case 3 where numbers[..<2].allSatisfy { $0 >= 0 }:
            let head = Head(layer: numbers[0], index: numbers[1])
            switch parts[2] {
            case "queries": self = .queries(head)
            case "keys": self = .keys(head)
            case "values": self = .values(head)
            default: return nil
            }
        default: return nil
        }
    }

    public var description: String {
        switch self {
        case .queries(let head): "\(head).queries"
        case .keys(let head): "\(head).keys"
        case .values(let head): "\(head).values"
        case .mlp(let layer): "mlp.\(layer)"
        case .logits: "logits"
        }
    }
}
