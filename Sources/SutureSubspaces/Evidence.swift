import Foundation
import SutureTensor

/// What can be measured of a direction in a component by putting values in: effects of its parts, and how far from
/// natural the patched values are.
///
/// Effects are FLDDs: 1 - mean(margin patched) / mean(margin clean).
public struct Evidence: Sendable, Codable {
    /// The patch of the direction, and of the whole component (check F1).
    public var direction: Double
    public var whole: Double
    /// Patches of its parts (F2, F3); nil where there is no map that defines them.
    public var parts: [String: Double]
    public var rowNorm: Double?
    public var nullNorm: Double?
    public var rank: Int?
    /// How well natural values along the read parts tell base from source: |difference of means| / pooled deviation (F6).
    public var rowSeparation: Double?
    public var nullSeparation: Double?
    /// The component's output along what the patch writes, against its natural values (F7).
    public var dormancy: Dormancy
    /// The share of the patch's energy on channels that hardly vary naturally (F8).
    public var quietShare: Double
    /// The share of the changed channels' values that leave the natural range of their channel, by energy (F8).
    public var rangeExit: Double
    /// The distance to the nearest natural value, relative to that of natural values (F8).
    public var neighborRatio: Double
    /// The effect of patching whole the channels that hold a share of the direction's energy (F17).
    public var supersets: [Superset]

    /// Whole channels that hold a share of the direction's energy, and the effect of patching them.
    public struct Superset: Sendable, Codable {
        public var share: Double
        public var channels: Int
        public var effect: Double
    }

    /// The effect of a part, where it is defined.
    public func effect(_ part: SplitDirection.Part) -> Double? { parts[part.rawValue] }

    /// Measures directions `[width, k]` with orthonormal columns; `space` is the row space of the component's own map
    /// unless another is given.
    public init(_ component: some PatchedComponent, _ basis: Tensor, in given: RowSpace? = nil) throws {
        let base = component.base
        let source = component.source
        let clean = Bootstrap.mean(try component.margins(base))
        func effect(_ values: Tensor) throws -> Double {
            clean == 0 ? 0 : 1 - Bootstrap.mean(try component.margins(values)) / clean
        }
        func swapped(_ read: Tensor, _ write: Tensor) throws -> Tensor {
            try base + (source - base).matmul(read).matmul(write.transposed())
        }
        let space = try given ?? component.writing.map { try RowSpace(of: $0) }
        let patched = try swapped(basis, basis)
        direction = try effect(patched)
        whole = try effect(source)
        parts = [:]
        if let space {
            let split = try SplitDirection(basis, in: space)
            for part in SplitDirection.Part.allCases where part != .whole {
                guard let (read, write) = try split.directions(part) else { continue }
                parts[part.rawValue] = try effect(swapped(read, write))
            }
            rowNorm = split.rowNorm
            nullNorm = split.nullNorm
            rank = space.rank
            rowSeparation = try Self.separation(base, source, split.row)
            nullSeparation = try Self.separation(base, source, split.null)
        }
        dormancy = try Self.dormancy(component, patched, basis)
        let natural = try Tensor.concatenated([base, source], 0)
        (quietShare, rangeExit) = try Self.channels(natural, base, patched)
        neighborRatio = try Self.neighbors(natural, patched)
        supersets = try Self.supersets(basis, base, source, effect)
    }

    /// Values along the mean difference within some directions.
    private static func separation(_ base: Tensor, _ source: Tensor, _ directions: Tensor) throws -> Double {
        // Where base and source are classes, |difference| is what a pair shows, whichever way it goes.
        let difference = try (source - base).matmul(directions)
        let axis = try difference.to(.float64).svd().vt.selected(0, 0).unsqueezed(1).to(.float32)
        let gap = try difference.matmul(axis).abs().mean().item()
        let values = try Tensor.concatenated([base, source], 0).matmul(directions).matmul(axis)
        let deviation = try (values - values.mean()).square().mean().item().squareRoot()
        // Of two classes g apart with deviation s in each, the whole deviates by sqrt(s^2 + g^2 / 4).
        let within = max(deviation * deviation - gap * gap / 4, 1e-12 * deviation * deviation).squareRoot()
        return deviation > 0 ? min(gap / within, 1e3) : 0
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

    /// A channel hardly varies if its deviation is below a hundredth of the median channel's.
    private static func channels(_ natural: Tensor, _ base: Tensor, _ patched: Tensor) throws -> (Double, Double) {
        let deviations = try (natural - natural.mean([0], keepingDims: true)).square().mean([0]).sqrt().elements(
            as: Double.self)
        let median = deviations.sorted()[deviations.count / 2]
        let largest = deviations.max() ?? 0
        let quiet = max(median, 0.01 * largest) / 100
        let energy = try (patched - base).square().sum([0]).elements(as: Double.self)
        let total = max(energy.reduce(0, +), 1e-300)
        let onQuiet = zip(energy, deviations).reduce(0) { $0 + ($1.1 <= quiet ? $1.0 : 0) }
        let low = try natural.min([0], keepingDims: true)
        let high = try natural.max([0], keepingDims: true)
        let isOut = try (patched .< low).to(.float32) + (high .< patched).to(.float32)
        let outEnergy = try (isOut * (patched - base).square()).sum().item()
        return (onQuiet / total, outEnergy / total)
    }

    private static func neighbors(_ natural: Tensor, _ patched: Tensor) throws -> Double {
        let limit = min(natural.shape[0], 512)
        let reference = try natural.narrowed(0, 0..<limit)
        let probes = try patched.narrowed(0, 0..<min(patched.shape[0], 256))
        func squares(_ a: Tensor, _ b: Tensor) throws -> Tensor {
            let products = try a.matmul(b.transposed())
            let lengths = try a.square().sum([1], keepingDims: true) + b.square().sum([1]).unsqueezed(0)
            return try (lengths - products * 2).clamped(to: 0...Double.infinity)
        }
        // A natural value's nearest neighbor is not itself.
        let own = try squares(reference, reference)
        let isSelf = try Tensor.arange(0..<limit).unsqueezed(0) .== Tensor.arange(0..<limit).unsqueezed(1)
        let usual = try own.filled(.infinity, where: isSelf).min([1]).sqrt().mean().item()
        let found = try squares(probes, reference).min([1]).sqrt().mean().item()
        return usual > 0 ? found / usual : .infinity
    }

    /// Whole channels in the order of the direction's energy on them.
    private static func supersets(
        _ basis: Tensor, _ base: Tensor, _ source: Tensor, _ effect: (Tensor) throws -> Double
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
            let values = try base.replacing(1, at: indices, with: source.gathered(1, at: indices))
            found.append(Superset(share: share, channels: chosen.count, effect: try effect(values)))
        }
        return found
    }
}
