import Foundation
import SutureFormats

/// A number for each edge of a graph: what corrupting it alone does to the logit difference of answer and rival, found or
/// estimated, as a mean over pairs. Edges that hold the answer up have negative scores.
public struct EdgeScores: Sendable {
    public let graph: CircuitGraph
    /// In the order of the edges' numbers.
    public var values: [Float]

    /// Scores of all edges, in their order.
    public init(_ graph: CircuitGraph, _ values: [Float]) {
        self.graph = graph
        self.values = values
    }

    /// The numbers of the edges, the strongest first, whatever their sign.
    public var ranked: [Int] {
        let sizes = values.map(abs)
        return values.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
    }

    /// From a table `[senders, receivers]`, row by row, as ``write(to:overwriting:)`` writes it.
    ///
    /// Throws ``SubspaceError`` for a table of another size.
    public init(_ graph: CircuitGraph, matrix: [Float]) throws {
        let columns = graph.receiverCount
        guard matrix.count == graph.senderCount * columns else {
            throw SubspaceError(
                .badRequest, "the scores are not those of this model's edges",
                expected: "\(graph.senderCount) senders x \(columns) receivers", found: "\(matrix.count) numbers")
        }
        self.init(graph, graph.cells.map { matrix[$0.sender * columns + $0.receiver] })
    }

    /// Writes them as a safetensors file: `scores` `[senders, receivers]`, senders in the order of a run, and receivers as
    /// queries, keys and values of all heads and the MLP, layer by layer, and the output head. What is no edge is 0.
    public func write(to url: URL, overwriting: Bool = false) throws {
        let columns = graph.receiverCount
        var matrix = [Float](repeating: 0, count: graph.senderCount * columns)
        for (cell, value) in zip(graph.cells, values) { matrix[cell.sender * columns + cell.receiver] = value }
        let bytes = matrix.withUnsafeBytes { Array($0) }
        try SafetensorsWriter.write(
            [SafetensorsSource("scores", .float32, [graph.senderCount, columns], bytes: bytes)], to: url,
            overwriting: overwriting)
    }
}

extension CircuitGraph {
    fileprivate var receiverCount: Int { groups.reduce(0) { $0 + $1.parts } }

    /// Row and column of each edge in a table of senders and receivers.
    fileprivate var cells: [(sender: Int, receiver: Int)] {
        var first = 0
        return groups.flatMap { group in
            defer { first += group.parts }
            return (0..<group.parts).flatMap { part in (0..<group.senders).map { ($0, first + part) } }
        }
    }
}
