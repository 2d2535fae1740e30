import CTorch

/// Gradient descent over a few parameters: Adam or SGD, as libtorch has them.
///
/// An optimizer owns its parameters: ``step(_:)`` changes them in place, the one exception to the
/// rule that a tensor never changes.
public final class Optimizer {
    /// The rule that turns a gradient into a step.
    public enum Rule: Sendable {
        /// Adam (Kingma & Ba 2014) with L2 decay added to the gradient.
        case adam(rate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, decay: Double = 0)
        /// Stochastic gradient descent with momentum as in PyTorch (no dampening).
        case sgd(rate: Double, momentum: Double = 0, decay: Double = 0)
    }

    /// The parameters, with their present values.
    public let parameters: [Tensor]
    private let rule: Rule
    private let handle: OpaquePointer

    /// Starts from copies of `initial`.
    public init(_ initial: [Tensor], _ rule: Rule) throws(TensorError) {
        guard !initial.isEmpty else { throw TensorError("Optimizer", reason: "there are no parameters") }
        var parameters: [Tensor] = []
        for tensor in initial {
            parameters.append(try tensor.copied().tracked())
        }
        let made =
            switch rule {
            case .adam(let rate, let beta1, let beta2, let epsilon, let decay):
                torch.adam(parameters.handles, Int32(parameters.count), rate, beta1, beta2, epsilon, decay)
            case .sgd(let rate, let momentum, let decay):
                torch.sgd(parameters.handles, Int32(parameters.count), rate, momentum, decay)
            }
        guard let made else { throw TensorError("Optimizer", parameters) }
        self.parameters = parameters
        self.rule = rule
        handle = made
    }

    deinit { torch.optimizer_free(handle) }

    /// Makes the next steps of another size: for schedules.
    public func setRate(_ rate: Double) throws(TensorError) {
        guard torch.optimizer_set_rate(handle, rate) == 0 else { throw TensorError("setRate", parameters) }
    }

    /// Moves each parameter to where `place` puts it, such as back into a box or a ball; momentum stays as it is.
    public func move(_ place: (Tensor) throws -> Tensor) throws {
        for (index, parameter) in parameters.enumerated() {
            let value = try place(parameter.detached())
            guard torch.optimizer_assign(handle, Int32(index), value.handle) == 0 else {
                throw TensorError("move", [parameter, value])
            }
        }
    }

    /// The momentum of each parameter, for an interrupted run to go on; nil before the first step and where there is none.
    ///
    /// Only stochastic gradient descent tells it.
    public func momentum() throws(TensorError) -> [Tensor]? {
        guard case .sgd = rule else { return nil }
        var result: [Tensor] = []
        for index in parameters.indices {
            var out: OpaquePointer?
            guard torch.sgd_momentum(handle, Int32(index), &out) == 0 else { throw TensorError("momentum", parameters) }
            guard let out else { return nil }
            result.append(Tensor(owning: out))
        }
        return result
    }

    /// Goes on with the momentum that another run of stochastic gradient descent had.
    public func setMomentum(_ momentum: [Tensor]) throws(TensorError) {
        guard case .sgd = rule, momentum.count == parameters.count else {
            throw TensorError("setMomentum", momentum, reason: "this optimizer has no such momentum")
        }
        for (index, tensor) in momentum.enumerated() {
            guard torch.sgd_set_momentum(handle, Int32(index), tensor.handle) == 0 else {
                throw TensorError("setMomentum", [parameters[index], tensor])
            }
        }
    }

    /// One step down the gradient of the scalar that `loss` computes; returns the loss before the step.
    @discardableResult
    public func step(_ loss: ([Tensor]) throws -> Tensor) throws -> Double {
        torch.optimizer_zero_grad(handle)
        let value = try loss(parameters)
        guard torch.backward(value.handle) == 0 else { throw TensorError("backward", [value]) }
        guard torch.optimizer_step(handle) == 0 else { throw TensorError("step", parameters) }
        return try value.item()
    }
}
