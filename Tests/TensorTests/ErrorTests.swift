import SutureTensor
import Testing

@Suite("A wrong call is an error of one line that names the operator and the shapes")
struct ErrorTests {
    struct Wrong: Sendable, CustomTestStringConvertible {
        /// How the message begins.
        let testDescription: String
        let call: @Sendable () throws -> Any

        init(_ beginning: String, _ call: @escaping @Sendable () throws -> Any) {
            testDescription = beginning
            self.call = call
        }
    }

    static let two = Result { try Tensor([1.0, 2]) }
    static let three = Result { try Tensor([Float(1), 2, 3]) }

    static let calls: [Wrong] = [
        Wrong("+(float64[2], float32[3])") { try two.get() + three.get() },
        Wrong("maximum(float64[2], float32[3])") { try two.get().maximum(three.get()) },
        Wrong("where(float64[2], float32[3], float32[3])") { try three.get().where(two.get(), else: three.get()) },
        Wrong("matmul(float32[3], float64[2])") { try three.get().matmul(two.get()) },
        Wrong("matmul(float32[3], int64[3])") { try three.get().matmul(Tensor([1, 2, 3])) },
        Wrong("linear(float32[3], float32[3], float64[2])") { try three.get().linear(three.get(), bias: two.get()) },
        Wrong("layerNorm(float32[3], float64[2])") {
            try three.get().layerNorm(gain: two.get(), bias: nil, epsilon: 1)
        },
        Wrong("rmsNorm(float32[3], float64[2])") { try three.get().rmsNorm(gain: two.get(), epsilon: 1) },
        Wrong("embedding(float32[3], float64[2])") { try three.get().embedding(two.get()) },
        Wrong("softmax(1)(float32[3])") { try three.get().softmax(1) },
        Wrong("crossEntropy(float32[3], float64[2])") { try three.get().crossEntropy(two.get()) },
        Wrong("attention(float32[3], float32[3], float32[3], float64[2])") {
            let x = try three.get()
            return try Tensor.attention(queries: x, keys: x, values: x, mask: two.get(), scale: 1)
        },
        Wrong("reshaped([2, 2])(float32[3])") { try three.get().reshaped([2, 2]) },
        Wrong("reshaped([-5])(float32[3])") { try three.get().reshaped([-5]) },
        Wrong("expanded([2])(float32[3])") { try three.get().expanded([2]) },
        Wrong("permuted([0, 0])(float32[3])") { try three.get().permuted([0, 0]) },
        Wrong("transposed(-2, -1)(float32[3])") { try three.get().transposed() },
        Wrong("narrowed(0, 2..<5)(float32[3])") { try three.get().narrowed(0, 2..<5) },
        Wrong("selected(0, 3)(float32[3])") { try three.get().selected(0, 3) },
        Wrong("indexSelected(0)(float32[3], int64[2])") { try three.get().indexSelected(0, at: [0, 3]) },
        Wrong("gathered(0)(float32[3], int64[1])") { try three.get().gathered(0, at: Tensor([-4])) },
        Wrong("adding(0)(float32[3], int64[1], float64[2])") { try three.get().adding(0, at: Tensor([0]), two.get()) },
        Wrong("replacing(0)(float32[3], int64[1], float64[2])") {
            try three.get().replacing(0, at: Tensor([0]), with: two.get())
        },
        Wrong("concatenated(0)") { try Tensor.concatenated([], 0) },
        Wrong("concatenated(1)(float32[3])") { try Tensor.concatenated([three.get()], 1) },
        Wrong("concatenated(1)(float32[3], float32[3])") { try Tensor.concatenated([three.get(), three.get()], 1) },
        Wrong("stacked(0)") { try Tensor.stacked([]) },
        Wrong("stacked(0)(float64[2], float32[3])") { try Tensor.stacked([two.get(), three.get()]) },
        Wrong("max([])(float32[0])") { try Tensor([Float]()).max() },
        Wrong("argmax(-1)(float32[0])") { try Tensor([Float]()).argmax() },
        Wrong("sum([1])(float32[3])") { try three.get().sum([1]) },
        Wrong("top(4)(float32[3])") { try three.get().top(4) },
        Wrong("top(-1)(float32[3])") { try three.get().top(-1) },
        Wrong("item(float32[3])") { try three.get().item() },
        Wrong("svd(float32[3])") { try three.get().svd() },
        Wrong("cholesky(float32[3])") { try three.get().cholesky() },
        Wrong("leastSquares(float32[3], float64[2])") { try two.get().leastSquares(three.get()) },
        Wrong("gradients(float32[3], float64[2])") { try three.get().gradients(of: [two.get()]) },
        Wrong("gradients(float32[3])") { try three.get().gradients(of: []) },
        Wrong("tracked(int64[1])") { try Tensor([1]).tracked() },
        Wrong("full[-1]") { try Tensor.full([-1], 0) },
        Wrong("full[4611686018427387904, 4]") { try Tensor.zeros([1 << 62, 4]) },
        Wrong("Tensor: 3 elements do not fill [2]") { try Tensor([1, 2, 3], shape: [2]) },
        Wrong("Tensor: 2 elements do not fill [-1, -2]") { try Tensor([1, 2], shape: [-1, -2]) },
        Wrong("Tensor: 0 elements do not fill [4611686018427387904, 4]") { try Tensor([Int](), shape: [1 << 62, 4]) },
        Wrong("permutation") { try RandomSource(seed: 1).permutation(-1) },
        Wrong("normal[-2]") { try RandomSource(seed: 1).normal([-2]) }
    ]

    @Test("for each", arguments: calls)
    func line(_ wrong: Wrong) throws {
        let message = try #require(message { _ = try wrong.call() }, "nothing was thrown")
        #expect(message.hasPrefix(wrong.testDescription))
        #expect(!message.contains("\n"))
        #expect(message.count < 300)
        #expect(message.count > wrong.testDescription.count || wrong.testDescription.contains(": "), "no reason given")
    }

    @Test("an error belongs to the thread that made it")
    func threads() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for size in 4..<12 {
                group.addTask {
                    let (a, b) = try (Tensor.zeros([2]), Tensor.zeros([size]))
                    return (0..<100).allSatisfy { _ in message { _ = try a + b }?.contains("(\(size))") == true }
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}
