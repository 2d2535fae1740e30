import SutureModels
import SutureTensor

/// Pairs of a clean prompt (the base) and a corrupted one (the source), each run once, ready to be run again with some
/// edges of the model's graph carrying the one and some the other.
///
/// Nothing before the first token in which a pair differs is computed again: there, both runs are the same.
public struct CircuitRuns: Sendable {
    public let model: LanguageModel
    public let graph: CircuitGraph
    public let pairs: [TokenizedPair]
    let batches: [CircuitBatch]

    /// Runs the pairs.
    ///
    /// Throws ``SubspaceError`` for pairs that are not equally long or do not differ, and for models that are no such graph.
    public init(
        _ model: LanguageModel, _ pairs: [TokenizedPair], progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard !pairs.isEmpty else { throw SubspaceError(.badRequest, "there are no pairs of prompts") }
        let graph = try CircuitGraph(of: model)
        for (index, pair) in pairs.enumerated() {
            guard pair.base.count == pair.source.count else {
                throw SubspaceError(
                    .badTokens, "circuits need prompts of equally many tokens", subject: "pair \(index + 1)",
                    expected: "\(pair.base.count)", found: "\(pair.source.count)",
                    hint: "choose words that are as many tokens")
            }
            guard pair.base != pair.source else {
                throw SubspaceError(
                    .badTokens, "the two prompts are the same: nothing differs between their runs",
                    subject: "pair \(index + 1)")
            }
        }
        (self.model, self.graph, self.pairs) = (model, graph, pairs)
        // Pairs that first differ at one token, of one length, share a batch.
        let groups = Dictionary(grouping: pairs.indices) { [pairs[$0].base.count, pairs[$0].firstDifference] }
        var batches: [CircuitBatch] = []
        var done = 0
        for key in groups.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let members = groups[key] ?? []
            let width = graph.senderCount * (key[0] - key[1]) * model.architecture.width
            let size = max(1, min(32, Self.batchBudget / width))
            for start in stride(from: 0, to: members.count, by: size) {
                let part = Array(members[start..<min(start + size, members.count)])
                batches.append(
                    try Tensor.withoutGradients {
                        try CircuitBatch(model, graph, part, part.map { pairs[$0] }, from: key[1])
                    })
                done += part.count
                progress("running the prompts", done, pairs.count)
            }
        }
        self.batches = batches
    }

    /// How many numbers of what senders write are held of a batch.
    private static let batchBudget = 1 << 24

    /// The logit differences of answer and rival behind the clean prompts, in the order of the pairs.
    public func clean() throws -> [Double] { try ordered { try $0.differences($0.clean.logits) } }

    /// The same behind the corrupted prompts.
    public func corrupted() throws -> [Double] { try ordered { try $0.differences($0.corrupted.logits) } }

    /// Numbers of each batch's pairs, in the order of all pairs.
    func ordered(_ values: (CircuitBatch) throws -> [Double]) rethrows -> [Double] {
        var all = Array(repeating: 0.0, count: pairs.count)
        for batch in batches {
            for (member, value) in zip(batch.members, try values(batch)) { all[member] = value }
        }
        return all
    }
}

extension TokenizedPair {
    /// The first place where the two prompts differ.
    fileprivate var firstDifference: Int { zip(base, source).enumerated().first { $1.0 != $1.1 }?.offset ?? 0 }
}

/// Pairs of one length that first differ at one token.
struct CircuitBatch: Sendable {
    /// Which of all pairs these are.
    let members: [Int]
    let pairs: [TokenizedPair]
    /// The first position at which they differ: what comes before it is left out of all values.
    let first: Int
    let clean, corrupted: Trace
    private let graph: CircuitGraph

    var columns: Range<Int> { first..<clean.length }

    init(
        _ model: LanguageModel, _ graph: CircuitGraph, _ members: [Int], _ pairs: [TokenizedPair], from first: Int
    ) throws {
        (self.graph, self.members, self.pairs, self.first) = (graph, members, pairs, first)
        let sites = (0..<graph.layers).flatMap { [Site.heads($0), .mlpOut($0)] }
        clean = try model.trace(pairs.map(\.base), capturing: sites)
        corrupted = try model.trace(pairs.map(\.source), capturing: sites)
        for run in [clean, corrupted] { try run.logits.requireFinite("the scores of the next token") }
    }

    /// Logits of answer and rival, whose differences are taken: of each pair, one after the other.
    var answers: [Int] { pairs.flatMap { [$0.answer, $0.other] } }

    /// The logit difference of each row from scores of ``answers`` `[rows, answers]`; row i is of pair i, modulo their number.
    func differences(ofAnswers scores: Tensor) throws -> Tensor {
        let rows = scores.shape[0]
        var signs = [Float](repeating: 0, count: rows * 2 * pairs.count)
        for row in 0..<rows {
            let start = row * 2 * pairs.count + 2 * (row % pairs.count)
            (signs[start], signs[start + 1]) = (1, -1)
        }
        return try (scores * Tensor(signs, shape: [rows, 2 * pairs.count], device: scores.device)).sum([1])
    }

    /// The same from scores of all tokens, `[pairs, vocabulary]`.
    func differences(_ logits: Tensor) throws -> [Double] {
        try differences(ofAnswers: logits.indexSelected(1, at: answers)).elements()
    }

    /// What senders write in a run, `[senders, pairs, positions, width]`, part by part.
    func written(_ run: Trace) throws -> [Tensor] {
        let input = try run[.residual(0)].narrowed(1, columns).unsqueezed(0)
        return try [input]
            + (0..<graph.layers).flatMap { layer in
                [
                    try run.model.written(layer, heads: run[.heads(layer)].narrowed(1, columns)),
                    try run[.mlpOut(layer)].narrowed(1, columns).unsqueezed(0)
                ]
            }
    }

    /// What corrupting each sender changes of what it writes, `[senders, pairs, positions, width]`.
    func changes() throws -> Tensor {
        try Tensor.concatenated(written(corrupted), 0) - Tensor.concatenated(written(clean), 0)
    }

    /// The stream that a reader reads in a run, `[pairs, positions, width]`.
    func stream(_ reader: StreamReader, in run: Trace) throws -> Tensor {
        switch reader {
        case .queries(let layer), .keys(let layer), .values(let layer):
            try run[.residual(layer)].narrowed(1, columns)
        case .mlp(let layer): try run.mlpStream(layer).narrowed(1, columns)
        case .logits: try run[.residual(graph.layers)].narrowed(1, columns)
        }
    }
}
