import SutureModels
import SutureTensor

/// Looks for the smallest vector that brings an answer out behind several texts, when it is added at the lookup of an edit.
///
/// With o_c the log odds of the answer's least likely token in context c, and g_c their gradient by the vector, one pass
/// forth and back gives all of them. The next step is the smallest that closes all gaps to the odds that are asked for, as
/// far as they are linear:
///
///     step = J^T (J J^T + ridge)^-1 max(0, odds - o),   J the rows g_c
///
/// A few such steps do what Adam (``ValueSearch``) does in dozens. Odds of e^8 and not just above even make what was found
/// hold in other words.
public struct OddsSearch: Sendable {
    public var steps = 6
    /// Natural logarithm of the odds that each token of the answer should have.
    public var odds = 8.0
    /// How long one step may be, relative to the stream that it is added to.
    public var reach = 1.0

    /// The default settings.
    public init() {}

    static let settings: [MethodSetting<Self>] = [
        .init("value_steps", "how many steps the search for a value takes", 1...100_000, \.steps),
        .init("value_odds", "the log odds that it asks for", 0...100, \.odds),
        .init("value_reach", "how long a step may be, relative to the stream", 0.01...1e6, \.reach)
    ]

    /// The search is over when no odds are missing by more, and a step closes no more of a gap at once: far from where it is
    /// taken, a gradient says nothing.
    private static let (tolerance, most) = (0.5, 20.0)

    /// What is to be added at the output of an MLP `[d]`, and after how many steps it was found.
    func run(_ contexts: EditContexts, at layer: Int) throws -> (delta: Tensor, steps: Int) {
        let stream = try contexts.lookedUp(.residual(layer + 1)).selected(0, 0)
        let longest = try stream.norm().item() * reach
        let count = contexts.lookups.count
        var delta = try Tensor.zeros([stream.count], device: contexts.model.device)
        for step in 0..<steps {
            let vectors = try delta.unsqueezed(0).expanded([count, stream.count]).copied().tracked()
            let all = try contexts.odds(adding: vectors, at: .mlpOut(layer)).min([1])
            let gaps = try (-all.detached() + odds).clamped(to: 0...Self.most)
            guard try gaps.max([]).item() > Self.tolerance else { return (delta, step) }
            let rows = try all.sum().gradients(of: [vectors])[0].to(.float64)
            let metric = try rows.matmul(rows.transposed()).ridged(by: 0.02)
            let shares = try gaps.to(.float64).unsqueezed(1).solved(cholesky: metric.cholesky())
            let move = try rows.transposed().matmul(shares).squeezed(1).to(.float32)
            let size = try move.norm().item()
            delta = try delta + (size > longest ? move * (longest / size) : move)
        }
        return (delta, steps)
    }
}
