import SutureTensor

extension Corruption {
    /// Images `[count, channels, height, width]` (uint8), each corrupted by one of `kinds` that is drawn for it; equal
    /// seeds give equal images.
    public static func mixed(_ kinds: [Corruption], on pixels: Tensor, seed: UInt64) throws -> Tensor {
        var random = SeededGenerator(seed: seed)
        let drawn = (0..<pixels.shape[0]).map { _ in random.below(kinds.count) }
        var result = pixels
        for (index, corruption) in kinds.enumerated() {
            let seed = random.next()
            let places = drawn.indices.filter { drawn[$0] == index }
            if places.isEmpty { continue }
            let changed = try corruption.applied(to: pixels.indexSelected(0, at: places), seed: seed)
            result = try result.replacing(0, at: Tensor(places), with: changed)
        }
        return result
    }
}
