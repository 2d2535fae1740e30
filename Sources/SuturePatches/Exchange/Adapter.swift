import Foundation
import SutureFormats

/// A patch as low-rank factors, the form in which other software takes changes of a model.
public struct Adapter: Sendable {
    /// The factors of one matrix: `delta = b a`.
    public struct Module: Sendable {
        /// The name of the matrix.
        public let tensor: String
        /// `[out, in]` as it is stored.
        public let shape: [Int]
        /// `[rank, in]`
        let a: [Float]
        /// `[out, rank]`
        let b: [Float]
    }

    public let modules: [Module]
    /// The rank of all modules: the smaller ones are filled up with zeros, so that every loader scales them alike.
    public let rank: Int
    /// Whether the factors are the patch's own numbers; else a scale was multiplied into them and rounded.
    public let isExact: Bool
    let id: String

    /// The most rows or columns of a sparse change that are written as factors.
    private static let rankLimit = 1024

    /// The factors of a patch: columns, rows and sparse elements by unit vectors, low-rank factors as they are.
    ///
    /// - Throws: ``PatchError`` with `notLowRank` for dense and quantized changes and for changes of other than matrices.
    public init(_ applied: AppliedPatch) throws {
        var exact = true
        var made: [(tensor: String, shape: [Int], factors: [Factors])] = []
        for (name, base) in applied.patch.base {
            guard base.shape.count == 2 else {
                throw PatchError(
                    .notLowRank, "adapters change matrices only", subject: name.string, found: "\(base.shape)",
                    hint: base.isAbsent ? "suture export --to controlvector writes steering vectors" : nil)
            }
            let factors = try applied.patch.edits(of: name.string).map { edit in
                let factors = try Factors(edit, shape: base.shape).scaled(by: applied.scale * edit.scale)
                exact = exact && factors.isExact
                return factors
            }
            // Two changes of one element meet in the product, where other software rounds as it likes.
            exact = exact && factors.count == 1
            made.append((name.string, base.shape, factors))
        }
        let rank = made.map { $0.factors.reduce(0) { $0 + $1.rank } }.max() ?? 0
        guard rank <= Self.rankLimit else {
            throw PatchError(
                .notLowRank, "the change has too high a rank for an adapter", subject: applied.patch.id,
                expected: "at most \(Self.rankLimit)", found: "\(rank)", hint: "apply the patch instead")
        }
        modules = made.map { tensor, shape, factors in
            let all = Factors.joined(factors, shape: shape, rank: rank)
            return Module(tensor: tensor, shape: shape, a: all.a, b: all.b)
        }
        self.rank = rank
        isExact = exact
        id = applied.patch.id
    }
}

/// Two thin matrices.
private struct Factors {
    /// `[rank, in]`
    var a: [Float]
    /// `[out, rank]`
    var b: [Float]
    let rank: Int
    /// Whether `b` has unit vectors, so that the numbers are in `a`.
    var hasValuesInA = false
    var isExact = true

    private init(a: [Float], b: [Float], rank: Int) {
        self.a = a
        self.b = b
        self.rank = rank
    }

    init(_ edit: Edit, shape: [Int]) throws {
        switch edit.delta {
        case let delta as SliceDelta:
            let values = try delta.values.floats()
            self.init(slices: delta.indices, isColumns: delta.isColumns, shape: shape) { slice, position in
                values[slice * delta.length(shape) + position]
            }
        case let delta as LowRankDelta:
            self.init(a: try delta.a.floats(), b: try delta.b.floats(), rank: delta.rank)
        case let delta as SparseDelta:
            let places = try delta.positions(0..<delta.indices.count)
            let values = try zip(places, delta.values.floats()).reduce(into: [:]) { $0[$1.0] = $1.1 }
            let columns = Set(places.map { $0 % shape[1] }).sorted()
            let rows = Set(places.map { $0 / shape[1] }).sorted()
            let isColumns = columns.count <= rows.count
            self.init(slices: isColumns ? columns : rows, isColumns: isColumns, shape: shape) { slice, position in
                values[isColumns ? position * shape[1] + columns[slice] : rows[slice] * shape[1] + position] ?? 0
            }
        default:
            throw PatchError(
                .notLowRank, "a \(edit.kind.rawValue) change is no adapter", subject: edit.tensor,
                hint: "extract it as low-rank first, or apply the patch")
        }
    }

    /// The unit vectors of some columns or rows, and what is added to these.
    private init(slices: [Int], isColumns: Bool, shape: [Int], value: (_ slice: Int, _ position: Int) -> Float) {
        rank = slices.count
        a = [Float](repeating: 0, count: rank * shape[1])
        b = [Float](repeating: 0, count: shape[0] * rank)
        hasValuesInA = !isColumns
        for (number, slice) in slices.enumerated() {
            if isColumns {
                a[number * shape[1] + slice] = 1
                for row in 0..<shape[0] { b[row * rank + number] = value(number, row) }
            } else {
                b[slice * rank + number] = 1
                for column in 0..<shape[1] { a[number * shape[1] + column] = value(number, column) }
            }
        }
    }

    func scaled(by scale: Double) -> Factors {
        var result = self
        func times(_ values: [Float]) -> [Float] {
            values.map { value in
                let product = scale * Double(value)
                if Double(Float(product)) != product { result.isExact = false }
                return Float(product)
            }
        }
        if hasValuesInA { result.a = times(a) } else { result.b = times(b) }
        return result
    }

    /// Factors side by side, filled up with zeros to `rank`.
    static func joined(_ all: [Factors], shape: [Int], rank: Int) -> (a: [Float], b: [Float]) {
        var a = all.flatMap(\.a)
        a += [Float](repeating: 0, count: rank * shape[1] - a.count)
        var b = [Float](repeating: 0, count: shape[0] * rank)
        var start = 0
        for factors in all {
            for row in 0..<shape[0] {
                for k in 0..<factors.rank { b[row * rank + start + k] = factors.b[row * factors.rank + k] }
            }
            start += factors.rank
        }
        return (a, b)
    }
}

/// The transpose of a matrix `[rows, columns]`.
func transposed(_ values: [Float], _ rows: Int, _ columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows { for column in 0..<columns { result[column * rows + row] = values[row * columns + column] } }
    return result
}
