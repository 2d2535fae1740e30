import Foundation
import SutureTensor
import Testing

@Suite("Layers compute their published formulas")
struct LayerTests {
    func numbers(_ tensor: Tensor) throws -> [[Double]] {
        let width = tensor.shape[tensor.rank - 1]
        let all = try tensor.elements(as: Double.self)
        return stride(from: 0, to: all.count, by: width).map { Array(all[$0..<$0 + width]) }
    }

    func softmax(_ row: [Double]) -> [Double] {
        let powers = row.map { exp($0 - (row.max() ?? 0)) }
        return powers.map { $0 / powers.reduce(0, +) }
    }

    @Test("softmax, its logarithm, and log-sum-exp without overflow")
    func softmaxes() throws {
        let x = try Tensor([1.0, 2, 3, 1000, 1001, 900], shape: [2, 3])
        let rows = try numbers(x)
        try expect(x.softmax(), rows.flatMap(softmax))
        let sums = rows.map { row in log(row.map { exp($0 - row.max()!) }.reduce(0, +)) + row.max()! }
        try expect(x.logSumExp(), sums, shape: [2])
        try expect(x.logSumExp(-1, keepingDims: true), sums, shape: [2, 1])
        try expect(x.logSoftmax(), zip(rows, sums).flatMap { row, sum in row.map { $0 - sum } })
        try expect(x.softmax(0).sum([0]), [1, 1, 1])
    }

    @Test("linear layers and embeddings")
    func linear() throws {
        let x = try Tensor([1.0, 2, 3, 4], shape: [2, 2])
        let weight = try Tensor([1.0, 0, 0, 1, 2, -1], shape: [3, 2])
        try expect(x.linear(weight), [1, 2, 0, 3, 4, 2], shape: [2, 3])
        try expect(x.linear(weight, bias: Tensor([10.0, 20, 30])), [11, 22, 30, 13, 24, 32], shape: [2, 3])
        try expect(weight.embedding(Tensor([2, 0], shape: [1, 2])), [2, -1, 1, 0], shape: [1, 2, 2])
    }

    @Test("linear layers of the size of a model's, in any orientation, with gradients", arguments: [1, 7, 64])
    func largeLinear(rows: Int) throws {
        let x = try RandomSource(seed: 1).normal([rows, 300])
        let weight = try RandomSource(seed: 2).normal([256, 300])
        let bias = try RandomSource(seed: 3).normal([256])
        let exact = try x.to(.float64).matmul(weight.to(.float64).transposed()) + bias.to(.float64)
        for stored in [weight, try weight.transposed().contiguous().transposed()] {
            let batch = try x.reshaped([1, rows, 300])
            #expect(try distance(batch.linear(stored, bias: bias).squeezed(0).to(.float64), exact) < 1e-3)
            #expect(try distance(batch.linear(stored).squeezed(0).to(.float64), exact - bias.to(.float64)) < 1e-3)
            // d sum(y * y) / dx = 2 y W
            let leaf = try x.tracked()
            let y = try leaf.linear(stored, bias: bias)
            let gradient = try y.square().sum().gradients(of: [leaf])[0].to(.float64)
            let expected = try exact.matmul(weight.to(.float64)) * 2
            #expect(try distance(gradient, expected) < 1e-5 * expected.abs().max().item())
        }
    }

    @Test("linear layers that end in something else, with gradients", arguments: [(3, 4), (7, 300)])
    func endingLinear(rows: Int, width: Int) throws {
        func normal(_ shape: [Int], _ seed: UInt64) throws -> Tensor { try RandomSource(seed: seed).normal(shape) }
        let x = try normal([2, rows, width], 1)
        let (weight, bias) = (try normal([256, width], 2), try normal([256], 3))
        let other = try normal([2, rows, 256], 4)
        func check(_ fused: (Tensor) throws -> Tensor, equals plain: (Tensor) throws -> Tensor) throws {
            let expected = try plain(x)
            let bound = 1e-5 * (try expected.abs().max().item())
            #expect(try distance(fused(x), expected) < bound)
            let leaf = try x.tracked()
            #expect(try distance(fused(leaf).detached(), expected) < bound)
            let gradient = try fused(leaf).square().sum().gradients(of: [leaf])[0]
            let wanted = try plain(leaf).square().sum().gradients(of: [leaf])[0]
            #expect(try distance(gradient, wanted) < 1e-5 * wanted.abs().max().item())
        }
        try check(
            { try $0.linearSilu(weight, bias: bias) }, equals: { try $0.linear(weight, bias: bias).silu() })
        try check({ try $0.linear(weight, times: other) }, equals: { try other * $0.linear(weight) })
        try check(
            { try $0.linear(weight, bias: bias, plus: other) }, equals: { try other + $0.linear(weight, bias: bias) })
        // Another shape than the product's is spread out as elsewhere.
        try check({ try $0.linear(weight, plus: bias) }, equals: { try bias + $0.linear(weight) })
    }

    @Test("norms")
    func norms() throws {
        let x = try normal([3, 5])
        let gain = try normal([5], seed: 2)
        let bias = try normal([5], seed: 3)
        let (g, b) = try (gain.elements(as: Double.self), bias.elements(as: Double.self))
        let rows = try numbers(x)
        try expect(
            x.layerNorm(gain: gain, bias: bias, epsilon: 1e-3),
            rows.flatMap { row in
                let mean = row.reduce(0, +) / 5
                let variance = row.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 5
                return row.enumerated().map { ($1 - mean) / (variance + 1e-3).squareRoot() * g[$0] + b[$0] }
            })
        let scale = rows.map { row in (row.map { $0 * $0 }.reduce(0, +) / 5 + 1e-3).squareRoot() }
        try expect(
            x.rmsNorm(gain: gain, epsilon: 1e-3),
            zip(rows, scale).flatMap { row, scale in row.enumerated().map { $1 / scale * g[$0] } })
        try expect(
            x.rmsNorm(gain: nil, epsilon: 1e-3), zip(rows, scale).flatMap { row, scale in row.map { $0 / scale } })
    }

    @Test(
        "attention: free, causal, masked, and with shared keys",
        arguments: ["free", "causal", "mask", "added", "shared"])
    func attention(kind: String) throws {
        let (heads, groups, length, width) = (2, kind == "shared" ? 1 : 2, 3, 4)
        let (q, k, v) = try (
            normal([1, heads, length, width], seed: 1), normal([1, groups, length, width], seed: 2),
            normal([1, groups, length, width], seed: 3)
        )
        let (queries, keys, values) = try (numbers(q), numbers(k), numbers(v))
        let mask = try Tensor.full([length, length], 1).upperTriangle(1) .== 0
        let bias = try normal([length, length], seed: 4)
        let added = try numbers(bias)
        let expected = (0..<heads * length).flatMap { index in
            let (head, position) = (index / length, index % length)
            let group = head * groups / heads
            let sees = kind == "causal" || kind == "mask" ? position + 1 : length
            let scores = (0..<sees).map { key in
                zip(queries[index], keys[group * length + key]).map(*).reduce(0, +) * 0.3
                    + (kind == "added" ? added[position][key] : 0)
            }
            let weights = softmax(scores)
            return (0..<width).map { column in
                (0..<sees).reduce(0) { $0 + weights[$1] * values[group * length + $1][column] }
            }
        }
        let result = try Tensor.attention(
            queries: q, keys: k, values: v, mask: kind == "mask" ? mask : kind == "added" ? bias : nil,
            causal: kind == "causal", scale: 0.3)
        try expect(result, expected, shape: [1, heads, length, width])
    }

    @Test("cross-entropy is the mean negative log-probability")
    func crossEntropy() throws {
        let x = try normal([3, 4])
        let targets = [2, 0, 3]
        let expected = try zip(numbers(x), targets).map { -log(softmax($0)[$1]) }.reduce(0, +) / 3
        try expect(x.crossEntropy(Tensor(targets)), [expected], shape: [])
    }
}
