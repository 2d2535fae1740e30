import SutureTensor

/// Rotary position embeddings (arXiv 2104.09864): pairs of channels are turned by angles that grow with the position.
struct Rotation {
    /// Of the angles, `[positions, channels]`, or `[rows, 1, 1, channels]` of rows at positions of their own.
    private let cos, sin: Tensor
    private let pairing: RotaryPositions.Pairing

    /// For some positions; nil where they are not told by rotation.
    init?(_ rule: Architecture.Positions?, _ positions: Range<Int>, device: Device) throws {
        try self.init(rule, Tensor.arange(positions, device: device).unsqueezed(1), device)
    }

    /// For rows of one column, each at a position of its own.
    init?(_ rule: Architecture.Positions?, rows: [Int], device: Device) throws {
        try self.init(rule, Tensor(rows, shape: [rows.count, 1, 1, 1], device: device), device)
    }

    private init?(_ rule: Architecture.Positions?, _ positions: Tensor, _ device: Device) throws {
        guard case .rotary(let rotary) = rule else { return nil }
        let (frequencies, pairing) = (rotary.frequencies, rotary.pairing)
        let channels = pairing == .halves ? frequencies + frequencies : frequencies.flatMap { [$0, $0] }
        let angles = try positions.to(.float32) * Tensor(channels.map(Float.init), device: device)
        let scale = rotary.scale
        let (cos, sin) = (try angles.cos(), try angles.sin())
        (self.cos, self.sin) = scale == 1 ? (cos, sin) : (try cos * scale, try sin * scale)
        self.pairing = pairing
    }

    /// Queries or keys `[batch, heads, positions, width]`, turned: (a, b) becomes (a cos - b sin, b cos + a sin). The
    /// first of them is that of `column`.
    func turned(_ input: Tensor, from column: Int = 0) throws -> Tensor {
        let columns = column..<column + input.shape[2]
        let (rotated, width) = (cos.shape[cos.rank - 1], input.shape[3])
        let turning = rotated == width ? input : try input.narrowed(3, 0..<rotated)
        func part(_ values: Tensor) throws -> Tensor { values.rank == 4 ? values : try values.narrowed(0, columns) }
        let turned = try turning * part(cos) + swapped(turning) * part(sin)
        return rotated == width
            ? turned : try Tensor.concatenated([turned, input.narrowed(3, rotated..<width)], 3)
    }

    /// Each pair of channels (a, b) as (-b, a).
    private func swapped(_ input: Tensor) throws -> Tensor {
        let shape = input.shape
        let half = shape[3] / 2
        switch pairing {
        case .halves:
            return try Tensor.concatenated([-input.narrowed(3, half..<2 * half), input.narrowed(3, 0..<half)], 3)
        case .neighbors:
            let pairs = try input.reshaped(shape.dropLast() + [half, 2])
            return try Tensor.concatenated([-pairs.narrowed(4, 1..<2), pairs.narrowed(4, 0..<1)], 4).reshaped(shape)
        }
    }
}
