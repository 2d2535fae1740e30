import SutureTensor

/// The output head, a row for each token: large in every model, so that only those rows are widened that are needed, or
/// all of them in blocks.
struct OutputHead: Sendable {
    let stored: StoredTensor
    let bias: Tensor?
    /// How many numbers a head may have to be read as a whole.
    ///
    /// What is at hand makes no difference: sums over blocks are rounded in another way than one over all.
    var limit = Self.limit

    /// Whether a few vectors are multiplied with the head as it is stored.
    var takesStored = false

    static let limit = 1 << 26

    /// Scores `[..., vocabulary]` of what the last norm gives, `[..., width]`.
    func callAsFunction(_ input: Tensor) throws -> Tensor {
        if takesStored, let product = try stored.product(input) { return try bias.map { try product + $0 } ?? product }
        let parts = try inBlocks { block, rows in
            let bias = try bias?.narrowed(0, block)
            guard input.isTracked, !stored.isHeld else { return try input.linear(rows, bias: bias) }
            return try input.linear(rows, bias: bias) { try stored.widened(rows: block) }
        }
        return try parts.count == 1 ? parts[0] : Tensor.concatenated(parts, input.rank - 1)
    }

    /// The scores `[..., tokens]` of some tokens.
    func callAsFunction(_ input: Tensor, of tokens: [Int]) throws -> Tensor {
        try input.linear(rows(of: tokens), bias: bias?.indexSelected(0, at: tokens))
    }

    /// The products of a vector `[width]` with all rows, `[vocabulary]`.
    func products(with vector: Tensor) throws -> Tensor {
        let parts = try inBlocks { _, rows in try rows.linear(vector.unsqueezed(0)).squeezed(1) }
        return try parts.count == 1 ? parts[0] : Tensor.concatenated(parts, 0)
    }

    /// The rows of some tokens, `[tokens, width]`.
    func rows(of tokens: [Int]) throws -> Tensor {
        try stored.rows(at: Tensor(tokens, device: stored.ready?.device ?? .cpu))
    }

    /// W^T W `[width, width]`.
    func gram() throws -> Tensor {
        let parts = try inBlocks { _, rows in try rows.transposed().matmul(rows) }
        return try parts.dropFirst().reduce(parts[0]) { try $0 + $1 }
    }

    /// What `body` makes of the rows of one block after the other.
    private func inBlocks(_ body: (Range<Int>, Tensor) throws -> Tensor) throws -> [Tensor] {
        let whole = try stored.atHand()
        return try Self.blocks(of: stored.shape, limit: limit).map {
            try body($0, $0.count == stored.shape[0] ? whole ?? stored.widened() : stored.widened(rows: $0))
        }
    }

    /// All rows of a small head as one block, and those of a large one in blocks of a quarter of the limit.
    static func blocks(of shape: [Int], limit: Int = Self.limit) -> [Range<Int>] {
        guard shape[0] * shape[1] > limit else { return [0..<shape[0]] }
        let size = max(1024, limit / 4 / shape[1] / 1024 * 1024)
        return stride(from: 0, to: shape[0], by: size).map { $0..<min($0 + size, shape[0]) }
    }
}
