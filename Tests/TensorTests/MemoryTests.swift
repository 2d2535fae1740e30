import Foundation
import SutureTensor
import Testing

/// Bytes that a tensor borrows.
private final class Bytes {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 16)
    init() { for index in 0..<4 { buffer.storeBytes(of: Float(index), toByteOffset: 4 * index, as: Float.self) } }
    deinit { buffer.deallocate() }
}

@Suite("Memory", .serialized)
struct MemoryTests {
    @Test("borrowed memory is not copied, and its owner lives as long as any tensor that uses it")
    func borrowing() throws {
        weak var owner: Bytes?
        var view: Tensor?
        do {
            let bytes = Bytes()
            owner = bytes
            let tensor = try Tensor(
                borrowing: UnsafeRawBufferPointer(bytes.buffer), shape: [2, 2], dtype: .float32, owner: bytes)
            bytes.buffer.storeBytes(of: 7, as: Float.self)
            try expect(tensor, [7, 1, 2, 3], shape: [2, 2])
            view = try tensor.selected(0, 1)
        }
        #expect(owner != nil)
        try expect(#require(view), [2, 3])
        view = nil
        #expect(owner == nil)
    }

    @Test(
        "a tensor that does not come to be releases the owner",
        arguments: [[3], [-2, -2], [-4], [1 << 62, 4], [], [1 << 62, 1 << 62]])
    func refused(shape: [Int]) throws {
        weak var owner: Bytes?
        do {
            let bytes = Bytes()
            owner = bytes
            let message = try #require(
                message {
                    _ = try Tensor(
                        borrowing: UnsafeRawBufferPointer(bytes.buffer), shape: shape, dtype: .float32, owner: bytes)
                })
            #expect(message == "Tensor: 16 bytes do not fill float32\(shape)")
        }
        #expect(owner == nil)
    }

    /// Memory in use, in MB.
    static func resident() throws -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        let pages = try #require(text.split(separator: " ").dropFirst().first.flatMap { Double($0) })
        return pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 1e6
    }

    /// How much more memory is in use after `count` calls, in MB.
    ///
    /// Only a process of its own can tell: other tests take memory meanwhile.
    static func growth(_ count: Int, _ body: () throws -> Void) throws -> Double {
        for _ in 0..<1000 { try body() }
        guard let before = try Self.resident() else { return 0 }
        for _ in 0..<count { try body() }
        return try #require(try Self.resident()) - before
    }

    @Test("100 000 operations leave nothing behind")
    func operations() async {
        await #expect(processExitsWith: .success) {
            let a = try normal([16, 16])
            let leaf = try normal([16]).tracked()
            let source = try RandomSource(seed: 1)
            // A leak of one 2 KB result in a round would be 20 MB.
            let grown = try MemoryTests.growth(10_000) {
                let sum = try (a + a).matmul(a).narrowed(0, 0..<8).sum([0])
                let (values, indices) = try sum.top(3)
                _ = try (sum.indexSelected(0, at: indices) - values).floats()
                _ = try (leaf * sum).sum().gradients(of: [leaf])[0].floats()
                _ = try source.normal([256])
            }
            #expect(grown < 8)
        }
    }

    @Test("10 000 errors leave nothing behind")
    func errors() async {
        await #expect(processExitsWith: .success) {
            let a = try Tensor.zeros([100, 100])
            let b = try Tensor.zeros([3])
            let grown = try MemoryTests.growth(10_000) {
                #expect(throws: TensorError.self) { try (a + a).matmul(b) }
            }
            #expect(grown < 8)
        }
    }

    @Test("optimizers and random sources are freed")
    func owners() async {
        await #expect(processExitsWith: .success) {
            let initial = try Tensor.zeros([64, 64], dtype: .float64)
            let grown = try MemoryTests.growth(500) {
                let optimizer = try Optimizer([initial], .adam(rate: 0.1))
                try optimizer.step { try $0[0].square().sum() }
                _ = try RandomSource(seed: 1)
            }
            #expect(grown < 8)
        }
    }

    @Test("tensors are read from several threads at once")
    func concurrency() async throws {
        let a = try normal([32, 32], seed: 1)
        let b = try normal([32, 32], seed: 2)
        @Sendable func compute() throws -> [Double] {
            try (a.matmul(b) + a.transposed()).softmax().sum([0]).elements(as: Double.self)
        }
        let expected = try compute()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { try (0..<50).allSatisfy { _ in try compute() == expected } } }
            for try await isSame in group { #expect(isSame) }
        }
    }
}
