import SutureModels
import SutureTensor

/// Looks for what is to be added at the lookup of an edit for the answer to come out: v* - v of ROME (arXiv 2202.05262),
/// z - h of MEMIT (arXiv 2210.07229).
///
/// Adam on delta, from 0, minimizes
///
///     NLL(answer) + divergence KL(p || p0) + decay |delta| / |v|^2,   |delta| <= clamp |v|
///
/// NLL is the mean over the answer's tokens and all contexts; KL compares what comes after the subject alone, with the
/// edit and without, and is left out where there is no subject. Gradients flow through the layers and positions behind
/// the lookup only.
public struct ValueSearch: Sendable {
    public var steps = 25
    public var rate = 0.5
    public var decay = 1e-3
    public var clamp = 4.0
    public var divergence = 0.0625
    /// The loss at which the search ends.
    public var enough = 0.05

    /// The default settings.
    public init() {}

    static let settings: [MethodSetting<Self>] = [
        .init("value_steps", "how many steps the search for a value takes", 1...100_000, \.steps),
        .init("value_rate", "its learning rate", 0...100, \.rate),
        .init("value_decay", "its weight decay", 0...1000, \.decay),
        .init("value_clamp", "how long a step may be, relative to the value", 0...1e6, \.clamp),
        .init("value_divergence", "the weight of what comes after the subject alone", 0...1000, \.divergence)
    ]

    private struct Enough: Error {}

    /// What is to be added `[d]`, the losses on the way, and v `[d]`, the value in the first context.
    func run(_ contexts: EditContexts, at site: Site) throws -> (delta: Tensor, losses: [Double], value: Tensor) {
        let model = contexts.model
        let value = try contexts.lookedUp(site).selected(0, 0)
        let length = try value.norm().item()
        let optimizer = try Optimizer([.zeros([value.count], device: model.device)], .adam(rate: rate))
        var losses: [Double] = []
        do {
            for _ in 1..<max(steps, 2) {
                try optimizer.step { parameters in
                    let delta = parameters[0]
                    var loss = try contexts.loss(adding: delta, at: site, divergence: divergence)
                    // The norm has no gradient at 0, where it is taken to be 0.
                    let isZero = losses.isEmpty
                    if !isZero { loss = try loss + delta.norm() * (decay / (length * length)) }
                    losses.append(try loss.item())
                    if losses[losses.count - 1] < enough { throw Enough() }
                    return loss
                }
                try optimizer.move { delta in
                    let size = try delta.norm().item()
                    return size > clamp * length ? try delta * (clamp * length / size) : delta
                }
            }
        } catch is Enough {}
        return (try optimizer.parameters[0].detached().copied(), losses, value)
    }
}
