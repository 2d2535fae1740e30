import SutureModels
import SutureTensor

/// What the model says to each pair's base under some patch.
public struct Outcome: Sendable {
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

    mutating func append(_ more: Outcome) {
        answer += more.answer
        other += more.other
        top += more.top
        divergence += more.divergence
    }

    init() {}

    init(_ logits: Tensor, _ pairs: [TokenizedPair]) throws {
        func pick(_ tokens: [Int]) throws -> [Double] {
            try logits.taking(1, at: Tensor(tokens, shape: [tokens.count, 1], device: logits.device)).elements(
                as: Double.self)
        }
        answer = try pick(pairs.map(\.answer))
        other = try pick(pairs.map(\.other))
        top = try logits.argmax(1).ints()
    }

    func reordered(_ places: [Int]) -> Outcome {
        func restore<Value>(_ values: [Value]) -> [Value] {
            values.isEmpty ? [] : zip(places, values).sorted { $0.0 < $1.0 }.map(\.1)
        }
        var result = Outcome()
        result.answer = restore(answer)
        result.other = restore(other)
        result.top = restore(top)
        result.divergence = restore(divergence)
        return result
    }
}

extension PairedRuns {
    /// What the model says without any patch, in the order of the pairs.
    public func clean() throws -> Outcome {
        var outcome = Outcome()
        for batch in batches { outcome.append(try Outcome(batch.trace.logits, batch.pairs)) }
        return outcome.reordered(batches.flatMap(\.members))
    }

    /// What the model says under interventions that are made for each batch, in the order of the pairs.
    public func outcome(
        divergence: Bool = false, _ interventions: (PairBatch) throws -> [Intervention]
    ) throws -> Outcome {
        try Tensor.withoutGradients {
            var outcome = Outcome()
            for batch in batches {
                let logits = try batch.trace.replay(prompts: Array(batch.pairs.indices), interventions(batch)).logits
                var part = try Outcome(logits, batch.pairs)
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
    public func outcome(_ patch: SubspacePatch, divergence: Bool = false) throws -> Outcome {
        try outcome(divergence: divergence) { [try patch.intervention(on: $0)] }
    }

    /// The values of bases and sources at a spot of one position, `[pairs, width]` each, in the order of the pairs.
    public func values(_ spot: Spot) throws -> (base: Tensor, source: Tensor) {
        let order = batches.flatMap(\.members)
        var place = [Int](repeating: 0, count: order.count)
        for (row, index) in order.enumerated() { place[index] = row }
        func all(_ value: (PairBatch) throws -> Tensor) throws -> Tensor {
            let rows = try batches.map { try value($0) }
            guard rows.allSatisfy({ $0.shape[1] == 1 }) else {
                throw SubspaceError(
                    .badRequest, "this needs a spot of one token", subject: "\(spot)",
                    expected: "last, a role or one index")
            }
            return try Tensor.concatenated(rows, 0).squeezed(1).gathered(0, at: place)
        }
        return (try all { try $0.base(spot) }, try all { try $0.source(spot) })
    }
}

/// A patch from source to base at one spot: the whole component, or what `read` sees of the difference, along `write`.
public struct SubspacePatch: Sendable {
    public var spot: Spot
    /// Directions `[width, k]`; nil patches the whole component.
    public var directions: (read: Tensor, write: Tensor)?
    /// The channels that take part; nil means all.
    public var units: [Int]?

    /// The whole component, or some of its channels.
    public init(whole spot: Spot, units: [Int]? = nil) {
        self.spot = spot
        self.units = units
    }

    /// u + W R^T (s - u); a subspace patch proper where both are the same orthonormal columns.
    public init(_ spot: Spot, read: Tensor, write: Tensor) {
        self.spot = spot
        directions = (read, write)
    }

    /// u + B B^T (s - u) for a subspace with the orthonormal basis B.
    public init(_ spot: Spot, _ basis: Tensor) { self.init(spot, read: basis, write: basis) }

    func intervention(on batch: PairBatch, rows: [Int]? = nil) throws -> Intervention {
        var source = try batch.source(spot)
        if let rows { source = try source.gathered(0, at: rows) }
        if let units { source = try source.gathered(2, at: units) }
        let change: Intervention.Change =
            directions.map { .swap(read: $0.read, write: $0.write, from: source) } ?? .replace(source)
        return Intervention(spot.site, at: try batch.positions(spot.place, rows), units: units, change)
    }
}
