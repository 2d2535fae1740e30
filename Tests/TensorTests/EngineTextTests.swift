import Foundation
import SutureTensor
import Testing

@Suite("What the engine says comes behind our own words, and shortened")
struct EngineTextTests {
    /// What shows that a text is the engine's own, as it is or of its insides.
    static let foreign = ["please report a bug", "INTERNAL ASSERT", ".cpp", "frame #", "Exception raised", "\n"]

    private func error(_ body: () throws -> Void) throws -> TensorError {
        let error = try #require(throws: TensorError.self) { try body() }
        let text = error.description
        #expect(!Self.foreign.contains { text.contains($0) }, "\(text)")
        let own = try #require(text.components(separatedBy: " [engine: ").first)
        #expect(own.contains(error.operation) && own.contains(error.reason), "\(text)")
        return error
    }

    @Test(
        "values that are not finite are noticed where a solver or a decomposition begins",
        arguments: [
            Double.nan, .infinity, -.infinity
        ])
    func notFinite(value: Double) throws {
        let bad = try Tensor([1, 0, 0, value], shape: [2, 2])
        let good = try Tensor([1.0, 0, 0, 1], shape: [2, 2])
        let calls: [(name: String, call: () throws -> Void)] = [
            ("cholesky", { _ = try bad.cholesky() }), ("solved(cholesky:)", { _ = try bad.solved(cholesky: good) }),
            ("solved(cholesky:)", { _ = try good.solved(cholesky: bad) }), ("solved", { _ = try bad.solved(good) }),
            ("solved", { _ = try good.solved(bad) }), ("pseudoInverse", { _ = try bad.pseudoInverse(tolerance: 0) }),
            ("leastSquares", { _ = try bad.leastSquares(good) }), ("leastSquares", { _ = try good.leastSquares(bad) }),
            ("qr", { _ = try bad.qr() }), ("svd", { _ = try bad.svd() }),
            ("symmetricEigen", { _ = try bad.symmetricEigen() })
        ]
        for (name, call) in calls {
            let error = try error(call)
            #expect(error.cause == .notFinite)
            #expect(error.operation == name)
            #expect(error.detail == nil)
        }
    }

    @Test("what cannot be computed is told with the engine's reason behind it")
    func impossible() throws {
        let error = try error { _ = try Tensor([1.0, 2, 2, 1], shape: [2, 2]).cholesky() }
        #expect(error.cause == .impossible)
        #expect(error.description.hasPrefix("cholesky(float64[2, 2]): it cannot be computed"))
        #expect(error.detail?.contains("positive") == true)
        _ = try self.error { _ = try Tensor([1.0, 2]).reshaped([3]) }
        _ = try self.error { _ = try Tensor([1.0, 2]) + Tensor([1.0, 2, 3]) }
    }

    @Test("a lack of memory is told as that")
    func memory() throws {
        let error = try error { _ = try Tensor.zeros([1 << 40, 1 << 10]) }
        #expect(error.cause == .memory)
        #expect(error.reason.contains("not enough memory"))
    }
}
