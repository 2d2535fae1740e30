import Foundation
import SutureTensor
import Testing

@Suite("Optimizers follow their published formulas")
struct OptimizerTests {
    static let start = [1.5, -2, 0.5]
    static let scales = [1.0, 3, 0.2]

    /// f(x) = sum(scale * x^4 / 4 + sin(x)), and its gradient in plain Swift.
    func loss(_ parameters: [Tensor]) throws -> Tensor {
        try (parameters[0].pow(4) * Tensor(Self.scales) / 4 + parameters[0].sin()).sum()
    }

    func gradient(_ x: [Double]) -> [Double] { zip(x, Self.scales).map { $1 * $0 * $0 * $0 + cos($0) } }

    func check(_ rule: Optimizer.Rule, _ step: (inout [Double], [Double], Int) -> Void) throws {
        let initial = try Tensor(Self.start)
        let optimizer = try Optimizer([initial], rule)
        var x = Self.start
        for index in 1...20 {
            let before = zip(x, Self.scales).map { $1 * pow($0, 4) / 4 + sin($0) }.reduce(0, +)
            let reported = try optimizer.step(loss)
            #expect(abs(reported - before) < 1e-10)
            step(&x, gradient(x), index)
            try expect(optimizer.parameters[0], x, tolerance: 1e-10, "step \(index)")
        }
        try expect(initial, Self.start, "the initial tensor stays as it was")
    }

    @Test("Adam", arguments: [0, 0.1])
    func adam(decay: Double) throws {
        var (m, v) = ([0.0, 0, 0], [0.0, 0, 0])
        try check(.adam(rate: 0.05, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, decay: decay)) { x, gradient, t in
            for i in x.indices {
                let g = gradient[i] + decay * x[i]
                m[i] = 0.8 * m[i] + 0.2 * g
                v[i] = 0.95 * v[i] + 0.05 * g * g
                let (mean, variance) = (m[i] / (1 - pow(0.8, Double(t))), v[i] / (1 - pow(0.95, Double(t))))
                x[i] -= 0.05 * mean / (variance.squareRoot() + 1e-6)
            }
        }
    }

    @Test("SGD, with momentum and decay", arguments: [0, 0.9], [0, 0.1])
    func sgd(momentum: Double, decay: Double) throws {
        var velocity = [0.0, 0, 0]
        try check(.sgd(rate: 0.02, momentum: momentum, decay: decay)) { x, gradient, _ in
            for i in x.indices {
                velocity[i] = momentum * velocity[i] + gradient[i] + decay * x[i]
                x[i] -= 0.02 * velocity[i]
            }
        }
    }

    @Test("a run that goes on with the momentum of another equals one run")
    func momentum() throws {
        let rule = Optimizer.Rule.sgd(rate: 0.02, momentum: 0.9, decay: 0.1)
        let whole = try Optimizer([Tensor(Self.start)], rule)
        #expect(try whole.momentum() == nil)
        for _ in 0..<3 { try whole.step(loss) }
        let second = try Optimizer(whole.parameters, rule)
        let momentum = try #require(try whole.momentum())
        try second.setMomentum(momentum)
        for _ in 0..<2 {
            try whole.step(loss)
            try second.step(loss)
        }
        #expect(try whole.parameters[0].elements(as: Double.self) == second.parameters[0].elements(as: Double.self))
        #expect(throws: TensorError.self) { try second.setMomentum([Tensor([1.0])]) }
        #expect(throws: TensorError.self) { try second.setMomentum([]) }
        let adam = try Optimizer([Tensor(Self.start)], .adam(rate: 0.1))
        try adam.step(loss)
        #expect(try adam.momentum() == nil)
        #expect(throws: TensorError.self) { try adam.setMomentum(momentum) }
    }

    @Test("parameters are moved in place, and the next step goes on from there")
    func moving() throws {
        let optimizer = try Optimizer([Tensor([3.0, -4.0])], .sgd(rate: 0.5))
        try optimizer.step { try ($0[0] * $0[0]).sum() }  // to 0
        try optimizer.move { try $0 + 2 }
        try optimizer.move { try $0.clamped(to: -1...1) }
        try expect(optimizer.parameters[0], [1, 1])
        try optimizer.step { try ($0[0] * 0.5).sum() }
        try expect(optimizer.parameters[0], [0.75, 0.75])
        #expect(throws: TensorError.self) { try optimizer.move { _ in try Tensor([1.0]) } }
        #expect(throws: CancellationError.self) { try optimizer.move { _ in throw CancellationError() } }
        try expect(optimizer.parameters[0], [0.75, 0.75])
    }

    @Test("a loss that throws or is no scalar changes nothing")
    func errors() throws {
        let optimizer = try Optimizer([Tensor(Self.start)], .sgd(rate: 1))
        #expect(throws: CancellationError.self) { try optimizer.step { _ in throw CancellationError() } }
        #expect(throws: TensorError.self) { try optimizer.step { $0[0] } }
        try expect(optimizer.parameters[0], Self.start)
        #expect(throws: TensorError.self) { try Optimizer([Tensor([1, 2])], .sgd(rate: 1)) }
        #expect(throws: TensorError.self) { try Optimizer([], .sgd(rate: 1)) }
        #expect(throws: TensorError.self) { try Optimizer([Tensor(Self.start)], .adam(rate: -1)) }
    }
}
