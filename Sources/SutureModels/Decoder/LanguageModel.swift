import Foundation
import SutureFormats
import SutureTensor

/// A decoder that was loaded: weights, architecture and, where it has one, its tokenizer.
///
/// A loaded model never changes. ``replacing(_:)`` and ``applying(_:)`` give another model that shares
/// all weights but the changed ones.
public final class LanguageModel: Sendable {
    public let architecture: Architecture
    public let device: Device
    let weights: Weights
    /// The tensors under their checkpoint names.
    let tensors: [String: StoredTensor]
    /// Where weights that are stored in fewer bits are widened to float32.
    let memory: WeightMemory
    /// The files that it was loaded from, by which changes are rounded; see ``storable(_:strength:)``.
    let storage: Checkpoint?
    /// The processes that share its layers, where this one holds but some.
    let ring: LayerRing?
    /// What changes each of its runs: see ``intervening(_:)``.
    public let interventions: [Intervention]
    private let lock = NSLock()
    // Guarded by the lock.
    nonisolated(unsafe) private var decoder: LanguageModel?

    /// A model from tensors under their checkpoint names.
    ///
    /// Throws ``ModelError`` with code `badWeights` for a tensor that is missing or has another shape.
    public convenience init(_ architecture: Architecture, tensors: [String: Tensor], device: Device = .cpu) throws {
        try self.init(
            architecture, tensors: tensors.mapValues { StoredTensor(try $0.to(.float32).to(device)) }, device: device,
            memory: WeightMemory(limit: 0))
    }

    /// A model from tensors as a checkpoint stores them, whose matrices are widened in some memory.
    convenience init(
        _ architecture: Architecture, tensors: [String: StoredTensor], device: Device, memory: WeightMemory,
        storage: Checkpoint? = nil, ring: LayerRing? = nil
    ) throws {
        try self.init(
            architecture, tensors: tensors, device: device, memory: memory, storage: storage, ring: ring, sharing: nil,
            changed: [], interventions: [])
    }

    private init(
        _ architecture: Architecture, tensors: [String: StoredTensor], device: Device, memory: WeightMemory,
        storage: Checkpoint?, ring: LayerRing?, sharing old: Weights?, changed: Set<String>,
        interventions: [Intervention]
    ) throws {
        let architecture = try architecture.prefixed { tensors[$0] != nil }
        // Some GPT-2 and Llama checkpoints hold a head although the configuration ties it.
        self.architecture = architecture
        self.device = device
        self.interventions = interventions
        self.tensors = tensors
        self.memory = memory
        self.storage = storage
        self.ring = ring
        try ring?.requireHeld(changed, architecture)
        weights = try Weights(architecture, tensors, holding: ring?.held, sharing: old, changed: changed)
    }

    private init(decoding model: LanguageModel) {
        (architecture, device, interventions) = (model.architecture, model.device, model.interventions)
        (tensors, memory, storage, ring) = (model.tensors, model.memory, model.storage, model.ring)
        weights = model.weights.takingStored
    }

    /// The same model for a token or a few at a time, which multiplies with its weights as they are stored: what is read of
    /// memory is what takes the time then.
    var decoding: LanguageModel {
        lock.withLock {
            let decoding = decoder ?? LanguageModel(decoding: self)
            decoder = decoding
            return decoding
        }
    }

    /// How many bytes of weights are widened to float32 when they are used, how many of these may be held, and are held now.
    package var widening: (all: Int, limit: Int, held: Int) {
        (tensors.values.reduce(0) { $0 + ($1.ready == nil ? $1.byteCount : 0) }, memory.limit, memory.heldBytes)
    }

    /// The same model with some tensors replaced, under their checkpoint names.
    public func replacing(_ replacements: [String: Tensor]) throws -> LanguageModel {
        try replacing(replacements.mapValues { StoredTensor(try $0.to(.float32).to(device)) })
    }

    func replacing(_ replacements: [String: StoredTensor], removing gone: Set<String> = []) throws -> LanguageModel {
        try LanguageModel(
            architecture, tensors: tensors.filter { !gone.contains($0.key) }.merging(replacements) { $1 },
            device: device, memory: memory, storage: storage, ring: ring, sharing: weights,
            changed: gone.union(replacements.keys), interventions: interventions)
    }

    /// The same model under interventions that change each of its runs: generation, traces, replays, evaluations.
    ///
    /// They hold at every position, also of tokens that are written, and come before those of a single run. What is
    /// computed from weights alone, such as what a neuron writes, does not know of them.
    ///
    /// Throws ``ModelError`` for a site or units that the model does not have, and for values that are not the same at
    /// all positions: each tensor must fit `[1, 1, width]`.
    public func intervening(_ interventions: [Intervention]) throws -> LanguageModel {
        for intervention in interventions {
            guard intervention.positions == .all, intervention.site != .logits else {
                throw ModelError(
                    .outOfRange, "what changes all runs is at all positions of a site in a layer",
                    subject: "\(intervention.site)")
            }
            try intervention.check(architecture, lengths: [1])
        }
        return try LanguageModel(
            architecture, tensors: tensors, device: device, memory: memory, storage: storage, ring: ring,
            sharing: weights, changed: [], interventions: self.interventions + interventions)
    }

    /// The output head, `[vocabulary, width]`: large, and where it is stored in fewer bits, made anew each time.
    public var head: Tensor { get throws { try weights.head.stored.widenedOnce() } }

    /// The rows of the output head of some tokens, `[tokens, width]`.
    public func headRows(of tokens: [Int]) throws -> Tensor {
        try check(tokens: tokens)
        return try weights.head.rows(of: tokens)
    }

    /// The products of a vector `[width]` with all rows of the output head, `[vocabulary]`.
    public func headProducts(with vector: Tensor) throws -> Tensor { try weights.head.products(with: vector) }

    /// W^T W `[width, width]` of the output head W.
    public func headGram() throws -> Tensor { try weights.head.gram() }

    /// The vector by which a token enters the model, `[width]`.
    public func embedding(_ token: Int) throws -> Tensor {
        try check(tokens: [token])
        return try weights.embedding.rows(at: Tensor([token], device: device)).squeezed(0)
    }

    /// The gain of the norm before the head, `[width]`.
    public var finalGain: Tensor { weights.finalNorm.gain }

    /// The scores of the next token for residual vectors `[..., width]` that leave the last layer.
    public func logits(ofResidual residual: Tensor) throws -> Tensor {
        try bounded(weights.head(weights.finalNorm(residual)))
    }

    /// Scores as the model gives them out.
    private func bounded(_ scores: Tensor) throws -> Tensor {
        let scaled = architecture.logitScale == 1 ? scores : try scores * architecture.logitScale
        return try architecture.logitCap.map { try (scaled / $0).tanh() * $0 } ?? scaled
    }

    /// The same for a few tokens only.
    package func logits(ofResidual residual: Tensor, of tokens: [Int]) throws -> Tensor {
        try check(tokens: tokens)
        return try bounded(weights.head(weights.finalNorm(residual), of: tokens))
    }

    /// Throws unless all tokens are of the vocabulary.
    func check(tokens: [Int]) throws {
        for token in tokens where !(0..<architecture.vocabulary).contains(token) {
            throw ModelError(
                .outOfRange, "a token is not in the vocabulary", expected: "0..<\(architecture.vocabulary)",
                found: "\(token)")
        }
    }

    /// Throws unless every prompt has tokens, all of the vocabulary, and fits the context.
    func check(tokens: [[Int]]) throws {
        guard !tokens.isEmpty else { throw ModelError(.outOfRange, "there is no prompt to run") }
        for prompt in tokens {
            guard (1...architecture.contextLength).contains(prompt.count) else {
                throw ModelError(
                    .outOfRange, "the prompt does not fit the model",
                    expected: "1...\(architecture.contextLength) tokens",
                    found: "\(prompt.count)", hint: architecture.lengthHint)
            }
            try check(tokens: prompt)
        }
    }
}

extension LanguageModel {
    /// The matrix `[d, width]` by which what is at a site is written to the residual stream: the output projection of an
    /// MLP or of attention; nil for sites that are not read by one projection alone, and where a norm or a factor lies
    /// between.
    public func writing(_ site: Site) throws -> Tensor? {
        try site.check(architecture)
        guard architecture.writesDirectly else { return nil }
        switch site {
        case .mlpHidden(let layer): return try weights.layer(layer).down.weight
        case .heads(let layer): return try weights.layer(layer).output.weight
        case .head(let layer, let head):
            let width = architecture.headWidth
            return try weights.layer(layer).output.weight.narrowed(1, head * width..<(head + 1) * width)
        default: return nil
        }
    }

    /// How the queries of a head read the residual stream, `[head width, d]`: its part of the projection times the norm's
    /// gain, and centered where the norm centers. The norm's scale is left out, and that of the queries' own norm if they
    /// have one.
    public func queryReading(layer: Int, head: Int) throws -> Tensor {
        try Site.head(layer: layer, index: head).check(architecture)
        let width = architecture.headWidth
        let layer = try weights.layer(layer)
        let rows = head * width..<(head + 1) * width
        var reading = try layer.query.weight.narrowed(0, rows)
        if let norm = layer.attentionNorm { reading = try reading * norm.gain }
        if let gain = layer.queryNorm?.gain {
            reading = try reading * (architecture.normsHeadsTogether ? gain.narrowed(0, rows) : gain).unsqueezed(1)
        }
        return architecture.norm == .layer ? try reading - reading.mean([1], keepingDims: true) : reading
    }
}
