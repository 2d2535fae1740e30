import SutureModels
import SutureTensor

/// Distributed alignment search: directions at a spot whose patch makes the model say the target (Geiger et al. 2023).
///
/// Adam on an unconstrained `[width, k]` matrix P of which the orthonormal factor of its QR decomposition is used; for
/// one direction that is P / |P|. Gradients flow through the suffix of the run only: layers and positions behind the
/// spot. Rates as in the authors' code: from `rate`/3 down (or up) to `rate`/10 over the epochs.
public struct DAS: Sendable {
    /// What is minimized.
    public enum Loss: String, Sendable, CaseIterable {
        /// The cross-entropy of the target over the whole vocabulary.
        case crossEntropy
        /// The logit of the answer's rival below that of the target.
        case logitDifference
    }

    public var directions = 1
    public var epochs = 30
    public var batchSize = 20
    public var rate = 0.01
    public var loss = Loss.crossEntropy
    public var seed: UInt64 = 0

    public init() {}

    public var options: [String: Double] {
        [
            "directions": Double(directions), "epochs": Double(epochs), "batch_size": Double(batchSize), "rate": rate,
            "seed": Double(seed)
        ]
    }

    /// Learns directions at a spot that `runs` kept values of.
    ///
    /// `progress` hears of each epoch and its mean loss.
    public func train(
        _ runs: PairedRuns, at spot: Spot, progress: (_ epoch: Int, _ of: Int, _ loss: Double) -> Void = { _, _, _ in }
    ) throws -> Subspace {
        let basis = try learn(runs, width: spot.site.width(in: runs.model.architecture), progress) {
            try SubspacePatch(spot, $0).intervention(on: $1, rows: $2)
        }
        return try Subspace(spot, basis: basis, method: "das", options: options)
    }

    /// Learns orthonormal columns `[width, k]` of which `patching` makes what is done to some rows of a batch.
    func learn(
        _ runs: PairedRuns, width: Int, _ progress: (_ epoch: Int, _ of: Int, _ loss: Double) -> Void,
        patching: (_ basis: Tensor, _ batch: PairBatch, _ rows: [Int]) throws -> Intervention
    ) throws -> Tensor {
        guard (1...width).contains(directions), epochs > 0, batchSize > 0, rate > 0 else {
            throw SubspaceError(
                .badRequest, "these options of DAS make no sense",
                expected: "1...\(width) directions, all else positive")
        }
        let initial = try RandomSource(seed: seed).normal([width, directions])
        let optimizer = try Optimizer([Self.orthonormal(initial)], .adam(rate: rate / 3))
        var random = SeededGenerator(seed: seed)
        for epoch in 0..<epochs {
            let share = epochs > 1 ? Double(epoch) / Double(epochs - 1) : 0
            try optimizer.setRate(rate * ((1 - share) / 3 + share / 10))
            var total = 0.0
            let steps = steps(runs, &random)
            for (batch, rows) in steps {
                total += try optimizer.step { parameters in
                    try loss(patching(Self.orthonormal(parameters[0]), batch, rows), batch, rows)
                }
            }
            progress(epoch + 1, epochs, total / Double(steps.count))
        }
        return try Self.orthonormal(optimizer.parameters[0].detached())
    }

    /// The columns made orthonormal; differentiable.
    static func orthonormal(_ matrix: Tensor) throws -> Tensor {
        matrix.shape[1] == 1 ? try matrix / matrix.norm(0, keepingDims: true) : try matrix.qr().q
    }

    /// Small batches of pairs of equal lengths, in random order.
    private func steps(_ runs: PairedRuns, _ random: inout SeededGenerator) -> [(PairBatch, [Int])] {
        var steps: [(PairBatch, [Int])] = []
        for batch in runs.batches {
            let rows = random.shuffled(Array(batch.pairs.indices))
            for start in stride(from: 0, to: rows.count, by: batchSize) {
                steps.append((batch, Array(rows[start..<min(start + batchSize, rows.count)])))
            }
        }
        return random.shuffled(steps)
    }

    private func loss(_ change: Intervention, _ batch: PairBatch, _ rows: [Int]) throws -> Tensor {
        let logits = try batch.trace.replay(prompts: rows, [change]).logits
        let targets = rows.map { batch.pairs[$0].target }
        switch loss {
        case .crossEntropy: return try logits.crossEntropy(Tensor(targets, device: logits.device))
        case .logitDifference:
            let rivals = rows.map { batch.pairs[$0].isIdentity ? batch.pairs[$0].other : batch.pairs[$0].answer }
            func pick(_ tokens: [Int]) throws -> Tensor {
                try logits.taking(1, at: Tensor(tokens, shape: [tokens.count, 1], device: logits.device))
            }
            return try (pick(rivals) - pick(targets)).mean()
        }
    }
}
