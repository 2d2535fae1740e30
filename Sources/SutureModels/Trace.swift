import SutureTensor

/// A recorded run: the values that were asked for, and what a replay needs to resume it.
///
/// Kept for every layer from ``firstLayer``: the residual stream entering it and after its attention,
/// `[batch, positions, width]`, and its keys and values. A replay (``replay(_:capturing:logits:)``) then
/// computes only what lies behind a change.
public struct Trace: Sendable {
    public let model: LanguageModel
    /// The prompts, as token ids.
    public let tokens: [[Int]]
    /// The scores of the next token after each prompt, `[batch, vocabulary]`.
    public let logits: Tensor
    /// The lowest layer that replays can resume at.
    public let firstLayer: Int
    /// residuals[l - firstLayer] enters layer l; the last one leaves the last layer.
    private let residuals: [Tensor]
    /// middles[l - firstLayer] is the residual stream between attention and MLP of layer l.
    private let middles: [Tensor]
    private let keyValues: [KeyValues]
    let captured: [Site: Tensor]

    /// The values at a site, `[batch, positions, width]`. Residual sites are always there.
    ///
    /// Throws ``ModelError`` with code `notCaptured` if the run did not keep them.
    public subscript(site: Site) -> Tensor {
        get throws {
            if case .residual(let layer) = site, residuals.indices.contains(layer - firstLayer) {
                return residuals[layer - firstLayer]
            }
            return try Activations(firstPosition: 0, logits: logits, captured: captured)[site]
        }
    }

    /// The number of positions of the longest prompt.
    public var length: Int { residuals[0].shape[1] }

    /// The residual stream at an entry; the trace reaches down to it.
    func stream(_ entry: Entry) -> Tensor {
        entry.stage == .attention ? residuals[entry.layer - firstLayer] : middles[entry.layer - firstLayer]
    }

    func keyValues(_ layer: Int) -> KeyValues { keyValues[layer - firstLayer] }

    init(
        _ model: LanguageModel, tokens: [[Int]], logits: Tensor, firstLayer: Int, residuals: [Tensor],
        middles: [Tensor], keyValues: [KeyValues], captured: [Site: Tensor]
    ) {
        self.model = model
        self.tokens = tokens
        self.logits = logits
        self.firstLayer = firstLayer
        self.residuals = residuals
        self.middles = middles
        self.keyValues = keyValues
        self.captured = captured
    }
}

extension LanguageModel {
    /// Runs prompts and records what replays need, and the values at the sites of `capturing`.
    ///
    /// Capturing `mlp.l.hidden` lets replays of neuron edits in layer l start behind that layer. A trace from a higher
    /// layer is smaller, and replays cannot change what lies below it.
    ///
    /// `changing` may disturb the embeddings `[batch, positions, width]`: replays then resume the disturbed run.
    public func trace(
        _ tokens: [[Int]], capturing: [Site] = [], from firstLayer: Int = 0,
        changing embeddings: (Tensor) throws -> Tensor = { $0 }
    ) throws -> Trace {
        try check(tokens: tokens)
        try check([], capturing, lengths: [])
        guard (0...architecture.layers).contains(firstLayer) else {
            throw ModelError(
                .outOfRange, "the model has no such layer", expected: "0...\(architecture.layers)",
                found: "\(firstLayer)")
        }
        let lengths = tokens.map(\.count)
        let length = lengths.max() ?? 0
        let forward = try Forward(self, positions: 0..<length, capturing: Set(capturing))
        var residual = try embeddings(forward.embed(padded(tokens)))
        var residuals: [Tensor] = []
        var middles: [Tensor] = []
        var keyValues: [KeyValues] = []
        for layer in 0..<architecture.layers {
            let (middle, own) = try forward.attention(layer, residual, prefix: nil)
            if layer >= firstLayer {
                residuals.append(residual)
                middles.append(middle)
                keyValues.append(own)
            }
            residual = try forward.mlp(layer, middle)
        }
        residuals.append(residual)
        let sameLength = lengths.allSatisfy { $0 == length }
        let logits = try forward.scores(residual, .last, lasts: sameLength ? nil : lengths.map { $0 - 1 })
        return Trace(
            self, tokens: tokens, logits: logits, firstLayer: firstLayer, residuals: residuals, middles: middles,
            keyValues: keyValues, captured: forward.captured)
    }
}
