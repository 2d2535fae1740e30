import SutureModels
import SutureTensor

/// What vectors of the residual stream mean in terms of the vocabulary, by the output head W `[vocabulary, d]`.
///
/// Everything goes through the Gram matrix G = W^T W `[d, d]` and its Cholesky factor, so that no
/// pseudoinverse of the head is needed: row v of pinv(W^T) is G^-1 w_v, and a difference of two such
/// rows is one triangular solve. (Vocabulary-defined semantics, arXiv 2401.16184, 3.1.)
public struct SemanticBasis: Sendable {
    private let model: LanguageModel
    private let factor: Tensor
    private let readFactor: Tensor

    /// Costs one product over the vocabulary; keep it for all failures of a model.
    public init(_ model: LanguageModel) throws {
        self.model = model
        let gram = try model.headGram().to(.float64)
        factor = try gram.ridged(by: 1e-6).cholesky()
        // The same for the head as it reads: through the last norm's gain, and centered where the norm centers.
        let gain = try model.finalGain.to(.float64)
        var read = try gram * gain * gain.unsqueezed(1)
        if model.architecture.norm == .layer {
            read = try read - read.mean([0], keepingDims: true)
            read = try read - read.mean([1], keepingDims: true)
        }
        readFactor = try read.ridged(by: 1e-6).cholesky()
    }

    /// s_target - s_other `[d]`: the difference of the latent vectors whose logits fit one-hot rows best.
    public func difference(_ target: Int, _ other: Int) throws -> Tensor {
        try solve(contrast(of: target, other), factor)
    }

    /// The contrast between two tokens as the head reads it after the last norm: gain * (w_target - w_other) `[d]`.
    public func contrast(_ target: Int, _ other: Int) throws -> Tensor {
        let contrast = try contrast(of: target, other) * model.finalGain
        return model.architecture.norm == .layer ? try contrast - contrast.mean([0], keepingDims: true) : contrast
    }

    /// The difference of two rows of the head.
    private func contrast(of target: Int, _ other: Int) throws -> Tensor {
        let rows = try model.headRows(of: [target, other])
        return try rows.selected(0, 0) - rows.selected(0, 1)
    }

    /// The direction d* = G^-1 c / (c . G^-1 c) `[d]` that raises a contrast c by one logit (before the
    /// norm's scale) and moves all logits least in the sum of squares.
    public func lift(_ contrast: Tensor) throws -> Tensor {
        let direction = try solve(contrast, readFactor)
        return try direction / (direction * contrast).sum()
    }

    /// G^-1 v for each row of `[n, d]`: directions that move the same logits, and all others least.
    func lifted(_ rows: Tensor) throws -> Tensor {
        try rows.to(.float64).transposed().solved(cholesky: readFactor).transposed().to(.float32)
    }

    /// The sum over all tokens of the squared logits that each column of `vectors` `[d, n]` writes, `[n]`, before
    /// the last norm's scale: diag(V^T G V).
    public func energy(of vectors: Tensor) throws -> Tensor {
        try readFactor.transposed().matmul(vectors.to(.float64)).square().sum([0]).to(.float32)
    }

    private func solve(_ vector: Tensor, _ factor: Tensor) throws -> Tensor {
        try vector.to(.float64).unsqueezed(1).solved(cholesky: factor).squeezed(1).to(.float32)
    }
}

extension LanguageModel {
    /// What the last norm divides residual vectors `[..., d]` by: their RMS, or their standard deviation. `[..., 1]`
    func finalScale(_ residual: Tensor) throws -> Tensor {
        let centered = architecture.norm == .layer ? try residual - residual.mean([-1], keepingDims: true) : residual
        return try (centered.square().mean([-1], keepingDims: true) + architecture.epsilon).sqrt()
    }
}

extension Tensor {
    /// A square matrix with `share` of its mean diagonal element added to the diagonal.
    func ridged(by share: Double) throws -> Tensor {
        let width = shape[0]
        let elements = try reshaped([-1])
        let diagonal = try Tensor((0..<width).map { $0 * (width + 1) }, device: device)
        let ridge = try elements.indexSelected(0, at: diagonal).mean() * share
        return try elements.adding(0, at: diagonal, ridge.expanded([width])).reshaped(shape)
    }
}
