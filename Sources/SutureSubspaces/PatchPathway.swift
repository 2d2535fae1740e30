import SutureModels
import SutureTensor

/// Asks of a change of weights what the checks ask of a direction: does it read what the model itself reads, and does it
/// write what the rest of the network is used to?
///
/// An edit Delta of an MLP's output projection adds Delta h to what the MLP writes: it reads the hidden activation h along
/// its right singular vectors and writes along its left ones. That is a subspace patch whose source is the activation
/// itself (Makelov, Lange & Nanda 2023, section 6), so the split of its reading into row space and kernel of the original
/// projection, and the dormancy of what it writes, can be measured as for a direction.
public struct PatchPathway: Sendable, Codable {
    /// One layer's edit.
    public struct Layer: Sendable, Codable {
        public var layer: Int
        public var rank: Int
        /// The share of the reading, by energy, that the original projection sees.
        public var rowShare: Double
        /// The same of a random direction.
        public var randomRowShare: Double
        /// How large what the edit reads is at the repaired tokens, relative to other text (root mean squares).
        public var specificity: Double
        /// What the edit writes at the repaired tokens, against the natural values there.
        public var push: Double
        public var outside: Double
        public var natural: [Double]
        public var patched: [Double]
    }

    public var model: String
    public var prompts: Int
    /// The margin of the wanted token over its strongest rival: before, after, and with only a part of the reading.
    public var before: Double
    public var after: Double
    public var readingRow: Double
    public var readingKernel: Double
    /// KL on other text when what the edit reads is set to its mean in the original model: is it used at all?
    public var use: Double
    /// KL on other text under the edit itself.
    public var sideEffect: Double
    public var layers: [Layer]
    /// Changed tensors that are not output projections of MLPs: not examined.
    public var unexamined: [String]

    /// The share of the effect that comes from reading what the original projection does not see.
    public var kernelShare: Double {
        let effect = after - before
        return effect == 0 ? 0 : (readingKernel - before) / effect
    }

    /// A prompt's tokens and the token that the patch makes the model say.
    public typealias Case = (prompt: [Int], answer: Int)

    public init(
        _ original: LanguageModel, _ patched: LanguageModel, cases: [Case], reference: [[Int]], modelName: String,
        unexamined: [String] = []
    ) throws {
        let reference = reference.filter { $0.count > 1 }
        guard !cases.isEmpty, !reference.isEmpty else {
            throw SubspaceError(.badRequest, "a patch is examined on prompts that it repairs and on other text")
        }
        self = try Tensor.withoutGradients {
            try PatchPathway(examining: original, patched, cases, reference, modelName, unexamined)
        }
    }

    private init(
        examining original: LanguageModel, _ patched: LanguageModel, _ cases: [Case], _ reference: [[Int]],
        _ modelName: String, _ unexamined: [String]
    ) throws {
        let edits = try (0..<original.architecture.layers).compactMap { try WeightEdit(original, patched, layer: $0) }
        guard !edits.isEmpty else {
            throw SubspaceError(
                .badRequest, "the patch changes no output projection of an MLP",
                found: unexamined.joined(separator: ", "),
                hint: "only such changes can be examined")
        }
        let rivals = try cases.map { item in
            let logits = try original.run([item.prompt]).logits
            return try logits.top(2).indices.ints().first { $0 != item.answer } ?? 0
        }
        func margin(_ run: (Case) throws -> Tensor) throws -> Double {
            try Bootstrap.mean(
                zip(cases, rivals).map { item, rival in
                    let logits = try run(item).squeezed(0)
                    return try logits.selected(0, item.answer).item() - logits.selected(0, rival).item()
                })
        }
        model = modelName
        prompts = cases.count
        self.unexamined = unexamined
        before = try margin { try original.run([$0.prompt]).logits }
        after = try margin { try patched.run([$0.prompt]).logits }
        readingRow = try margin { try WeightEdit.run(original, edits, part: .row, $0.prompt).logits }
        readingKernel = try margin { try WeightEdit.run(original, edits, part: .null, $0.prompt).logits }

        let sites = edits.flatMap { [Site.mlpHidden($0.layer), .mlpOut($0.layer)] }
        let atCases = try cases.map { try WeightEdit.run(original, edits, part: .none, $0.prompt, capturing: sites) }
        let elsewhere = try reference.map { try original.run([$0], capturing: sites, logits: .none) }
        layers = try edits.map { edit in
            func rows(_ runs: [Activations], _ site: Site, lastOnly: Bool) throws -> Tensor {
                try Tensor.concatenated(
                    runs.map { run in
                        let values = try run[site].squeezed(0)
                        let count = values.shape[0]
                        return lastOnly ? try values.narrowed(0, count - 1..<count) : values
                    }, 0)
            }
            let here = try rows(atCases, .mlpHidden(edit.layer), lastOnly: true)
            let there = try rows(elsewhere, .mlpHidden(edit.layer), lastOnly: false)
            // The first token's output is an outlier in many models, and says nothing of the others.
            let natural = try Tensor.concatenated(
                elsewhere.map { run in
                    let values = try run[.mlpOut(edit.layer)].squeezed(0)
                    return try values.narrowed(0, 1..<values.shape[0])
                }, 0)
            let own = try rows(atCases, .mlpOut(edit.layer), lastOnly: true)
            let added = try here.linear(edit.delta)
            let axis = try added.to(.float64).svd().vt.selected(0, 0).unsqueezed(1).to(.float32)
            func project(_ values: Tensor) throws -> [Double] { try values.matmul(axis).squeezed(1).elements() }
            let usual = try project(natural)
            let moved = try project(own + added)
            // From the quartiles, which outliers do not move.
            let sorted = usual.sorted()
            let deviation = (sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4]) / 1.349
            func size(_ hidden: Tensor) throws -> Double {
                try hidden.linear(edit.delta).square().sum([1]).mean().item().squareRoot()
            }
            let range = (usual.min() ?? 0)...(usual.max() ?? 0)
            return Layer(
                layer: edit.layer, rank: edit.rank, rowShare: edit.rowShare,
                randomRowShare: Double(edit.space.rank) / Double(edit.space.width),
                specificity: try size(here) / max(size(there), 1e-30),
                push: deviation > 0 ? Bootstrap.mean(try project(added).map(abs)) / deviation : .infinity,
                outside: Bootstrap.mean(moved.map { range.contains($0) ? 0 : 1 }), natural: usual, patched: moved)
        }
        (use, sideEffect) = try Self.elsewhere(original, patched, edits, reference, elsewhere)
    }

    /// KL on other text: without what the edits read, and under the edits.
    private static func elsewhere(
        _ original: LanguageModel, _ patched: LanguageModel, _ edits: [WeightEdit], _ texts: [[Int]],
        _ runs: [Activations]
    ) throws -> (use: Double, sideEffect: Double) {
        let holds = try edits.map { edit in
            let rows = try runs.map { try $0[.mlpHidden(edit.layer)].squeezed(0) }
            let mean = try Tensor.concatenated(rows, 0).mean([0])
            return Intervention(.mlpHidden(edit.layer), .swap(edit.reading, from: mean))
        }
        var sums = (0.0, 0.0)
        var count = 0.0
        for text in texts {
            let before = try original.run([text], logits: .all).logits.logSoftmax()
            func divergence(_ logits: Tensor) throws -> Double {
                try (before.exp() * (before - logits.logSoftmax())).sum().item()
            }
            sums.0 += try divergence(original.run([text], holds, logits: .all).logits)
            sums.1 += try divergence(patched.run([text], logits: .all).logits)
            count += Double(text.count)
        }
        return (sums.0 / count, sums.1 / count)
    }
}

/// A change of one MLP's output projection.
struct WeightEdit {
    let layer: Int
    /// `[d, m]`
    let delta: Tensor
    let rank: Int
    /// What it reads: orthonormal columns `[m, k]`.
    let reading: Tensor
    let space: RowSpace
    /// The share of its energy that reads the row space of the original projection.
    let rowShare: Double
    private let rowDelta: Tensor
    private let nullDelta: Tensor

    enum Part { case row, null, none }

    /// nil where the layer's projection is the same in both models.
    init?(_ original: LanguageModel, _ patched: LanguageModel, layer: Int) throws {
        let before = try original.writeVectors(layer: layer)
        let delta = try patched.writeVectors(layer: layer) - before
        guard try delta.abs().max().item() > 0 else { return nil }
        self.layer = layer
        self.delta = delta
        let (_, s, vt) = try delta.to(.float64).svd()
        let values = try s.elements(as: Double.self)
        // What rounding of stored weights adds is no part of the edit.
        rank = max(1, values.prefix { $0 > 1e-3 * values[0] }.count)
        reading = try vt.narrowed(0, 0..<rank).transposed().to(.float32)
        space = try RowSpace(of: before)
        rowDelta = try space.row(delta).to(.float32)
        nullDelta = try delta - rowDelta
        rowShare = try rowDelta.square().sum().item() / delta.square().sum().item()
    }

    /// Runs the original model with a part of the edits' reading: Delta P h is added to what each MLP writes, from the
    /// lowest layer up, as h changes with what is below.
    static func run(
        _ model: LanguageModel, _ edits: [WeightEdit], part: Part, _ prompt: [Int], capturing: [Site] = []
    ) throws -> Activations {
        var changes: [Intervention] = []
        if part != .none {
            for edit in edits {
                let site = Site.mlpHidden(edit.layer)
                let hidden = try model.run([prompt], changes, capturing: [site], logits: .none)[site]
                changes.append(
                    Intervention(
                        .mlpOut(edit.layer), .add(try hidden.linear(part == .row ? edit.rowDelta : edit.nullDelta))))
            }
        }
        return try model.run([prompt], changes, capturing: capturing)
    }
}
