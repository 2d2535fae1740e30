/// Where each element of a new tensor comes from: what operators such as Transpose, Slice and Expand do.
///
/// Elements are followed one by one, so that it makes no difference in which way an exporter writes a rearrangement.
struct GraphMovement {
    let shape: [Int]
    /// For each element, row-major, its place in the old tensor; -1 for a zero that comes from nowhere.
    let source: [Int32]

    /// The most elements that have places.
    static let maximumCount = 1 << 28

    /// The product of sizes; nil where there are too many elements to follow, or a size is negative.
    static func count(_ shape: [Int]) -> Int? {
        var count = 1
        for size in shape {
            guard size >= 0, size <= maximumCount else { return nil }
            count *= size
            guard count <= maximumCount else { return nil }
        }
        return count
    }

    /// How far apart neighbours are along each axis.
    static func strides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
        return strides
    }

    /// Elements whose places go up by `strides` from `offset`; they must lie in the old tensor.
    init(_ shape: [Int], strides: [Int], offset: Int = 0) {
        var source: [Int32] = [Int32(offset)]
        source.reserveCapacity(shape.reduce(1, *))
        for (size, stride) in zip(shape, strides).reversed() {
            let part = source
            source.removeAll(keepingCapacity: true)
            for index in 0..<size { source += part.map { $0 + Int32(index * stride) } }
        }
        (self.shape, self.source) = (shape, source)
    }

    init(shape: [Int], source: [Int32]) { (self.shape, self.source) = (shape, source) }

    static func transposing(_ shape: [Int], _ order: [Int]) -> GraphMovement? {
        guard order.sorted() == Array(shape.indices) else { return nil }
        let strides = strides(shape)
        return GraphMovement(order.map { shape[$0] }, strides: order.map { strides[$0] })
    }

    /// The elements at `indices` along an axis; `indexShape` takes the axis's place.
    static func gathering(_ shape: [Int], axis: Int, indices: [Int], indexShape: [Int]) -> GraphMovement? {
        guard shape.indices.contains(axis) else { return nil }
        let found = indices.map { $0 < 0 ? $0 + shape[axis] : $0 }
        guard found.allSatisfy((0..<shape[axis]).contains) else { return nil }
        let (outer, inner) = (shape[..<axis].reduce(1, *), shape[(axis + 1)...].reduce(1, *))
        guard count([outer, found.count, inner]) != nil else { return nil }
        var source: [Int32] = []
        source.reserveCapacity(outer * found.count * inner)
        for block in 0..<outer {
            for index in found {
                let start = Int32((block * shape[axis] + index) * inner)
                source += start..<start + Int32(inner)
            }
        }
        return GraphMovement(shape: shape[..<axis] + indexShape + shape[(axis + 1)...], source: source)
    }

    /// What ONNX's Slice keeps along an axis; a negative step goes backwards.
    static func slicing(_ shape: [Int], axis: Int, start: Int, end: Int, step: Int) -> GraphMovement? {
        guard shape.indices.contains(axis), step != 0, step > -(1 << 32) else { return nil }
        let (size, isForward) = (shape[axis], step > 0)
        func place(_ index: Int) -> Int {
            let found = index < 0 ? index + size : index
            return isForward ? min(max(found, 0), size) : min(max(found, -1), size - 1)
        }
        let first = place(start)
        let span = isForward ? place(end) - first : first - place(end)
        var (kept, strides) = (shape, strides(shape))
        let offset = first * strides[axis]
        kept[axis] = span > 0 ? (span - 1) / abs(step) + 1 : 0
        // A step behind the end keeps one element.
        strides[axis] *= abs(step) < size ? step : 0
        guard !kept.contains(0) else { return GraphMovement(shape: kept, source: []) }
        return GraphMovement(kept, strides: strides, offset: offset)
    }

    /// Equal elements along axes of size 1, as broadcasting and Expand make them; nil if the shapes do not go together.
    static func broadcasting(_ shape: [Int], to target: [Int]) -> GraphMovement? {
        guard shape.count <= target.count, count(target) != nil else { return nil }
        let missing = target.count - shape.count
        var strides = [Int](repeating: 0, count: missing) + strides(shape)
        for (axis, size) in shape.enumerated() where size != target[missing + axis] {
            guard size == 1 else { return nil }
            strides[missing + axis] = 0
        }
        guard !target.contains(0) else { return GraphMovement(shape: target, source: []) }
        return GraphMovement(target, strides: strides)
    }

    /// The shape that two have together when each is broadcast to it; nil if they do not go together.
    static func common(_ first: [Int], _ second: [Int]) -> [Int]? {
        let rank = max(first.count, second.count)
        let (a, b) = (
            Array(repeating: 1, count: rank - first.count) + first,
            Array(repeating: 1, count: rank - second.count) + second
        )
        var shape: [Int] = []
        for (x, y) in zip(a, b) {
            guard x == y || x == 1 || y == 1 else { return nil }
            shape.append(x == 1 ? y : x)
        }
        return shape
    }
}
