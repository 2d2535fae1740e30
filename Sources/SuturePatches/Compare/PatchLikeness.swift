import SutureFormats

/// How alike two patches are.
public struct PatchLikeness: Sendable, Codable {
    /// A tensor that at least one of them changes.
    public struct Tensor: Sendable, Codable {
        public let name: String
        /// The Euclidean norms of the two changes.
        public let norms: [Double]
        /// <a,b> / (|a| |b|); 0 where one changes nothing here.
        public let cosine: Double
    }

    public let tensors: [Tensor]
    /// The cosine of the changes of all tensors as one vector.
    public let cosine: Double

    /// Measures two patches, a piece of a tensor at a time, all sums in float64.
    ///
    /// - Throws: ``PatchError`` with `conflict` if they have a tensor in different shapes.
    public init(_ first: Patch, _ second: Patch) throws {
        var names = OrderedTable<[Int]>()
        for patch in [first, second] {
            for (name, tensor) in patch.base {
                if let shape = names[name], shape != tensor.shape {
                    throw PatchError(
                        .conflict, "the patches have this tensor in different shapes", subject: name.string,
                        expected: "\(shape)", found: "\(tensor.shape)")
                }
                names[name] = tensor.shape
            }
        }
        let work = names.map { ($0.0.string, $0.1) }
        let sums = try Parallel.map(work) { name, shape in
            var (aa, bb, ab) = (0.0, 0.0, 0.0)
            try EditWriter.forEachChunk(of: shape.reduce(1, *)) { range in
                let (a, b) = (
                    try first.change(of: name, range, shape: shape), try second.change(of: name, range, shape: shape)
                )
                for index in 0..<range.count {
                    aa += a[index] * a[index]
                    bb += b[index] * b[index]
                    ab += a[index] * b[index]
                }
            }
            return (aa, bb, ab)
        }
        tensors = zip(work, sums).map { named, sums in
            Tensor(name: named.0, norms: [sums.0.squareRoot(), sums.1.squareRoot()], cosine: Self.cosine(sums))
        }
        cosine = Self.cosine(sums.reduce((0, 0, 0)) { ($0.0 + $1.0, $0.1 + $1.1, $0.2 + $1.2) })
    }

    private static func cosine(_ sums: (aa: Double, bb: Double, ab: Double)) -> Double {
        let product = (sums.aa * sums.bb).squareRoot()
        return product == 0 ? 0 : sums.ab / product
    }
}

extension Patch {
    /// What is added to some elements of a tensor.
    fileprivate func change(of tensor: String, _ range: Range<Int>, shape: [Int]) throws -> [Double] {
        var sums = [Double](repeating: 0, count: range.count)
        try sums.withUnsafeMutableBufferPointer { sums in
            for edit in edits(of: tensor) { try edit.delta.add(edit.scale, of: range, shape: shape, to: sums) }
        }
        return sums
    }
}
