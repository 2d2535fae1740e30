import Foundation
import SutureTensor

/// What can be measured of a direction in a component by putting values in: effects of its parts, and how far from
/// natural the patched values are.
///
/// Effects are FLDDs: 1 - mean(margin patched) / mean(margin clean).
public struct Evidence: Sendable, Codable {
    /// The patch of the direction, and of the whole component.
    public var direction: Estimate
    public var whole: Estimate
    /// Patches of its parts; nil where there is no map that defines them.
    public var parts: [String: Estimate]
    /// Reading the kernel part and reading the row part together, less the direction.
    public var additivity: Estimate?
    public var rowNorm: Double?
    public var nullNorm: Double?
    public var rank: Int?
    /// How well natural values along the read parts tell base from source: |difference of means| / pooled deviation.
    public var rowSeparation: Estimate?
    public var nullSeparation: Estimate?
    /// Natural values along what the parts read, of bases and sources.
    public var inputs: [String: Inputs]
    /// The component's output along what the patch writes, against its natural values.
    public var dormancy: Dormancy
    /// The share of the patch's energy on channels that hardly vary naturally.
    public var quietShare: Estimate
    /// The share of the changed channels' values that leave the natural range of their channel, by energy.
    public var rangeExit: Estimate
    /// The distance to the nearest natural value, relative to that of natural values.
    public var neighborRatio: Estimate
    /// The effect of patching whole the channels that hold a share of the direction's energy.
    public var supersets: [Superset]

    /// Values of bases and sources along one axis.
    public struct Inputs: Sendable, Codable {
        public var base: [Double]
        public var source: [Double]
    }

    /// Whole channels that hold a share of the direction's energy, and the effect of patching them.
    public struct Superset: Sendable, Codable {
        public var share: Double
        public var channels: Int
        public var effect: Estimate
    }

    /// The effect of a part, where it is defined.
    public func effect(_ part: SplitDirection.Part) -> Estimate? { parts[part.rawValue] }

    /// Measures directions `[width, k]` with orthonormal columns; `space` is the row space of the component's own map
    /// unless another is given. Intervals are from `resamples` of the pairs, and of no width where there are none.
    public init(
        _ component: some PatchedComponent, _ basis: Tensor, in given: RowSpace? = nil, resamples: Int = 0
    ) throws {
        let base = component.base
        let source = component.source
        let clean = try component.margins(base)
        func estimate(_ columns: [[Double]], _ statistic: ([Double]) -> Double) -> Estimate {
            Bootstrap.estimate(columns, resamples: resamples, statistic)
        }
        func fldd(_ margins: [Double]) -> Estimate {
            estimate([clean, margins]) { $0[0] == 0 ? 0 : 1 - $0[1] / $0[0] }
        }
        func swapped(_ read: Tensor, _ write: Tensor) throws -> Tensor {
            try base + (source - base).matmul(read).matmul(write.transposed())
        }
        let space = try given ?? component.writing.map { try RowSpace(of: $0) }
        let patched = try swapped(basis, basis)
        let own = try component.margins(patched)
        direction = fldd(own)
        whole = fldd(try component.margins(source))
        parts = [:]
        inputs = [:]
        if let space {
            let split = try SplitDirection(basis, in: space)
            var margins: [SplitDirection.Part: [Double]] = [:]
            for part in SplitDirection.Part.allCases where part != .whole {
                guard let (read, write) = try split.directions(part) else { continue }
                margins[part] = try component.margins(swapped(read, write))
                parts[part.rawValue] = margins[part].map(fldd)
            }
            if let null = margins[.readNull], let row = margins[.readRow] {
                // (1 - null / clean) + (1 - row / clean) - (1 - own / clean)
                additivity = estimate([clean, null, row, own]) {
                    $0[0] == 0 ? 0 : 1 - ($0[1] + $0[2] - $0[3]) / $0[0]
                }
            }
            rowNorm = split.rowNorm
            nullNorm = split.nullNorm
            rank = space.rank
            let row = try Self.along(base, source, split.row)
            let null = try Self.along(base, source, split.null)
            inputs = ["row": row, "null": null]
            rowSeparation = Self.separation(row, estimate)
            nullSeparation = Self.separation(null, estimate)
        }
        dormancy = try Self.dormancy(component, patched, basis)
        let natural = try Tensor.concatenated([base, source], 0)
        let energies = try Naturalness.energies(natural, base, patched)
        quietShare = estimate([energies.quiet, energies.total]) { $0[0] / max($0[1], 1e-300) }
        rangeExit = estimate([energies.out, energies.total]) { $0[0] / max($0[1], 1e-300) }
        neighborRatio = estimate([try Naturalness.neighbors(natural, patched)]) { $0[0] }
        supersets = try Self.supersets(basis, base, source) { fldd(try component.margins($0)) }
    }

    /// Values along the strongest difference of source and base within some directions.
    private static func along(_ base: Tensor, _ source: Tensor, _ directions: Tensor) throws -> Inputs {
        let difference = try (source - base).matmul(directions)
        let axis = try difference.to(.float64).svd().vt.selected(0, 0).unsqueezed(1)
        func project(_ values: Tensor) throws -> [Double] {
            try values.matmul(directions).to(.float64).matmul(axis).squeezed(1).elements(as: Double.self)
        }
        return Inputs(base: try project(base), source: try project(source))
    }

    /// |source - base|, in deviations within a class.
    private static func separation(
        _ inputs: Inputs, _ estimate: ([[Double]], ([Double]) -> Double) -> Estimate
    ) -> Estimate {
        let pairs = zip(inputs.base, inputs.source)
        let columns = [
            pairs.map { abs($1 - $0) }, pairs.map { ($0 + $1) / 2 }, pairs.map { ($0 * $0 + $1 * $1) / 2 }
        ]
        return estimate(columns) { means in
            let gap = means[0]
            let variance = means[2] - means[1] * means[1]
            guard variance > 0 else { return 0 }
            // Of two classes g apart with deviation s in each, the whole varies by s^2 + g^2 / 4.
            return min(gap / max(variance - gap * gap / 4, 1e-12 * variance).squareRoot(), 1e3)
        }
    }

    /// Along the direction of output that the patch writes: W v where the component writes by W, else v itself.
    private static func dormancy(_ component: some PatchedComponent, _ patched: Tensor, _ basis: Tensor) throws
        -> Dormancy
    {
        let pushed = try (patched - component.base)
        let moved = try component.writing.map { try pushed.matmul($0.transposed()) } ?? pushed
        let axis = try moved.to(.float64).svd().vt.selected(0, 0).unsqueezed(1).to(.float32)
        func project(_ values: Tensor) throws -> [Double] {
            try (component.writing.map { try values.matmul($0.transposed()) } ?? values).matmul(axis).squeezed(1)
                .elements()
        }
        return Dormancy(
            base: try project(component.base), source: try project(component.source), patched: try project(patched))
    }

    /// Whole channels in the order of the direction's energy on them.
    private static func supersets(
        _ basis: Tensor, _ base: Tensor, _ source: Tensor, _ effect: (Tensor) throws -> Estimate
    ) throws -> [Superset] {
        let energy = try basis.square().sum([1]).elements(as: Double.self)
        let total = energy.reduce(0, +)
        let order = energy.indices.sorted { (energy[$0], $1) > (energy[$1], $0) }
        var found: [Superset] = []
        for share in [0.5, 0.8, 0.99] {
            var sum = 0.0
            var chosen: [Int] = []
            for index in order where sum < share * total * (1 - 1e-9) {
                sum += energy[index]
                chosen.append(index)
            }
            let indices = try Tensor(chosen)
            let values = try base.replacing(1, at: indices, with: source.indexSelected(1, at: indices))
            found.append(Superset(share: share, channels: chosen.count, effect: try effect(values)))
        }
        return found
    }
}
