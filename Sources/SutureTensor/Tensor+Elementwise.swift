import CTorch

// Element by element, broadcasting as NumPy and PyTorch do.
extension Tensor {
    /// The sum of two tensors.
    public static func + (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.add(a.handle, b.handle), "+", [a, b])
    }

    /// The difference of two tensors.
    public static func - (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.sub(a.handle, b.handle), "-", [a, b])
    }

    /// The product of two tensors, element by element; ``matmul(_:)`` multiplies matrices.
    public static func * (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.mul(a.handle, b.handle), "*", [a, b])
    }

    /// The quotient of two tensors; of whole numbers, a float32.
    public static func / (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.div(a.handle, b.handle), "/", [a, b])
    }

    /// A number added to every element.
    public static func + (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.add_scalar(a.handle, b), "+", [a])
    }

    /// A number taken from every element.
    public static func - (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.sub_scalar(a.handle, b), "-", [a])
    }

    /// Every element times a number.
    public static func * (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.mul_scalar(a.handle, b), "*", [a])
    }

    /// Every element divided by a number.
    public static func / (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.div_scalar(a.handle, b), "/", [a])
    }

    /// Every element with the other sign.
    public static prefix func - (a: Tensor) throws(TensorError) -> Tensor { try Tensor(torch.neg(a.handle), "-", [a]) }

    /// Where two tensors are equal. Comparisons give a tensor of booleans.
    public static func .== (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.eq(a.handle, b.handle), ".==", [a, b])
    }

    /// Where the first tensor is less than the second.
    public static func .< (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.lt(a.handle, b.handle), ".<", [a, b])
    }

    /// Where the first tensor is at most the second.
    public static func .<= (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.le(a.handle, b.handle), ".<=", [a, b])
    }

    /// Where an element equals a number.
    public static func .== (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.eq_scalar(a.handle, b), ".==", [a])
    }

    /// Where an element is less than a number.
    public static func .< (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.lt_scalar(a.handle, b), ".<", [a])
    }

    /// Where an element is greater than a number.
    public static func .> (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.gt_scalar(a.handle, b), ".>", [a])
    }

    /// Where both tensors of booleans hold.
    public func logicalAnd(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.logical_and(handle, other.handle), "logicalAnd", [self, other])
    }

    /// The absolute value |x|.
    public func abs() throws(TensorError) -> Tensor { try Tensor(torch.abs(handle), "abs", [self]) }

    /// e^x.
    public func exp() throws(TensorError) -> Tensor { try Tensor(torch.exp(handle), "exp", [self]) }

    /// The natural logarithm: -infinity at 0, NaN below.
    public func log() throws(TensorError) -> Tensor { try Tensor(torch.log(handle), "log", [self]) }

    /// The square root: NaN below 0.
    public func sqrt() throws(TensorError) -> Tensor { try Tensor(torch.sqrt(handle), "sqrt", [self]) }

    /// 1 / sqrt(x).
    public func rsqrt() throws(TensorError) -> Tensor { try Tensor(torch.rsqrt(handle), "rsqrt", [self]) }

    /// x^2.
    public func square() throws(TensorError) -> Tensor { try Tensor(torch.square(handle), "square", [self]) }

    /// 1 / x.
    public func reciprocal() throws(TensorError) -> Tensor {
        try Tensor(torch.reciprocal(handle), "reciprocal", [self])
    }

    /// -1, 0 or 1.
    public func sign() throws(TensorError) -> Tensor { try Tensor(torch.sign(handle), "sign", [self]) }

    /// The sine of x in radians.
    public func sin() throws(TensorError) -> Tensor { try Tensor(torch.sin(handle), "sin", [self]) }

    /// The cosine of x in radians.
    public func cos() throws(TensorError) -> Tensor { try Tensor(torch.cos(handle), "cos", [self]) }

    /// The hyperbolic tangent.
    public func tanh() throws(TensorError) -> Tensor { try Tensor(torch.tanh(handle), "tanh", [self]) }

    /// 1 / (1 + e^-x).
    public func sigmoid() throws(TensorError) -> Tensor { try Tensor(torch.sigmoid(handle), "sigmoid", [self]) }

    /// max(x, 0).
    public func relu() throws(TensorError) -> Tensor { try Tensor(torch.relu(handle), "relu", [self]) }

    /// x sigmoid(x), also called swish.
    public func silu() throws(TensorError) -> Tensor { try Tensor(torch.silu(handle), "silu", [self]) }

    /// Where x is neither infinite nor NaN, as booleans.
    public func isFinite() throws(TensorError) -> Tensor { try Tensor(torch.isfinite(handle), "isFinite", [self]) }

    /// x^exponent.
    public func pow(_ exponent: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.pow_scalar(handle, exponent), "pow", [self])
    }

    /// The larger of two elements; NaN if one is.
    public func maximum(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.maximum(handle, other.handle), "maximum", [self, other])
    }

    /// The smaller of two elements; NaN if one is.
    public func minimum(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.minimum(handle, other.handle), "minimum", [self, other])
    }

    /// The Gaussian error linear unit: exact with erf, or the tanh approximation of GPT-2.
    public func gelu(tanhApproximation: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.gelu(handle, tanhApproximation), "gelu", [self])
    }

    /// Every element moved into `range`.
    public func clamped(to range: ClosedRange<Double>) throws(TensorError) -> Tensor {
        try Tensor(torch.clamp(handle, range.lowerBound, range.upperBound), "clamped", [self])
    }

    /// This tensor where `condition` holds, `other` elsewhere.
    public func `where`(_ condition: Tensor, else other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.where(condition.handle, handle, other.handle), "where", [condition, self, other])
    }

    /// `value` where `mask` holds, this tensor elsewhere.
    public func filled(_ value: Double, where mask: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.masked_fill(handle, mask.handle, value), "filled", [self, mask])
    }

    /// The matrix product over the last two dimensions, batched over the others.
    public func matmul(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.matmul(handle, other.handle), "matmul", [self, other])
    }
}
