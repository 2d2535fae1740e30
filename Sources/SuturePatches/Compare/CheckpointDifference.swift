import SutureFormats

/// How two models differ, tensor by tensor.
public struct CheckpointDifference: Sendable {
    /// How a tensor differs.
    public struct Tensor: Sendable {
        public let name: String
        public let shape: [Int]
        public let types: (String, String)
        public let elements: Int
        /// How many elements differ.
        public let changed: Int
        /// How many of these are not numbers, or infinite, in one of the models; norms leave them out.
        public let notNumbers: Int
        /// How many elements are zero in both, of another sign.
        public let zeroSigns: Int
        /// The Euclidean norm of the difference, and that as a fraction of the first's norm.
        public let norm, relativeNorm: Double
        /// The greatest magnitude of a difference.
        public let largest: Double
        /// The lowest rank of a matrix within the tolerance of the difference; nil where it was not asked for, would
        /// take too long, or is more than is worth writing down.
        public let rank: Int?
        /// The columns or the rows of a matrix with the largest differences, whichever hold more of it: the vectors of
        /// its neurons.
        public let top: [(index: Int, norm: Double)]
        /// Which of the two these are.
        public let slice: NeuronChange.Slice

        /// The fraction of the elements that are the same.
        public var sparsity: Double { elements == 0 ? 1 : 1 - Double(changed) / Double(elements) }
    }

    /// Tensors that differ, those with the largest relative norm first.
    public let tensors: [Tensor]
    /// How many are the same to the last bit.
    public let equal: Int
    /// Tensors that only one of the models has, or of another shape or a type that is not compared by value.
    public let others: [String]

    /// - Parameters:
    ///   - rankTolerance: the error, as a fraction of the norm, within which ranks are told; nil for no ranks.
    ///   - topCount: how many columns or rows are named.
    ///   - first: one model.
    ///   - second: the other model.
    public init(_ first: Checkpoint, _ second: Checkpoint, rankTolerance: Double? = nil, topCount: Int = 3) throws {
        let pairs = try CheckpointPairs(first, second)
        let found = try Parallel.map(pairs.pairs) { pair -> (tensor: Tensor?, other: String?) in
            guard try pair.hasDifferences() else { return (nil, nil) }
            guard pair.isPatchable else {
                return (nil, "\(pair.name): \(pair.base.type.rawValue) and \(pair.tuned.type.rawValue) differ")
            }
            let tensor = try Tensor(pair, topCount: topCount, rankTolerance: rankTolerance)
            if tensor.changed > 0 { return (tensor, nil) }
            return (nil, "\(pair.name): equal but for the sign of \(tensor.zeroSigns) zeros")
        }
        tensors = found.compactMap(\.tensor).sorted { ($1.relativeNorm, $0.name) < ($0.relativeNorm, $1.name) }
        others = pairs.oddities + found.compactMap(\.other)
        equal = found.count { $0.tensor == nil && $0.other == nil }
    }
}

extension CheckpointDifference.Tensor {
    /// Matrices beyond this are too large for a decomposition that nobody waits for.
    private static let largestForRank = 1 << 24

    fileprivate init(_ pair: TensorPair, topCount: Int, rankTolerance: Double?) throws {
        var (changed, square, reference, largest) = (0, 0.0, 0.0, Float(0))
        var (notNumbers, zeroSigns) = (0, 0)
        shape = pair.common == pair.count ? pair.base.shape : pair.tuned.shape
        let width = shape.count == 2 ? shape[1] : 0
        var columns = [Double](repeating: 0, count: width)
        var rows = [Double](repeating: 0, count: width == 0 ? 0 : shape[0])
        try EditWriter.forEachChunk(of: pair.common) { range in
            let before = try pair.baseBytes.floats(range, pair.base.type)
            let after = try pair.tunedBytes.floats(range, pair.tuned.type)
            var (row, column) = width == 0 ? (0, 0) : range.lowerBound.quotientAndRemainder(dividingBy: width)
            for index in before.indices {
                let difference = Double(after[index]) - Double(before[index])
                if !after[index].isFinite || !before[index].isFinite {
                    if after[index].bitPattern != before[index].bitPattern {
                        changed += 1
                        notNumbers += 1
                    }
                } else if difference != 0 {
                    changed += 1
                    square += difference * difference
                    largest = max(largest, Float(difference.magnitude))
                    if width > 0 {
                        columns[column] += difference * difference
                        rows[row] += difference * difference
                    }
                }
                if difference == 0, after[index].sign != before[index].sign { zeroSigns += 1 }
                if before[index].isFinite { reference += Double(before[index]) * Double(before[index]) }
                (row, column) = column + 1 == width ? (row + 1, 0) : (row, column + 1)
            }
        }
        name = pair.name
        types = (pair.base.type.rawValue, pair.tuned.type.rawValue)
        elements = pair.common
        (self.changed, self.notNumbers, self.zeroSigns) = (changed, notNumbers, zeroSigns)
        norm = square.squareRoot()
        relativeNorm = reference == 0 ? .infinity : (square / reference).squareRoot()
        self.largest = Double(largest)
        let (ofColumns, ofRows) = (Self.largest(topCount, of: columns), Self.largest(topCount, of: rows))
        let areRows = ofRows.reduce(0) { $0 + $1.square } > ofColumns.reduce(0) { $0 + $1.square }
        slice = areRows ? .rows : .columns
        top = (areRows ? ofRows : ofColumns).map { ($0.index, $0.square.squareRoot()) }
        if let rankTolerance, width > 0, pair.common <= Self.largestForRank, changed > 0, notNumbers == 0 {
            rank = try LowRankFactors(
                pair.differences(0..<pair.common), shape: shape, tolerance: rankTolerance, maximumRank: .max)?.rank
        } else {
            rank = nil
        }
    }

    private static func largest(_ count: Int, of squares: [Double]) -> ArraySlice<(index: Int, square: Double)> {
        squares.enumerated().map { (index: $0, square: $1) }.filter { $0.square > 0 }
            .sorted { $0.square > $1.square }.prefix(count)
    }
}
