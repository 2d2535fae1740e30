import CTorch

/// An array of numbers with a shape, an element type and a device: a value that never changes.
///
/// Operators make new tensors and throw a ``TensorError`` that names the operator and the shapes.
/// Shapes in this documentation are written `[batch, position, width]`.
public final class Tensor: @unchecked Sendable {
    // Sendable: libtorch's reference counts are atomic, and the storage is only written before the
    // tensor is handed out (and by optimizers, which own their parameters).
    let handle: OpaquePointer

    /// The extent of each dimension; empty for a scalar.
    public let shape: [Int]

    init(owning handle: OpaquePointer) {
        self.handle = handle
        let rank = Int(torch.rank(handle))
        shape = [Int](unsafeUninitializedCapacity: rank) { buffer, count in
            buffer.withMemoryRebound(to: Int64.self) { torch.shape(handle, $0.baseAddress) }
            count = rank
        }
    }

    convenience init(
        _ handle: OpaquePointer?, _ operation: @autoclosure () -> String, _ operands: @autoclosure () -> [Tensor?] = []
    ) throws(TensorError) {
        guard let handle else { throw TensorError(operation(), operands()) }
        self.init(owning: handle)
    }

    deinit { torch.free(handle) }

    /// The number of dimensions.
    public var rank: Int { shape.count }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The type of the elements.
    public var dtype: DType { DType(code: torch.dtype(handle)) ?? .uint8 }

    /// Where the elements are.
    public var device: Device {
        var kind: Int32 = 0
        var index: Int32 = 0
        torch.device(handle, &kind, &index)
        return Device(kind: kind == CT_CUDA ? .cuda : kind == CT_MPS ? .mps : .cpu, index: index)
    }

    var signature: String { "\(dtype.rawValue)\(shape)" }
}

// MARK: - Making

extension Tensor {
    /// A tensor with the given elements, in row-major order.
    public convenience init<Element: TensorElement>(
        _ elements: [Element], shape: [Int]? = nil, device: Device = .cpu
    ) throws(TensorError) {
        let shape = shape ?? [elements.count]
        guard shape.elementCount == elements.count else {
            throw TensorError("Tensor", reason: "\(elements.count) elements do not fill \(shape)")
        }
        let made = elements.withUnsafeBytes {
            torch.copy_bytes($0.baseAddress, shape.int64, Int32(shape.count), Element.dtype.code)
        }
        guard let made else { throw TensorError("Tensor") }
        guard device != .cpu else {
            self.init(owning: made)
            return
        }
        let host = Tensor(owning: made)
        try self.init(torch.to_device(host.handle, device.kind.code, device.index), "to(\(device))", [host])
    }

    /// A tensor over memory that someone else keeps: nothing is copied. `owner` is held for as long
    /// as any tensor uses the memory, which must not change in that time.
    public convenience init(
        borrowing bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType, owner: AnyObject
    ) throws(TensorError) {
        let (count, rest) = bytes.count.quotientAndRemainder(dividingBy: dtype.byteWidth)
        guard shape.elementCount == count, rest == 0, let base = bytes.baseAddress else {
            throw TensorError("Tensor", reason: "\(bytes.count) bytes do not fill \(dtype.rawValue)\(shape)")
        }
        let context = Unmanaged.passRetained(owner).toOpaque()
        try self.init(
            torch.borrow_bytes(
                base, shape.int64, Int32(shape.count), dtype.code,
                { Unmanaged<AnyObject>.fromOpaque($0!).release() }, context), "Tensor")
    }

    /// A tensor whose elements are all `value`.
    public static func full(
        _ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu
    ) throws(TensorError) -> Tensor {
        try Tensor(
            torch.full(shape.int64, Int32(shape.count), value, dtype.code, device.kind.code, device.index),
            "full\(shape)")
    }

    /// A tensor of zeros.
    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws(TensorError)
        -> Tensor
    {
        try full(shape, 0, dtype: dtype, device: device)
    }

    /// The whole numbers of `range`, as int64.
    public static func arange(_ range: Range<Int>, device: Device = .cpu) throws(TensorError) -> Tensor {
        try Tensor(
            torch.arange(
                Int64(range.lowerBound), Int64(range.upperBound), DType.int64.code, device.kind.code, device.index),
            "arange")
    }
}

// MARK: - Reading

/// A Swift type whose values can be a tensor's elements.
public protocol TensorElement: BitwiseCopyable, Sendable {
    /// The element type of a tensor of such values.
    static var dtype: DType { get }
}

extension Float: TensorElement {
    /// `float32`
    public static var dtype: DType { .float32 }
}
extension Double: TensorElement {
    /// `float64`
    public static var dtype: DType { .float64 }
}
extension Int: TensorElement {
    /// `int64`
    public static var dtype: DType { .int64 }
}
extension Int32: TensorElement {
    /// `int32`
    public static var dtype: DType { .int32 }
}
extension UInt8: TensorElement {
    /// `uint8`
    public static var dtype: DType { .uint8 }
}

extension Tensor {
    /// The elements in row-major order, converted to `Element`.
    public func elements<Element: TensorElement>(as type: Element.Type = Element.self) throws(TensorError) -> [Element]
    {
        let source = try to(Element.dtype)
        var failed = false
        let elements = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            failed = torch.read(source.handle, buffer.baseAddress, buffer.count * MemoryLayout<Element>.stride) != 0
            initialized = failed ? 0 : buffer.count
        }
        if failed { throw TensorError("elements", [self]) }
        return elements
    }

    /// The elements as `Float`s in row-major order.
    public func floats() throws(TensorError) -> [Float] { try elements(as: Float.self) }

    /// The elements as `Int`s in row-major order.
    public func ints() throws(TensorError) -> [Int] { try elements(as: Int.self) }

    /// The only element.
    public func item() throws(TensorError) -> Double {
        var value = 0.0
        guard torch.item(handle, &value) == 0 else { throw TensorError("item", [self]) }
        return value
    }
}

// MARK: - Conversion

extension Tensor {
    /// The same numbers as another element type; itself where the type is the same.
    public func to(_ dtype: DType) throws(TensorError) -> Tensor {
        dtype == self.dtype ? self : try Tensor(torch.to_dtype(handle, dtype.code), "to(\(dtype.rawValue))", [self])
    }

    /// The same numbers as another element type, row-major in memory that someone else keeps, as in
    /// ``init(borrowing:shape:dtype:owner:)``: large memory that is used again costs far less than new memory.
    public func to(
        _ dtype: DType, in memory: UnsafeMutableRawBufferPointer, owner: AnyObject
    ) throws(TensorError) -> Tensor {
        let copy = try Tensor(borrowing: UnsafeRawBufferPointer(memory), shape: shape, dtype: dtype, owner: owner)
        guard torch.copy_into(copy.handle, handle) == 0 else { throw TensorError("to(\(dtype.rawValue))", [self]) }
        return copy
    }

    /// The same numbers on another device; itself where it is there already.
    public func to(_ device: Device) throws(TensorError) -> Tensor {
        device == self.device
            ? self : try Tensor(torch.to_device(handle, device.kind.code, device.index), "to(\(device))", [self])
    }

    /// The same numbers in memory of their own: what an optimizer does to its parameters leaves them alone.
    public func copied() throws(TensorError) -> Tensor { try Tensor(torch.clone(handle), "copied", [self]) }

    /// The same numbers laid out in row-major order without gaps.
    public func contiguous() throws(TensorError) -> Tensor {
        try Tensor(torch.contiguous(handle), "contiguous", [self])
    }
}

extension [Int] {
    var int64: [Int64] { map(Int64.init) }

    /// The number of elements of a tensor of this shape; nil where an extent is negative or there are too many.
    var elementCount: Int? {
        var count = 1
        for extent in self {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard extent >= 0, !overflow else { return nil }
            count = product
        }
        return count
    }
}

extension Tensor: CustomStringConvertible {
    /// The type and shape, and the elements of a small tensor.
    public var description: String {
        guard count <= 16, let values = try? elements(as: Double.self) else { return signature }
        return "\(signature) \(values)"
    }
}
