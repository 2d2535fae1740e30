import SutureTensor
import Testing

@Suite("Gradients agree with central differences")
struct GradientTests {
    /// A function of some tensors, with the shapes it is tried on.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let shapes: [[Int]]
        let positive: Bool
        let function: @Sendable ([Tensor]) throws -> Tensor

        init(
            _ name: String, _ shapes: [[Int]], positive: Bool = false,
            _ function: @escaping @Sendable ([Tensor]) throws -> Tensor
        ) {
            testDescription = name
            self.shapes = shapes
            self.positive = positive
            self.function = function
        }
    }

    static func unary(
        _ name: String, positive: Bool = false, _ function: @escaping @Sendable (Tensor) throws -> Tensor
    ) -> Case {
        Case(name, [[2, 3]], positive: positive) { try function($0[0]) }
    }

    static let elementwise: [Case] = [
        Case("+", [[2, 1], [3]]) { try $0[0] + $0[1] },
        Case("-", [[2, 1], [3]]) { try $0[0] - $0[1] },
        Case("*", [[2, 1], [3]]) { try $0[0] * $0[1] },
        Case("/", [[2, 1], [3]], positive: true) { try $0[0] / $0[1] },
        Case("maximum", [[2, 3], [3]]) { try $0[0].maximum($0[1]) },
        Case("minimum", [[2, 3], [3]]) { try $0[0].minimum($0[1]) },
        Case("where", [[2, 3], [3]]) { try $0[0].where($0[0] .< 0.3, else: $0[1]) },
        Case("matmul", [[2, 3, 4], [4, 2]]) { try $0[0].matmul($0[1]) },
        unary("+ number") { try $0 + 2 }, unary("- number") { try $0 - 2 }, unary("* number") { try $0 * 2 },
        unary("/ number") { try $0 / 2 }, unary("negative") { try -$0 }, unary("abs") { try $0.abs() },
        unary("exp") { try $0.exp() }, unary("log", positive: true) { try $0.log() },
        unary("sqrt", positive: true) { try $0.sqrt() }, unary("rsqrt", positive: true) { try $0.rsqrt() },
        unary("square") { try $0.square() }, unary("reciprocal", positive: true) { try $0.reciprocal() },
        unary("sign") { try $0.sign() }, unary("sin") { try $0.sin() }, unary("cos") { try $0.cos() },
        unary("tanh") { try $0.tanh() }, unary("sigmoid") { try $0.sigmoid() }, unary("relu") { try $0.relu() },
        unary("silu") { try $0.silu() }, unary("gelu") { try $0.gelu() },
        unary("gelu, tanh") { try $0.gelu(tanhApproximation: true) }, unary("pow") { try $0.pow(3) },
        unary("clamped") { try $0.clamped(to: -0.5...0.5) }, unary("filled") { try $0.filled(3, where: $0 .< 0) }
    ]

    static let shapes: [Case] = [
        unary("sum") { try $0.sum() }, unary("sum over a dimension") { try $0.sum([0], keepingDims: true) },
        unary("mean") { try $0.mean([1]) }, unary("max") { try $0.max([1]) }, unary("min") { try $0.min() },
        unary("logSumExp") { try $0.logSumExp() }, unary("norm") { try $0.norm() },
        unary("cumulativeSum") { try $0.cumulativeSum(1) }, unary("top") { try $0.top(2).values },
        unary("sorted") { try $0.sorted().values }, unary("reshaped") { try $0.reshaped([3, 2]) },
        Case("expanded", [[2, 1]]) { try $0[0].expanded([2, 3]) }, unary("permuted") { try $0.permuted([1, 0]) },
        unary("transposed") { try $0.transposed() }, unary("contiguous") { try $0.transposed().contiguous() },
        unary("unsqueezed and squeezed") { try $0.unsqueezed(0).squeezed(0) },
        unary("narrowed") { try $0.narrowed(1, 1..<3) }, unary("selected") { try $0.selected(1, -1) },
        unary("indexSelected") { try $0.indexSelected(1, at: [2, 0, 2]) },
        unary("gathered") { try $0.gathered(1, at: Tensor([2, 1], shape: [2, 1])) },
        Case("adding", [[3, 2], [2, 2]]) { try $0[0].adding(0, at: Tensor([1, 1]), $0[1]) },
        Case("replacing", [[3, 2], [2, 2]]) { try $0[0].replacing(0, at: Tensor([2, 0]), with: $0[1]) },
        Case("concatenated", [[2, 1], [2, 2]]) { try .concatenated($0, 1) },
        Case("stacked", [[2], [2]]) { try .stacked($0, 1) }, unary("upperTriangle") { try $0.upperTriangle() },
        unary("to") { try $0.to(.float64) }
    ]

    static let layers: [Case] = [
        Case("linear", [[2, 3], [4, 3], [4]]) { try $0[0].linear($0[1], bias: $0[2]) },
        Case("embedding", [[4, 2]]) { try $0[0].embedding(Tensor([3, 0, 3])) },
        unary("softmax") { try $0.softmax() }, unary("logSoftmax") { try $0.logSoftmax(0) },
        Case("layerNorm", [[2, 4], [4], [4]]) { try $0[0].layerNorm(gain: $0[1], bias: $0[2], epsilon: 1e-2) },
        Case("rmsNorm", [[2, 4], [4]]) { try $0[0].rmsNorm(gain: $0[1], epsilon: 1e-2) },
        Case("attention", [[1, 2, 3, 2], [1, 1, 3, 2], [1, 1, 3, 2]]) {
            try .attention(queries: $0[0], keys: $0[1], values: $0[2], causal: true, scale: 0.5)
        },
        Case("attention, mask added", [[1, 1, 2, 2], [1, 1, 3, 2], [1, 1, 3, 2], [2, 3]]) {
            try .attention(queries: $0[0], keys: $0[1], values: $0[2], mask: $0[3], scale: 0.5)
        },
        Case("conv2d", [[2, 2, 4, 3], [3, 2, 3, 3], [3]]) {
            try $0[0].conv2d($0[1], bias: $0[2], stride: 2, padding: 1)
        },
        Case("conv2d, channels last", [[2, 2, 4, 3], [3, 2, 1, 1]]) {
            try $0[0].channelsLast().conv2d($0[1].channelsLast())
        },
        Case("batchNorm", [[2, 2, 2, 2], [2], [2]]) {
            try $0[0].batchNorm(
                gain: $0[1], bias: $0[2], mean: Tensor([0.5, 1]), variance: Tensor([1.0, 2]), epsilon: 1e-2)
        },
        Case("batchNormTraining", [[2, 2, 2, 2], [2], [2]]) {
            try $0[0].batchNormTraining(
                gain: $0[1], bias: $0[2], mean: Tensor([0.5, 1]), variance: Tensor([1.0, 2]), momentum: 0.1,
                epsilon: 1e-2
            ).output
        },
        Case("maxPool2d", [[1, 2, 4, 4]]) { try $0[0].maxPool2d(size: 2, stride: 2) },
        Case("adaptiveAveragePool2d", [[1, 2, 3, 4]]) { try $0[0].adaptiveAveragePool2d(height: 2, width: 3) },
        Case("dropout", [[2, 3]]) { try RandomSource(seed: 1).dropout($0[0], rate: 0.5) },
        Case("crossEntropy", [[2, 3]]) { try $0[0].crossEntropy(Tensor([2, 0])) }
    ]

    /// A symmetric positive definite matrix made from any.
    @Sendable static func definite(_ a: Tensor) throws -> Tensor {
        let size = a.shape[0]
        let identity = try Tensor.arange(0..<size).unsqueezed(1) .== Tensor.arange(0..<size)
        return try a.matmul(a.transposed()) + identity.to(.float64) * 3
    }

    static let algebra: [Case] = [
        Case("cholesky", [[3, 3]]) { try definite($0[0]).cholesky() },
        Case("solved(cholesky:)", [[3, 2], [3, 3]]) { try $0[0].solved(cholesky: definite($0[1]).cholesky()) },
        Case("solved", [[3, 2], [3, 3]]) { try $0[0].solved(definite($0[1])) },
        Case("pseudoInverse", [[4, 2]]) { try $0[0].pseudoInverse(tolerance: 1e-12) },
        Case("leastSquares", [[4, 2], [4, 3]]) { try $0[0].leastSquares($0[1]) },
        Case("qr", [[4, 3]]) { input in
            let (q, r) = try input[0].qr()
            return try .concatenated([q, r], 0)
        },
        Case("svd", [[4, 3]]) { input in
            // U and V are unique up to signs, so what is differentiated here does not depend on them.
            let (u, s, vt) = try input[0].svd()
            return try .concatenated([(u * s.exp()).matmul(vt), s.unsqueezed(0)], 0)
        },
        Case("symmetricEigen", [[3, 3]]) { input in
            let (values, vectors) = try definite(input[0]).symmetricEigen()
            return try .concatenated([(vectors * values.log()).matmul(vectors.transposed()), values.unsqueezed(0)], 0)
        }
    ]

    @Test("of each operator", arguments: elementwise + shapes + layers + algebra)
    func gradient(_ test: Case) throws {
        let values = try test.shapes.enumerated().map { index, shape in
            let numbers = try normal(shape, seed: UInt64(index + 1)).elements(as: Double.self)
            return test.positive ? numbers.map { abs($0) + 0.5 } : numbers
        }
        func inputs(_ values: [[Double]]) throws -> [Tensor] {
            try zip(values, test.shapes).map { try Tensor($0, shape: $1) }
        }
        let weights = try normal(test.function(inputs(values)).shape, seed: 99)
        func loss(_ inputs: [Tensor]) throws -> Tensor { try (test.function(inputs) * weights).sum() }

        let leaves = try inputs(values).map { try $0.tracked() }
        let gradients = try loss(leaves).gradients(of: leaves)
        let step = 1e-6
        for (input, gradient) in gradients.enumerated() {
            let numeric = try values[input].indices.map { element in
                let moved = try [step, -step].map { step in
                    var moved = values
                    moved[input][element] += step
                    return try loss(inputs(moved)).item()
                }
                return (moved[0] - moved[1]) / (2 * step)
            }
            try expect(gradient, numeric, shape: test.shapes[input], tolerance: 2e-7, "input \(input)")
        }
    }

    @Test("of a tensor, weighted by a seed")
    func seed() throws {
        let leaf = try Tensor([1.0, 2, 3]).tracked()
        let gradient = try leaf.square().gradients(of: [leaf], seed: Tensor([1.0, 10, 100]))[0]
        try expect(gradient, [2, 40, 600])
    }

    @Test("can be taken twice where the graph is kept, and not otherwise")
    func keepingGraph() throws {
        let leaf = try Tensor([3.0]).tracked()
        let value = try leaf.square().sum()
        try expect(value.gradients(of: [leaf], keepingGraph: true)[0], [6])
        try expect(value.gradients(of: [leaf])[0], [6])
        #expect(throws: TensorError.self) { try value.gradients(of: [leaf]) }
    }

    @Test("end where a tensor was detached or nothing is recorded")
    func detached() throws {
        let leaf = try Tensor([3.0]).tracked()
        try expect((leaf * leaf.detached()).sum().gradients(of: [leaf])[0], [3])
        let unrecorded = try Tensor.withoutGradients { try leaf.square().sum() }
        #expect(throws: TensorError.self) { try unrecorded.gradients(of: [leaf]) }
        #expect(throws: CancellationError.self) { try Tensor.withoutGradients { throw CancellationError() } }
        try expect(leaf.square().sum().gradients(of: [leaf])[0], [6], "recording goes on afterwards")
    }

    @Test("do not change what was tracked")
    func tracked() throws {
        let plain = try Tensor([3.0])
        _ = try plain.tracked()
        #expect(throws: TensorError.self) { try plain.square().sum().gradients(of: [plain]) }
    }
}
