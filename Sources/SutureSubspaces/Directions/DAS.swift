import SutureModels
import SutureTensor

/// Distributed alignment search: directions at a location whose patch makes the model say the target (Geiger et al. 2023).
///
/// Adam on an unconstrained `[width, k]` matrix P of which the orthonormal factor of its QR decomposition is used; for
/// one direction that is P / |P|. Gradients flow through the suffix of the run only: layers and positions behind the
/// location; pairs of equal prompts, which no patch changes, are not run. The rate falls from a third of `rate` to a tenth
/// of it over the epochs, as in the authors' code.
public struct DAS: Sendable {
    /// What is minimized.
    public enum Loss: String, Sendable, CaseIterable {
        /// The cross-entropy of the target over the whole vocabulary.
        case crossEntropy
        /// The logit of the answer's rival below that of the target.
        case logitDifference
    }

    /// Where learning starts.
    public enum Start: String, Sendable, CaseIterable {
        /// Columns drawn from `seed`.
        case random
        /// The columns whose patch lowers the loss most to first order in what it changes.
        case firstOrder
    }

    public var directions = 1
    public var start = Start.firstOrder
    public var epochs = 10
    public var batchSize = 20
    public var rate = 0.01
    public var loss = Loss.crossEntropy
    public var seed: UInt64 = 0

    /// The default settings.
    public init() {}

    public var options: [String: Double] {
        [
            "directions": Double(directions), "epochs": Double(epochs), "batch_size": Double(batchSize), "rate": rate,
            "seed": Double(seed), "first_order": start == .firstOrder ? 1 : 0
        ]
    }

    /// Learns directions at a location that `runs` kept values of.
    ///
    /// `progress` hears of each epoch and its mean loss.
    public func train(
        _ runs: PairedRuns, at location: Location,
        progress: (_ epoch: Int, _ of: Int, _ loss: Double) -> Void = { _, _, _ in }
    ) throws -> Subspace {
        let width = location.site.width(in: runs.model.architecture)
        let start = try initial(width: width) {
            (try gradients(runs, at: location), try Self.differences(runs, at: location))
        }
        let basis = try learn(runs, from: start, progress) {
            try SubspacePatch(location, $0).intervention(on: $1, rows: $2)
        }
        return try Subspace(location, basis: basis, method: "das", options: options)
    }

    /// Learns orthonormal columns `[width, k]`, from `start` on, of which `patching` makes what is done to some rows of
    /// a batch.
    func learn(
        _ runs: PairedRuns, from start: Tensor, _ progress: (_ epoch: Int, _ of: Int, _ loss: Double) -> Void,
        patching: (_ basis: Tensor, _ batch: PairBatch, _ rows: [Int]) throws -> Intervention
    ) throws -> Tensor {
        guard epochs > 0, batchSize > 0, rate > 0 else {
            throw SubspaceError(.badRequest, "these options of DAS make no sense", expected: "positive ones")
        }
        let optimizer = try Optimizer([start], .adam(rate: rate / 3))
        for (epoch, steps) in schedule(runs).enumerated() {
            let share = epochs > 1 ? Double(epoch) / Double(epochs - 1) : 0
            try optimizer.setRate(rate * ((1 - share) / 3 + share / 10))
            var total = 0.0
            for (batch, rows) in steps {
                // What no patch changes has no gradient, but counts in the mean.
                let moving = rows.filter { !batch.pairs[$0].hasEqualPrompts }
                let still = rows.filter { batch.pairs[$0].hasEqualPrompts }
                if !still.isEmpty {
                    total += try loss(batch.trace.logits.indexSelected(0, at: still), batch, still).item()
                }
                guard !moving.isEmpty else { continue }
                total += try optimizer.step { parameters in
                    let change = try patching(Self.orthonormal(parameters[0]), batch, moving)
                    return try loss(batch.trace.replay(prompts: moving, [change]).logits, batch, moving)
                }
            }
            progress(epoch + 1, epochs, total / Double(runs.pairs.count))
        }
        return try Self.orthonormal(optimizer.parameters[0].detached())
    }

    /// The columns made orthonormal; differentiable.
    static func orthonormal(_ matrix: Tensor) throws -> Tensor {
        matrix.shape[1] == 1 ? try matrix / matrix.norm(0, keepingDims: true) : try matrix.qr().q
    }

    /// The rows of each step of each epoch: small batches of pairs of equal lengths, in random order.
    package func schedule(_ runs: PairedRuns) -> [[(batch: PairBatch, rows: [Int])]] {
        var random = SeededGenerator(seed: seed)
        return (0..<epochs).map { _ in
            var steps: [(batch: PairBatch, rows: [Int])] = []
            for batch in runs.batches {
                let rows = random.shuffled(Array(batch.pairs.indices))
                for start in stride(from: 0, to: rows.count, by: batchSize) {
                    steps.append((batch, Array(rows[start..<min(start + batchSize, rows.count)])))
                }
            }
            return random.shuffled(steps)
        }
    }

    /// What is minimized, summed over some rows of a batch: of their logits `[rows, vocabulary]`.
    func loss(_ logits: Tensor, _ batch: PairBatch, _ rows: [Int]) throws -> Tensor {
        let targets = rows.map { batch.pairs[$0].target }
        switch loss {
        case .crossEntropy:
            return try logits.crossEntropy(Tensor(targets, device: logits.device)) * Double(rows.count)
        case .logitDifference:
            let rivals = rows.map { batch.pairs[$0].isIdentity ? batch.pairs[$0].other : batch.pairs[$0].answer }
            func pick(_ tokens: [Int]) throws -> Tensor {
                try logits.gathered(1, at: Tensor(tokens, shape: [tokens.count, 1], device: logits.device))
            }
            return try (pick(rivals) - pick(targets)).sum()
        }
    }
}
