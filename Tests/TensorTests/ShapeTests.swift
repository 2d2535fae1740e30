import SutureTensor
import Testing

@Suite("Shapes, indices and reductions")
struct ShapeTests {
    /// 0 ... 23 as `[2, 3, 4]`: element `[i, j, k]` is 12 i + 4 j + k.
    let grid: Tensor

    init() throws { grid = try Tensor((0..<24).map(Double.init), shape: [2, 3, 4]) }

    @Test("views show the elements in their new places")
    func views() throws {
        try expect(grid.reshaped([4, -1]), (0..<24).map(Double.init), shape: [4, 6])
        let transposed: [Double] = [
            0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23
        ]
        try expect(grid.transposed(), transposed, shape: [2, 4, 3])
        try expect(grid.permuted([0, 2, 1]), transposed, shape: [2, 4, 3])
        try expect(grid.transposed().contiguous(), transposed, shape: [2, 4, 3])
        try expect(grid.narrowed(1, 1..<2), [4, 5, 6, 7, 16, 17, 18, 19], shape: [2, 1, 4])
        try expect(grid.selected(2, -1), [3, 7, 11, 15, 19, 23], shape: [2, 3])
        #expect(try grid.unsqueezed(1).shape == [2, 1, 3, 4])
        #expect(try grid.unsqueezed(1).squeezed(1).shape == [2, 3, 4])
        try expect(Tensor([1.0, 2], shape: [2, 1]).expanded([-1, 3]), [1, 1, 1, 2, 2, 2], shape: [2, 3])
        #expect(grid.rank == 3)
        #expect(grid.count == 24)
    }

    @Test("indices pick, add and replace")
    func indices() throws {
        let matrix = try Tensor([1.0, 2, 3, 4, 5, 6], shape: [3, 2])
        try expect(matrix.indexSelected(0, at: [2, 0, 2]), [5, 6, 1, 2, 5, 6], shape: [3, 2])
        try expect(matrix.gathered(1, at: Tensor([1, 0, 1], shape: [3, 1])), [2, 3, 6], shape: [3, 1])
        let source = try Tensor([10.0, 20, 30, 40], shape: [2, 2])
        // An index that comes twice is added twice.
        try expect(matrix.adding(0, at: Tensor([1, 1]), source), [1, 2, 43, 64, 5, 6])
        try expect(matrix.replacing(0, at: Tensor([2, 0]), with: source), [30, 40, 3, 4, 10, 20])
        try expect(matrix, [1, 2, 3, 4, 5, 6], "operators change nothing in place")
    }

    @Test("tensors are joined along a dimension or a new one")
    func joining() throws {
        let a = try Tensor([1.0, 2], shape: [2, 1])
        let b = try Tensor([3.0, 4, 5, 6], shape: [2, 2])
        try expect(.concatenated([a, b], 1), [1, 3, 4, 2, 5, 6], shape: [2, 3])
        try expect(.concatenated([a], 1), [1, 2], shape: [2, 1])
        try expect(.stacked([a, a]), [1, 2, 1, 2], shape: [2, 2, 1])
        try expect(.stacked([a, a], 1), [1, 1, 2, 2], shape: [2, 2, 1])
    }

    @Test("making tensors")
    func making() throws {
        try expect(.full([2, 2], 1.5), [1.5, 1.5, 1.5, 1.5], shape: [2, 2])
        try expect(.zeros([3], dtype: .int32), [0, 0, 0])
        #expect(try Tensor.arange(3..<6).ints() == [3, 4, 5])
        #expect(try Tensor([Float]()).shape == [0])
        #expect(try Tensor([Float]()).floats() == [])
        let ones = try Tensor.full([3, 3], 1)
        try expect(ones.upperTriangle(), [1, 1, 1, 0, 1, 1, 0, 0, 1])
        try expect(ones.upperTriangle(1), [0, 1, 1, 0, 0, 1, 0, 0, 0])
        try expect(ones.upperTriangle(-1), [1, 1, 1, 1, 1, 1, 0, 1, 1])
        #expect(try Tensor([1.5, 2]).description == "float64[2] [1.5, 2.0]")
        #expect(grid.description == "float64[2, 3, 4]")
    }

    @Test("reductions over some dimensions or all")
    func reductions() throws {
        try expect(grid.sum(), [276], shape: [])
        try expect(grid.sum([0, 2]), [60, 92, 124], shape: [3])
        try expect(grid.sum([-1], keepingDims: true), [6, 22, 38, 54, 70, 86], shape: [2, 3, 1])
        try expect(grid.mean(), [11.5], shape: [])
        try expect(grid.mean([1]), [4, 5, 6, 7, 16, 17, 18, 19], shape: [2, 4])
        try expect(grid.max([1, 2]), [11, 23], shape: [2])
        try expect(grid.min([1, 2]), [0, 12], shape: [2])
        try expect(grid.max(), [23], shape: [])
        try expect(grid.min(), [0], shape: [])
        try expect(Tensor([3.0, 4, 6, 8], shape: [2, 2]).norm(), [5, 10], shape: [2])
        try expect(
            Tensor([3.0, 4, 6, 8], shape: [2, 2]).norm(0, keepingDims: true), [6.708203932499369, 8.94427190999916])
        try expect(Tensor([1.0, 2, 3, 4], shape: [2, 2]).cumulativeSum(0), [1, 2, 4, 6])
        try expect(Tensor([1.0, 2, 3, 4], shape: [2, 2]).cumulativeSum(1), [1, 3, 3, 7])
    }

    @Test("order: largest, top and sorted, with indices")
    func order() throws {
        let tensor = try Tensor([3.0, 9, 1, 7, 2, 8], shape: [2, 3])
        #expect(try tensor.argmax().ints() == [1, 2])
        #expect(try tensor.argmax(0).ints() == [1, 0, 1])
        let top = try tensor.top(2)
        try expect(top.values, [9, 3, 8, 7], shape: [2, 2])
        #expect(try top.indices.ints() == [1, 0, 2, 0])
        let sorted = try tensor.sorted()
        try expect(sorted.values, [1, 3, 9, 2, 7, 8])
        #expect(try sorted.indices.ints() == [2, 0, 1, 1, 0, 2])
        try expect(tensor.sorted(descending: true).values, [9, 3, 1, 8, 7, 2])
        // Equal elements keep their order.
        #expect(try Tensor([1, 0, 1, 0]).sorted().indices.ints() == [1, 3, 0, 2])
    }
}
