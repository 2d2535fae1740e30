import Foundation
import SutureTensor
import Testing

@Suite("Element by element, an operator computes what plain Swift computes")
struct ElementwiseTests {
    struct Unary: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let operation: @Sendable (Tensor) throws -> Tensor
        let expected: @Sendable (Double) -> Double

        init(
            _ name: String, _ operation: @escaping @Sendable (Tensor) throws -> Tensor,
            _ expected: @escaping @Sendable (Double) -> Double
        ) {
            testDescription = name
            self.operation = operation
            self.expected = expected
        }
    }

    static let operators: [Unary] = [
        Unary("-", { try -$0 }, { -$0 }),
        Unary("abs", { try $0.abs() }, { abs($0) }),
        Unary("exp", { try $0.exp() }, { exp($0) }),
        Unary("log", { try $0.log() }, { log($0) }),
        Unary("sqrt", { try $0.sqrt() }, { sqrt($0) }),
        Unary("rsqrt", { try $0.rsqrt() }, { 1 / sqrt($0) }),
        Unary("square", { try $0.square() }, { $0 * $0 }),
        Unary("reciprocal", { try $0.reciprocal() }, { 1 / $0 }),
        Unary("sign", { try $0.sign() }, { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }),
        Unary("sin", { try $0.sin() }, { sin($0) }),
        Unary("cos", { try $0.cos() }, { cos($0) }),
        Unary("tanh", { try $0.tanh() }, { tanh($0) }),
        Unary("sigmoid", { try $0.sigmoid() }, { 1 / (1 + exp(-$0)) }),
        Unary("relu", { try $0.relu() }, { max($0, 0) }),
        Unary("silu", { try $0.silu() }, { $0 / (1 + exp(-$0)) }),
        Unary("gelu", { try $0.gelu() }, { $0 * (1 + erf($0 / 2.0.squareRoot())) / 2 }),
        Unary(
            "gelu, tanh", { try $0.gelu(tanhApproximation: true) },
            { $0 / 2 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }),
        Unary("pow", { try $0.pow(3) }, { $0 * $0 * $0 }),
        Unary("clamped", { try $0.clamped(to: -1...0.5) }, { min(max($0, -1), 0.5) }),
        Unary("+ number", { try $0 + 2.5 }, { $0 + 2.5 }),
        Unary("- number", { try $0 - 2.5 }, { $0 - 2.5 }),
        Unary("* number", { try $0 * 2.5 }, { $0 * 2.5 }),
        Unary("/ number", { try $0 / 2.5 }, { $0 / 2.5 })
    ]

    static let numbers = [-3.25, -1, -0.5, 0, 0.25, 1, 2.75, 11]

    @Test("of one tensor", arguments: operators)
    func unary(_ test: Unary) throws {
        try expect(
            test.operation(Tensor(Self.numbers, shape: [2, 4])), Self.numbers.map(test.expected), shape: [2, 4])
    }

    @Test("of two tensors, broadcast over each other")
    func binary() throws {
        let column = [1.5, -2, 4]
        let row = [0.5, -2]
        let a = try Tensor(column, shape: [3, 1])
        let b = try Tensor(row, shape: [1, 2])
        func check(_ result: Tensor, _ expected: (Double, Double) -> Double, _ name: Comment) throws {
            try expect(result, column.flatMap { x in row.map { expected(x, $0) } }, shape: [3, 2], name)
        }
        try check(a + b, +, "+")
        try check(a - b, -, "-")
        try check(a * b, *, "*")
        try check(a / b, { $0 / $1 }, "/")
        try check(a.maximum(b), max, "maximum")
        try check(a.minimum(b), min, "minimum")
        try check(a .== b, { $0 == $1 ? 1 : 0 }, ".==")
        try check(a .< b, { $0 < $1 ? 1 : 0 }, ".<")
        try check(a .<= b, { $0 <= $1 ? 1 : 0 }, ".<=")
        try check((a .< b).logicalAnd(a .< 0), { $0 < $1 && $0 < 0 ? 1 : 0 }, "logicalAnd")
        try check((a + b).where(a .< b, else: a * b), { $0 < $1 ? $0 + $1 : $0 * $1 }, "where")
        try check((a + b).filled(9, where: a .< b), { $0 < $1 ? 9 : $0 + $1 }, "filled")
    }

    @Test("compared with a number, giving booleans")
    func comparisons() throws {
        let tensor = try Tensor([1.0, 2, 3])
        #expect(try (tensor .< 2).dtype == .bool)
        try expect(tensor .< 2, [1, 0, 0])
        try expect(tensor .== 2, [0, 1, 0])
        try expect(tensor .> 2, [0, 0, 1])
        try expect(Tensor([1, Double.infinity, .nan, -.infinity]).isFinite(), [1, 0, 0, 0])
    }

    @Test("broadcasting from the right, as many dimensions as needed")
    func broadcasting() throws {
        let a = try Tensor([1.0, 2, 3, 4], shape: [2, 1, 2])
        let b = try Tensor([10.0, 20, 30], shape: [3, 1])
        try expect(a + b, [11, 12, 21, 22, 31, 32, 13, 14, 23, 24, 33, 34], shape: [2, 3, 2])
        try expect(a + Tensor([5.0]).squeezed(0), [6, 7, 8, 9], shape: [2, 1, 2])
        #expect(try (Tensor.zeros([0, 3]) + Tensor.zeros([3])).shape == [0, 3])
    }

    @Test("matrix products, one and in a batch")
    func matmul() throws {
        let a = try normal([2, 3, 4], seed: 1)
        let b = try normal([4, 5], seed: 2)
        let expected = try product(
            a.elements(as: Double.self), b.elements(as: Double.self), rows: 6, inner: 4, columns: 5)
        try expect(a.matmul(b), expected, shape: [2, 3, 5])
        try expect(Tensor([1.0, 2]).matmul(Tensor([3.0, 4])), [11], shape: [])
    }
}
