import SutureModels
import SutureTensor

/// Causal tracing (Meng et al. 2022): noise on a subject's embeddings, then clean states put back one at a time.
public struct CausalTrace: Sendable {
    /// The probability of the answer without noise, and with it.
    public let clean: Double
    public let corrupted: Double
    /// How much of the difference each state of the residual stream brings back, layers x positions, averaged over noise.
    public let restored: [[Double]]
    /// How strong the noise was, and how often it was drawn.
    public let noise: Double
    public let samples: Int

    /// `noise` is in units of the deviation of the prompt's own embeddings; Meng et al. use 3.
    public init(
        _ model: LanguageModel, _ prompt: [Int], subject: Range<Int>, answer: Int, noise: Double = 3, samples: Int = 4,
        seed: UInt64 = 0, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard subject.lowerBound >= 0, subject.upperBound <= prompt.count, !subject.isEmpty, samples > 0 else {
            throw SubspaceError(
                .badRequest, "the subject is not in the prompt", expected: "in 0..<\(prompt.count)", found: "\(subject)"
            )
        }
        func probability(_ logits: Tensor) throws -> [Double] { try logits.softmax().selected(1, answer).elements() }
        let layers = model.architecture.layers
        let random = try RandomSource(seed: seed)
        let found = try Tensor.withoutGradients {
            let trace = try model.trace([prompt])
            let embedded = try trace[.residual(0)]
            let deviation = try (embedded - embedded.mean()).square().mean().item().squareRoot()
            var sums = [Double](repeating: 0, count: layers * prompt.count)
            var low = 0.0
            for sample in 0..<samples {
                let added = try random.normal([subject.count, embedded.shape[2]]) * (noise * deviation)
                let disturbed = try model.trace([prompt]) {
                    try $0.adding(1, at: Tensor(Array(subject)), added.unsqueezed(0))
                }
                low += try probability(disturbed.logits)[0]
                let cells = try (0..<layers).flatMap { layer in
                    try prompt.indices.map { position in
                        let value = try trace[.residual(layer)].narrowed(1, position..<position + 1)
                        return Alternative([Intervention(.residual(layer), at: .at([position]), .replace(value))])
                    }
                }
                for (index, value) in try probability(disturbed.replay(cells).logits).enumerated() {
                    sums[index] += value
                }
                progress("sweeping", sample + 1, samples)
            }
            return (try probability(trace.logits)[0], low / Double(samples), sums.map { $0 / Double(samples) })
        }
        (self.noise, self.samples) = (noise, samples)
        clean = found.0
        corrupted = found.1
        let gap = found.0 - found.1
        restored = stride(from: 0, to: found.2.count, by: prompt.count).map { start in
            found.2[start..<start + prompt.count].map { gap == 0 ? 0 : ($0 - found.1) / gap }
        }
    }
}
