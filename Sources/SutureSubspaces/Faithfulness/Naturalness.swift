import SutureTensor

/// How far values are from what they are when nobody interferes.
enum Naturalness {
    /// The energy of each pair's change from `base` to `patched` `[pairs, width]`: all of it, what lies on channels that
    /// hardly vary in `natural` `[values, width]`, and what lies beyond channels' natural ranges.
    ///
    /// A channel hardly varies if its deviation is below a hundredth of the median channel's.
    static func energies(_ natural: Tensor, _ base: Tensor, _ patched: Tensor) throws
        -> (total: [Double], quiet: [Double], out: [Double])
    {
        let deviations = try (natural - natural.mean([0], keepingDims: true)).square().mean([0]).sqrt()
        let list = try deviations.elements(as: Double.self)
        let limit = max(list.sorted()[list.count / 2], 0.01 * (list.max() ?? 0)) / 100
        let isQuiet = try Tensor(list.map { $0 <= limit ? 1 : 0 } as [Float])
        let low = try natural.min([0], keepingDims: true)
        let high = try natural.max([0], keepingDims: true)
        let isOut = try (patched .< low).to(.float32) + (high .< patched).to(.float32)
        let energy = try (patched - base).square()
        func sums(_ values: Tensor) throws -> [Double] { try values.sum([1]).elements(as: Double.self) }
        return (try sums(energy), try sums(energy * isQuiet), try sums(energy * isOut))
    }

    /// The distance of each value to the nearest natural one, relative to the mean of that of natural ones to each other.
    static func neighbors(_ natural: Tensor, _ patched: Tensor) throws -> [Double] {
        let limit = min(natural.shape[0], 512)
        let reference = try natural.narrowed(0, 0..<limit)
        let probes = try patched.narrowed(0, 0..<min(patched.shape[0], 256))
        func squares(_ a: Tensor, _ b: Tensor) throws -> Tensor {
            let products = try a.matmul(b.transposed())
            let lengths = try a.square().sum([1], keepingDims: true) + b.square().sum([1]).unsqueezed(0)
            return try (lengths - products * 2).clamped(to: 0...Double.infinity)
        }
        // A natural value's nearest neighbor is not itself, nor the same prompt once more: those are apart by rounding only.
        let own = try squares(reference, reference)
        let lengths = try reference.square().sum([1], keepingDims: true)
        let isSame = try own .<= (lengths + lengths.transposed()) * 1e-6
        let nearest = try own.filled(.infinity, where: isSame).min([1]).sqrt().elements(as: Double.self)
        let usual = Bootstrap.mean(nearest.filter(\.isFinite))
        let found = try squares(probes, reference).min([1]).sqrt().elements(as: Double.self)
        return found.map { usual > 0 ? $0 / usual : .infinity }
    }
}
