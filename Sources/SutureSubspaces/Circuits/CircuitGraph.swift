import SutureModels

/// The graph that circuits are parts of: what writes to the residual stream, and what reads it.
///
/// Senders are the embeddings, each head and each MLP; receivers are the queries, keys and values of each head, each MLP
/// and the output head. An edge leads from each sender to each receiver behind it. Heads that share keys and values
/// (grouped-query attention) have edges of their own, as in Hanna et al. 2024 (arXiv 2403.17806).
public struct CircuitGraph: Hashable, Sendable {
    public let layers: Int
    /// The number of heads in a layer.
    public let heads: Int
    /// Whether an MLP does not read what the heads of its layer write.
    public let isParallel: Bool
    /// The number of edges.
    public let edgeCount: Int
    /// The receivers in their order in a run; edges are numbered group by group, part by part, sender by sender.
    let groups: [Group]

    /// Receivers that are computed together.
    struct Group: Hashable, Sendable {
        var reader: StreamReader
        /// One for each head, or one.
        var parts: Int
        /// The number of senders before it: the first ones.
        var senders: Int
        /// The number of its first edge.
        var start: Int

        var edges: Range<Int> { start..<start + parts * senders }
    }

    /// What writes to the residual stream.
    public enum Sender: Hashable, Sendable, CustomStringConvertible {
        /// The embeddings.
        case input
        case head(Head)
        /// The MLP of a layer.
        case mlp(Int)

        /// `input`, `5.3` or `mlp.5`
        public var description: String {
            switch self {
            case .input: "input"
            case .head(let head): "\(head)"
            case .mlp(let layer): "mlp.\(layer)"
            }
        }
    }

    /// A way from a sender to a receiver through the residual stream alone.
    public struct Edge: Hashable, Sendable, CustomStringConvertible {
        public var sender: Sender
        public var receiver: Sweep.Receiver

        /// `5.3->6.1.queries`
        public var description: String { "\(sender)->\(receiver)" }
    }

    /// The graph of a model of that many layers and heads; `isParallel` where MLPs do not read their layer's heads.
    public init(layers: Int, heads: Int, isParallel: Bool = false) {
        (self.layers, self.heads, self.isParallel) = (layers, heads, isParallel)
        var groups: [Group] = []
        var start = 0
        func add(_ reader: StreamReader, _ parts: Int, _ senders: Int) {
            groups.append(Group(reader: reader, parts: parts, senders: senders, start: start))
            start += parts * senders
        }
        for layer in 0..<layers {
            let before = 1 + layer * (heads + 1)
            for reader in [StreamReader.queries(layer), .keys(layer), .values(layer)] { add(reader, heads, before) }
            add(.mlp(layer), 1, isParallel ? before : before + heads)
        }
        add(.logits, 1, 1 + layers * (heads + 1))
        self.groups = groups
        edgeCount = start
    }

    /// The number of senders.
    public var senderCount: Int { 1 + layers * (heads + 1) }

    /// A sender by its number, in the order of a run.
    func sender(_ index: Int) -> Sender {
        guard index > 0 else { return .input }
        let (layer, part) = (index - 1).quotientAndRemainder(dividingBy: heads + 1)
        return part == heads ? .mlp(layer) : .head(Head(layer: layer, index: part))
    }

    /// The number of the group, the part and the sender of an edge.
    func place(_ edge: Int) -> (group: Int, part: Int, sender: Int) {
        var (low, high) = (0, groups.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if groups[middle].start <= edge { low = middle } else { high = middle - 1 }
        }
        let (part, sender) = (edge - groups[low].start).quotientAndRemainder(dividingBy: groups[low].senders)
        return (low, part, sender)
    }

    /// The senders that a group's part is, by their number; nil for the output head.
    func sender(of group: Group, part: Int) -> Int? {
        switch group.reader {
        case .queries(let layer), .keys(let layer), .values(let layer): 1 + layer * (heads + 1) + part
        case .mlp(let layer): (layer + 1) * (heads + 1)
        case .logits: nil
        }
    }

    /// An edge by its number, in `0..<edgeCount`.
    public func edge(_ index: Int) -> Edge {
        let (group, part, sender) = place(index)
        let receiver: Sweep.Receiver =
            switch groups[group].reader {
            case .queries(let layer): .queries(Head(layer: layer, index: part))
            case .keys(let layer): .keys(Head(layer: layer, index: part))
            case .values(let layer): .values(Head(layer: layer, index: part))
            case .mlp(let layer): .mlp(layer)
            case .logits: .logits
            }
        return Edge(sender: self.sender(sender), receiver: receiver)
    }
}

extension CircuitGraph {
    /// The graph of a model.
    ///
    /// Throws ``SubspaceError`` for models whose heads do not write to the stream by a matrix alone, and for ones whose
    /// runs are changed.
    public init(of model: LanguageModel) throws {
        let architecture = model.architecture
        guard architecture.writesDirectly, !architecture.normsHeadsTogether else {
            throw SubspaceError(
                .badRequest, "circuits need heads and MLPs that each add to the stream by a matrix alone",
                expected: "no norm or factor behind attention and MLP, none over all heads together",
                found: "a model of another kind", hint: "sweep draws what single parts do in such a model")
        }
        if let site = model.interventions.first?.site {
            throw SubspaceError(
                .badRequest, "circuits are not cut from a model whose runs are changed", subject: "\(site)",
                hint: "leave --ablate, --steer and --project out; a patch of weights is fine")
        }
        self.init(layers: architecture.layers, heads: architecture.heads, isParallel: architecture.isParallel)
    }
}
