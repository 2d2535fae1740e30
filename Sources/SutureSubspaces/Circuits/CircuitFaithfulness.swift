import SutureModels
import SutureTensor

extension CircuitRuns {
    /// The logit differences of the clean prompts when only a circuit's edges carry what the run computes, and all others
    /// what they carry in the corrupted prompt; in the order of the pairs.
    public func differences(of circuit: Circuit) throws -> [Double] {
        guard circuit.graph == graph else {
            throw SubspaceError(.badRequest, "the circuit is one of another model")
        }
        let needed = circuit.pruned
        guard needed.count > 0 else { return try corrupted() }
        return try Tensor.withoutGradients {
            let masks = try graph.groups.map { try needed.mask($0, on: model.device) }
            return try ordered { batch in
                var router = try CircuitRouter(graph, masks, batch, written: batch.written(batch.corrupted))
                let scores = try batch.clean.scores(
                    of: batch.answers, rows: Array(batch.pairs.indices), from: batch.first,
                    batch.stream(.queries(0), in: batch.clean), through: &router)
                return try batch.differences(ofAnswers: scores).elements()
            }
        }
    }
}

extension Circuit {
    /// 1 for each edge of a group that is in the circuit, `[parts, senders]`; nil where none is.
    fileprivate func mask(_ group: CircuitGraph.Group, on device: Device) throws -> Tensor? {
        let part = has[group.edges]
        guard part.contains(true) else { return nil }
        return try Tensor(part.map { $0 ? 1 : 0 } as [Float], shape: [group.parts, group.senders], device: device)
    }
}

/// Lets each reader read the corrupted stream, and what the senders of its edges write otherwise than there.
private struct CircuitRouter: StreamRouter {
    private let masks: [StreamReader: Tensor]
    private let batch: CircuitBatch
    /// What senders wrote in the corrupted run, part by part.
    private let written: [Tensor]
    /// What they write now less that, `[senders, numbers]`, of those that were told.
    private var changes: Tensor
    private var told = 1
    let listens = true

    init(_ graph: CircuitGraph, _ masks: [Tensor?], _ batch: CircuitBatch, written: [Tensor]) throws {
        var byReader: [StreamReader: Tensor] = [:]
        for (group, mask) in zip(graph.groups, masks) { byReader[group.reader] = mask }
        (self.masks, self.batch, self.written) = (byReader, batch, written)
        changes = try (batch.stream(.queries(0), in: batch.clean) - written[0].squeezed(0)).reshaped([1, -1])
    }

    mutating func input(of reader: StreamReader, _ stream: Tensor) throws -> Tensor {
        let corrupted = try batch.stream(reader, in: batch.corrupted).unsqueezed(0)
        guard let mask = masks[reader] else { return corrupted }
        let (parts, senders) = (mask.shape[0], mask.shape[1])
        let change = try mask.matmul(changes.narrowed(0, 0..<senders))
        return try corrupted + change.reshaped([parts] + corrupted.shape.dropFirst())
    }

    mutating func wrote(_ part: LayerPart, _ value: Tensor) throws {
        let change = try (value - written[told]).reshaped([value.shape[0], -1])
        told += 1
        changes = try Tensor.concatenated([changes, change], 0)
    }
}
