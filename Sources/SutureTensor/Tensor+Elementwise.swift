import CTorch

// Element by element, broadcasting as NumPy and PyTorch do.
extension Tensor {
    public static func + (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_add(a.handle, b.handle), "+", [a, b])
    }
    public static func - (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_sub(a.handle, b.handle), "-", [a, b])
    }
    public static func * (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_mul(a.handle, b.handle), "*", [a, b])
    }
    public static func / (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_div(a.handle, b.handle), "/", [a, b])
    }
    public static func + (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_add_scalar(a.handle, b), "+", [a])
    }
    public static func - (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_sub_scalar(a.handle, b), "-", [a])
    }
    public static func * (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_mul_scalar(a.handle, b), "*", [a])
    }
    public static func / (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_div_scalar(a.handle, b), "/", [a])
    }
    public static prefix func - (a: Tensor) throws(TensorError) -> Tensor { try Tensor(ct_neg(a.handle), "-", [a]) }

    /// Comparisons give a tensor of booleans.
    public static func .== (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_eq(a.handle, b.handle), ".==", [a, b])
    }
    public static func .< (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_lt(a.handle, b.handle), ".<", [a, b])
    }
    public static func .<= (a: Tensor, b: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_le(a.handle, b.handle), ".<=", [a, b])
    }
    public static func .== (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_eq_scalar(a.handle, b), ".==", [a])
    }
    public static func .< (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_lt_scalar(a.handle, b), ".<", [a])
    }
    public static func .> (a: Tensor, b: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_gt_scalar(a.handle, b), ".>", [a])
    }

    /// Where both tensors of booleans hold.
    public func logicalAnd(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_logical_and(handle, other.handle), "logicalAnd", [self, other])
    }

    public func abs() throws(TensorError) -> Tensor { try Tensor(ct_abs(handle), "abs", [self]) }
    public func exp() throws(TensorError) -> Tensor { try Tensor(ct_exp(handle), "exp", [self]) }
    public func log() throws(TensorError) -> Tensor { try Tensor(ct_log(handle), "log", [self]) }
    public func sqrt() throws(TensorError) -> Tensor { try Tensor(ct_sqrt(handle), "sqrt", [self]) }
    public func rsqrt() throws(TensorError) -> Tensor { try Tensor(ct_rsqrt(handle), "rsqrt", [self]) }
    public func square() throws(TensorError) -> Tensor { try Tensor(ct_square(handle), "square", [self]) }
    public func reciprocal() throws(TensorError) -> Tensor { try Tensor(ct_reciprocal(handle), "reciprocal", [self]) }
    public func sign() throws(TensorError) -> Tensor { try Tensor(ct_sign(handle), "sign", [self]) }
    public func sin() throws(TensorError) -> Tensor { try Tensor(ct_sin(handle), "sin", [self]) }
    public func cos() throws(TensorError) -> Tensor { try Tensor(ct_cos(handle), "cos", [self]) }
    public func tanh() throws(TensorError) -> Tensor { try Tensor(ct_tanh(handle), "tanh", [self]) }
    public func sigmoid() throws(TensorError) -> Tensor { try Tensor(ct_sigmoid(handle), "sigmoid", [self]) }
    public func relu() throws(TensorError) -> Tensor { try Tensor(ct_relu(handle), "relu", [self]) }
    public func silu() throws(TensorError) -> Tensor { try Tensor(ct_silu(handle), "silu", [self]) }
    public func isFinite() throws(TensorError) -> Tensor { try Tensor(ct_isfinite(handle), "isFinite", [self]) }
    public func pow(_ exponent: Double) throws(TensorError) -> Tensor {
        try Tensor(ct_pow_scalar(handle, exponent), "pow", [self])
    }
    public func maximum(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_maximum(handle, other.handle), "maximum", [self, other])
    }
    public func minimum(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_minimum(handle, other.handle), "minimum", [self, other])
    }

    /// The Gaussian error linear unit: exact with erf, or the tanh approximation of GPT-2.
    public func gelu(tanhApproximation: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(ct_gelu(handle, tanhApproximation), "gelu", [self])
    }

    /// Every element moved into `range`.
    public func clamped(to range: ClosedRange<Double>) throws(TensorError) -> Tensor {
        try Tensor(ct_clamp(handle, range.lowerBound, range.upperBound), "clamped", [self])
    }

    /// This tensor where `condition` holds, `other` elsewhere.
    public func `where`(_ condition: Tensor, else other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_where(condition.handle, handle, other.handle), "where", [condition, self, other])
    }

    /// `value` where `mask` holds, this tensor elsewhere.
    public func filled(_ value: Double, where mask: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_masked_fill(handle, mask.handle, value), "filled", [self, mask])
    }

    /// The matrix product over the last two dimensions, batched over the others.
    public func matmul(_ other: Tensor) throws(TensorError) -> Tensor {
        try Tensor(ct_matmul(handle, other.handle), "matmul", [self, other])
    }
}
