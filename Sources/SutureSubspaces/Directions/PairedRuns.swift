import SutureModels
import SutureTensor

/// Pairs of prompts, each run once, ready to be patched again and again.
///
/// Pairs of equal length share a ``PairBatch``: one trace of the bases, and the values of the sources at the locations that
/// will be patched. Every number about a patch comes from a replay of these.
public struct PairedRuns {
    public let model: LanguageModel
    public let pairs: [TokenizedPair]
    public let batches: [PairBatch]

    /// Runs the pairs. `locations` are where values of both prompts are kept, `capturing` sites are kept of the bases at
    /// every position, and replays can start no lower than the lowest of the locations.
    ///
    /// Throws ``SubspaceError`` with code `notNeutral` if putting a base's own values back changes its logits.
    public init(
        _ model: LanguageModel, _ pairs: [TokenizedPair], at locations: [Location], capturing: [Site] = [],
        progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard !pairs.isEmpty, !locations.isEmpty else {
            throw SubspaceError(.badRequest, "there are no pairs, or no locations to patch them at")
        }
        self.model = model
        self.pairs = pairs
        let groups = Dictionary(grouping: pairs.indices) { [pairs[$0].base.count, pairs[$0].source.count] }
        var batches: [PairBatch] = []
        var done = 0
        for lengths in groups.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let members = groups[lengths] ?? []
            for start in stride(from: 0, to: members.count, by: Self.batchSize) {
                let part = Array(members[start..<min(start + Self.batchSize, members.count)])
                batches.append(
                    try Tensor.withoutGradients {
                        try PairBatch(model, pairs, part, at: locations, capturing: capturing)
                    })
                done += part.count
                progress("running the prompts", done, pairs.count)
            }
        }
        self.batches = batches
        try checkNeutral(locations)
    }

    private static let batchSize = 128

    /// A patch of a base with itself has to change nothing.
    private func checkNeutral(_ locations: [Location]) throws {
        guard let batch = batches.first else { return }
        try Tensor.withoutGradients {
            let rows = Array(batch.members.indices.prefix(2))
            for location in Set(locations) where location.site != .logits {
                let own = try batch.base(location).indexSelected(0, at: rows)
                let change = Intervention(location.site, at: try batch.positions(location.tokens, rows), .replace(own))
                let logits = try batch.trace.replay(prompts: rows, [change]).logits
                let difference = try (logits - batch.trace.logits.indexSelected(0, at: rows)).abs().max().item()
                guard difference < 1e-3 else {
                    throw SubspaceError(
                        .notNeutral, "putting back a prompt's own values changes its logits", subject: "\(location)",
                        expected: "less than 0.001", found: "\(difference)")
                }
            }
        }
    }
}

/// Pairs of equal lengths: the trace of the bases, and the values of both sides at some locations.
public struct PairBatch {
    /// Which of the pairs of ``PairedRuns`` these are.
    public let members: [Int]
    public let pairs: [TokenizedPair]
    public let trace: Trace
    private let sources: [Location: Tensor]
    private let bases: [Location: Tensor]

    init(_ model: LanguageModel, _ all: [TokenizedPair], _ members: [Int], at locations: [Location], capturing: [Site])
        throws
    {
        let pairs = members.map { all[$0] }
        let sites = Array(Set(locations.map(\.site)))
        let lowest = locations.map(\.site.layer).min() ?? 0
        let trace = try model.trace(pairs.map(\.base), capturing: sites + capturing, from: lowest)
        let source = try model.run(pairs.map(\.source), capturing: sites, logits: .none)
        func pick(_ values: Tensor, _ place: Location.Tokens, _ length: Int, _ roles: [[String: Int]]) throws -> Tensor
        {
            let positions = try Self.positions(place, length: length, roles: roles)
            switch positions {
            case .all: return values
            case .last: return try values.narrowed(1, length - 1..<length).contiguous()
            case .at(let places): return try values.indexSelected(1, at: places)
            case .each(let places):
                let shape = [values.shape[0], 1, values.shape[2]]
                return try values.gathered(1, at: Tensor(places, shape: [shape[0], 1, 1]).expanded(shape))
            }
        }
        var sources: [Location: Tensor] = [:]
        var bases: [Location: Tensor] = [:]
        for location in locations {
            bases[location] = try pick(
                trace[location.site], location.tokens, pairs[0].base.count, pairs.map(\.baseRoles))
            sources[location] = try pick(
                source[location.site], location.tokens, pairs[0].source.count, pairs.map(\.sourceRoles))
        }
        self.members = members
        self.pairs = pairs
        self.trace = trace
        self.sources = sources
        self.bases = bases
    }

    /// The values of the sources at a location, `[pairs, positions, width]`.
    public func source(_ location: Location) throws -> Tensor { try value(sources[location], location) }

    /// The values of the bases at a location, `[pairs, positions, width]`.
    public func base(_ location: Location) throws -> Tensor { try value(bases[location], location) }

    private func value(_ value: Tensor?, _ location: Location) throws -> Tensor {
        guard let value else {
            throw SubspaceError(.badRequest, "these runs kept nothing there", subject: "\(location)")
        }
        return value
    }

    /// The positions of a place in the bases of some rows.
    public func positions(_ place: Location.Tokens, _ rows: [Int]? = nil) throws -> Intervention.Positions {
        let chosen = rows.map { $0.map { pairs[$0] } } ?? pairs
        return try Self.positions(place, length: chosen[0].base.count, roles: chosen.map(\.baseRoles))
    }

    /// The position of a role in each base.
    public func places(of role: String) throws -> [Int] {
        guard case .each(let places) = try positions(.role(role)) else { return [] }
        return places
    }

    private static func positions(_ place: Location.Tokens, length: Int, roles: [[String: Int]]) throws
        -> Intervention.Positions
    {
        switch place {
        case .last: return .last
        case .all: return .all
        case .at(let indices): return .at(indices)
        case .role(let name):
            return .each(
                try roles.map { roles in
                    guard let place = roles[name] else {
                        throw SubspaceError(
                            .badRequest, "a prompt has no word in this role", subject: name,
                            expected: roles.keys.sorted().joined(separator: ", "))
                    }
                    return place
                })
        }
    }
}

extension Site {
    /// The layer that a replay has to start from to change this site.
    var layer: Int {
        switch self {
        case .residual(let layer), .queries(let layer), .keys(let layer), .values(let layer), .head(let layer, _),
            .heads(let layer), .attentionOut(let layer), .mlpHidden(let layer), .mlpOut(let layer):
            layer
        case .logits: 0
        }
    }
}
