import ArgumentParser
import Foundation
import SutureTensor

/// What one call of an operator costs, on tensors so small that nothing else matters.
struct Ops: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The cost of one call of an operator, beside Python's torch.")

    @Option(help: "How often the two sides are measured, in turn.") var rounds = 5
    @Option(help: "Calls in one timing; a round takes the median of 101 timings.") var calls = 200

    func validate() throws {
        guard rounds > 0, calls > 0 else { throw ValidationError("--rounds and --calls are positive") }
    }

    func run() throws {
        Runtime.threads = 1
        let peer = Child.peer("ops.py", ["--calls", "\(calls)"])
        printConditions(threads: 1, rounds: rounds)

        let operators = try Self.operators()
        var ours: [String: [Double]] = [:]
        var theirs: [String: [Double]] = [:]
        for _ in 0..<rounds {
            for (name, call) in operators { ours[name, default: []].append(try nanoseconds(call)) }
            let report = try peer?.run([String: Double].self) ?? [:]
            for (name, value) in report { theirs[name, default: []].append(value) }
        }

        print("one call".left(28) + "Suture".right(12) + "Python".right(12) + "Python / Suture".right(18))
        for (name, _) in operators {
            guard let mine = ours[name] else { continue }
            var line = name.left(28) + "\(Int(median(mine))) ns".right(12)
            if let other = theirs[name], other.count == mine.count {
                let ratio = median(zip(other, mine).map(/))
                line += "\(Int(median(other))) ns".right(12) + String(format: "%.2f", ratio).right(18)
            }
            print(line)
        }
    }

    /// The median time of one call.
    private func nanoseconds(_ call: () throws -> Void) throws -> Double {
        for _ in 0..<calls { try call() }
        let timings = try (0..<101).map { _ in
            try seconds { for _ in 0..<calls { try call() } } / Double(calls) * 1e9
        }
        return median(timings)
    }

    /// Under the names that `Benchmarks/peers/ops.py` uses.
    private static func operators() throws -> [(String, () throws -> Void)] {
        let numbers: [Float] = [1, 2, 3, 4]
        let vector = try Tensor(numbers)
        let matrix = try RandomSource(seed: 1).normal([4, 4])
        let scalar = try vector.sum()
        return [
            ("add [4]", { _ = try vector + vector }),
            ("add a number [4]", { _ = try vector + 1.0 }),
            ("matmul [4, 4]", { _ = try matrix.matmul(matrix) }),
            ("linear [4, 4]", { _ = try matrix.linear(matrix, bias: vector) }),
            ("softmax [4]", { _ = try vector.softmax() }),
            ("sum [4]", { _ = try vector.sum() }),
            ("narrow [4, 4]", { _ = try matrix.narrowed(0, 1..<3) }),
            ("transpose [4, 4]", { _ = try matrix.transposed() }),
            ("reshape [4, 4]", { _ = try matrix.reshaped([2, 8]) }),
            ("make from 4 numbers", { _ = try Tensor(numbers) }),
            ("read one number", { _ = try scalar.item() })
        ]
    }
}
