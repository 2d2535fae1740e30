import SutureModels
import SutureTensor

/// What the model says to each pair's base under some patch.
public struct PairOutputs: Sendable {
    /// The logits of answer and rival.
    public var answer: [Double] = []
    public var other: [Double] = []
    /// The most likely token of the whole vocabulary.
    public var top: [Int] = []
    /// KL(clean || patched) in nats, where it was asked for.
    public var divergence: [Double] = []

    public var count: Int { top.count }
    /// Logit of the answer less that of its rival.
    public var difference: [Double] { zip(answer, other).map { $0 - $1 } }

    mutating func append(_ more: PairOutputs) {
        answer += more.answer
        other += more.other
        top += more.top
        divergence += more.divergence
    }

    init() {}

    init(_ logits: Tensor, _ pairs: [TokenizedPair]) throws {
        func pick(_ tokens: [Int]) throws -> [Double] {
            try logits.gathered(1, at: Tensor(tokens, shape: [tokens.count, 1], device: logits.device)).elements(
                as: Double.self)
        }
        answer = try pick(pairs.map(\.answer))
        other = try pick(pairs.map(\.other))
        top = try logits.argmax(1).ints()
    }

    func reordered(_ places: [Int]) -> PairOutputs {
        func restore<Value>(_ values: [Value]) -> [Value] {
            values.isEmpty ? [] : zip(places, values).sorted { $0.0 < $1.0 }.map(\.1)
        }
        var result = PairOutputs()
        result.answer = restore(answer)
        result.other = restore(other)
        result.top = restore(top)
        result.divergence = restore(divergence)
        return result
    }
}

extension PairedRuns {
    /// What the model says without any patch, in the order of the pairs.
    public func clean() throws -> PairOutputs {
        var outcome = PairOutputs()
        for batch in batches { outcome.append(try PairOutputs(batch.trace.logits, batch.pairs)) }
        return outcome.reordered(batches.flatMap(\.members))
    }

    /// What the model says under interventions that are made for each batch, in the order of the pairs.
    public func outputs(
        divergence: Bool = false, _ interventions: (PairBatch) throws -> [Intervention]
    ) throws -> PairOutputs {
        try Tensor.withoutGradients {
            var outcome = PairOutputs()
            for batch in batches {
                let logits = try batch.trace.replay(prompts: Array(batch.pairs.indices), interventions(batch)).logits
                var part = try PairOutputs(logits, batch.pairs)
                if divergence {
                    let clean = try batch.trace.logits.logSoftmax()
                    part.divergence = try (clean.exp() * (clean - logits.logSoftmax())).sum([1]).elements(
                        as: Double.self)
                }
                outcome.append(part)
            }
            return outcome.reordered(batches.flatMap(\.members))
        }
    }

    /// What the model says under a patch.
    public func outputs(_ patch: SubspacePatch, divergence: Bool = false) throws -> PairOutputs {
        try outputs(divergence: divergence) { [try patch.intervention(on: $0)] }
    }

    /// The values of bases and sources at a location of one position, `[pairs, width]` each, in the order of the pairs.
    public func values(_ location: Location) throws -> (base: Tensor, source: Tensor) {
        let order = batches.flatMap(\.members)
        var place = [Int](repeating: 0, count: order.count)
        for (row, index) in order.enumerated() { place[index] = row }
        func all(_ value: (PairBatch) throws -> Tensor) throws -> Tensor {
            let rows = try batches.map { try value($0) }
            guard rows.allSatisfy({ $0.shape[1] == 1 }) else {
                throw SubspaceError(
                    .badRequest, "this needs a location of one token", subject: "\(location)",
                    expected: "last, a role or one index")
            }
            return try Tensor.concatenated(rows, 0).squeezed(1).indexSelected(0, at: place)
        }
        return (try all { try $0.base(location) }, try all { try $0.source(location) })
    }
}

/// A patch from source to base at one location: the whole component, or what `read` sees of the difference, along `write`.
public struct SubspacePatch: Sendable {
    public var location: Location
    /// Directions `[width, k]`; nil patches the whole component.
    public var directions: (read: Tensor, write: Tensor)?
    /// The channels that take part; nil means all.
    public var units: [Int]?

    /// The whole component, or some of its channels.
    public init(whole location: Location, units: [Int]? = nil) {
        self.location = location
        self.units = units
    }

    /// u + W R^T (s - u); a subspace patch proper where both are the same orthonormal columns.
    public init(_ location: Location, read: Tensor, write: Tensor) {
        self.location = location
        directions = (read, write)
    }

    /// u + B B^T (s - u) for a subspace with the orthonormal basis B.
    public init(_ location: Location, _ basis: Tensor) { self.init(location, read: basis, write: basis) }

    func intervention(on batch: PairBatch, rows: [Int]? = nil) throws -> Intervention {
        var source = try batch.source(location)
        if let rows { source = try source.indexSelected(0, at: rows) }
        if let units { source = try source.indexSelected(2, at: units) }
        let change: Intervention.Change =
            directions.map { .swap(read: $0.read, write: $0.write, from: source) } ?? .replace(source)
        return Intervention(location.site, at: try batch.positions(location.tokens, rows), units: units, change)
    }
}
