import SutureTensor

/// Whether a direction that a patch writes along varies when nobody patches.
///
/// A direction is dormant if it can change the output but its natural value hardly differs between the inputs that are
/// contrasted. Everything is measured along one direction of reading, such as the gradient of the heads that read the
/// component's output.
public struct Dormancy: Sendable, Codable {
    /// Natural values of bases and sources along the direction, and the values under the patch.
    public var natural: [Double]
    public var patched: [Double]
    /// The mean |source - base| of natural values.
    public var gap: Double
    /// The mean |patched - base|.
    public var push: Double
    /// The share of patched values outside the range of all natural ones.
    public var outside: Double

    /// How many times the natural difference the patch moves the output; above 3 it leaves what the model does itself.
    public var ratio: Double { gap > 0 ? push / gap : .infinity }

    /// ``ratio`` and ``outside`` with their intervals over pairs.
    public func estimates() -> (ratio: Estimate, outside: Estimate) {
        let base = natural.prefix(patched.count)
        let source = natural.suffix(patched.count)
        let gaps = zip(base, source).map { abs($1 - $0) }
        let pushes = zip(base, patched).map { abs($1 - $0) }
        let range = (natural.min() ?? 0)...(natural.max() ?? 0)
        return (
            Bootstrap.estimate([pushes, gaps]) { $0[1] > 0 ? $0[0] / $0[1] : .infinity },
            Bootstrap.estimate([patched.map { range.contains($0) ? 0 : 1 }]) { $0[0] }
        )
    }

    /// Values of bases, sources and patched bases `[pairs]`.
    public init(base: [Double], source: [Double], patched: [Double]) {
        natural = base + source
        self.patched = patched
        gap = Bootstrap.mean(zip(base, source).map { abs($1 - $0) })
        push = Bootstrap.mean(zip(base, patched).map { abs($1 - $0) })
        let range = (natural.min() ?? 0)...(natural.max() ?? 0)
        outside = Bootstrap.mean(patched.map { range.contains($0) ? 0 : 1 })
    }

    /// What a patch of hidden values u `[pairs, width]` makes of the output u W^T along `direction` `[d]`.
    ///
    /// The output is linear in u, so no run is needed.
    public init(base: Tensor, source: Tensor, read: Tensor, write: Tensor, writing: Tensor, along direction: Tensor)
        throws
    {
        let reader = try writing.to(.float64).transposed().matmul(direction.to(.float64).reshaped([-1, 1]))
        func project(_ values: Tensor) throws -> Tensor { try values.to(.float64).matmul(reader).squeezed(1) }
        let seen = try (source - base).to(.float64).matmul(read.to(.float64))
        let moved = try base.to(.float64) + seen.matmul(write.to(.float64).transposed())
        self.init(
            base: try project(base).elements(), source: try project(source).elements(),
            patched: try project(moved).elements())
    }
}
