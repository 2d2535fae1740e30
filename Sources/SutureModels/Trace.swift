import SutureTensor

/// A recorded run: the values that were asked for, and what a replay needs to resume it.
///
/// Kept for every layer: the residual stream entering it and after its attention, `[batch, positions,
/// width]`, and its keys and values. A replay (``replay(_:capturing:logits:)``) then computes only
/// what lies behind a change.
public struct Trace: Sendable {
    public let model: LanguageModel
    /// The prompts, as token ids.
    public let tokens: [[Int]]
    /// The scores of the next token after each prompt, `[batch, vocabulary]`.
    public let logits: Tensor
    /// residuals[l] enters layer l; the last one leaves the last layer.
    let residuals: [Tensor]
    /// middles[l] is the residual stream between attention and MLP of layer l.
    let middles: [Tensor]
    let keyValues: [KeyValues]
    let captured: [Site: Tensor]

    /// The values at a site, `[batch, positions, width]`. Residual sites are always there.
    ///
    /// Throws ``ModelError`` with code `notCaptured` if the run did not keep them.
    public subscript(site: Site) -> Tensor {
        get throws {
            if case .residual(let layer) = site, residuals.indices.contains(layer) { return residuals[layer] }
            return try Activations(firstPosition: 0, logits: logits, captured: captured)[site]
        }
    }

    /// The number of positions of the longest prompt.
    public var length: Int { residuals[0].shape[1] }
}

extension LanguageModel {
    /// Runs prompts and records what replays need, and the values at the sites of `capturing`.
    ///
    /// Capturing `mlp.l.hidden` lets replays of neuron edits in layer l start behind that layer.
    public func trace(_ tokens: [[Int]], capturing: [Site] = []) throws -> Trace {
        try check(tokens: tokens)
        try check([], capturing, length: 0)
        let lengths = tokens.map(\.count)
        let length = lengths.max() ?? 0
        let forward = try Forward(self, positions: 0..<length, capturing: Set(capturing))
        var residuals = [try forward.embed(padded(tokens))]
        var middles: [Tensor] = []
        var keyValues: [KeyValues] = []
        for layer in 0..<architecture.layers {
            let (middle, own) = try forward.attention(layer, residuals[layer], prefix: nil)
            middles.append(middle)
            keyValues.append(own)
            residuals.append(try forward.mlp(layer, middle))
        }
        let sameLength = lengths.allSatisfy { $0 == length }
        let logits = try forward.scores(
            residuals[architecture.layers], .last, lasts: sameLength ? nil : lengths.map { $0 - 1 })
        return Trace(
            model: self, tokens: tokens, logits: logits, residuals: residuals, middles: middles, keyValues: keyValues,
            captured: forward.captured)
    }
}
