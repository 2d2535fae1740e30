import SutureTensor

/// The matrix of a linear layer: a tensor of the checkpoint, whatever its orientation, or a part of one.
struct Matrix: Sendable {
    let stored: StoredTensor
    private let isTransposed: Bool
    /// What is to be cut from it when it is widened.
    private let part: TensorNames.Part?
    /// What needs no widening, cut once: a part of several blocks is a copy.
    private let ready: Tensor?

    init(_ stored: StoredTensor, isTransposed: Bool = false, part: TensorNames.Part? = nil) throws {
        self.isTransposed = isTransposed
        let own = isTransposed ? nil : part.flatMap(stored.taking)
        self.stored = own ?? stored
        self.part = own == nil ? part : nil
        ready = try stored.ready.map { try Self.view($0, isTransposed, part) }
    }

    /// All of it `[out, in]`, as float32.
    func widened() throws -> Tensor { try ready ?? Self.view(stored.widened(), isTransposed, part) }

    /// `x W^T` of a few vectors with the matrix as it is stored; nil where that is not faster, or cannot be.
    func product(_ input: Tensor) throws -> Tensor? {
        ready == nil && !isTransposed && part == nil ? try stored.product(input) : nil
    }

    /// Whether it is float32 for each use anew, and so not to be kept.
    var isWidenedAgain: Bool { ready == nil && !stored.isHeld }

    /// Row `index` `[in]`, as float32.
    func row(_ index: Int) throws -> Tensor {
        if let ready { return try ready.selected(0, index) }
        guard !isTransposed else { return try widened().selected(0, index).copied() }
        return try stored.widened(rows: index..<index + 1).squeezed(0)
    }

    /// Column `index` `[out]`, as float32.
    func column(_ index: Int) throws -> Tensor {
        if let ready { return try ready.selected(1, index) }
        // A view would keep all of the matrix.
        return try widened().selected(1, index).copied()
    }

    private static func view(_ whole: Tensor, _ isTransposed: Bool, _ part: TensorNames.Part?) throws -> Tensor {
        let rows = isTransposed ? try whole.transposed() : whole
        return try part.map(rows.taking) ?? rows
    }
}
