import SutureFormats

extension PatchedCheckpoint {
    /// How far each patch that the checkpoint has takes the weights from the base, in the order of application: the
    /// Euclidean norm of its change at its scale, relative to that of all tensors that any of the patches touches.
    ///
    /// The sum bounds how far the weights are from the base by all of them.
    ///
    /// - Throws: ``PatchError`` if the weights are not those that the patches were applied to.
    public func drift() throws -> [Double] {
        let tensors = present.base.keys.compactMap { checkpoint[$0.string] }
        let parts = try Parallel.map(tensors) { tensor in
            var base = 0.0
            _ = try readOriginal(of: tensor) { _, bytes in
                for value in tensor.type.floats(bytes) { base += Double(value) * Double(value) }
            }
            return (base, try present.patches.map { try Self.energy($0, of: tensor) })
        }
        let base = parts.reduce(0) { $0 + $1.0 }
        return present.patches.indices.map { index in
            base > 0 ? (parts.reduce(0) { $0 + $1.1[index] } / base).squareRoot() : 0
        }
    }

    /// The sum of the squares of what a patch adds to a tensor.
    private static func energy(_ applied: AppliedPatch, of tensor: Checkpoint.Tensor) throws -> Double {
        let edits = applied.patch.edits(of: tensor.name)
        guard !edits.isEmpty else { return 0 }
        let count = tensor.shape.reduce(1, *)
        var energy = 0.0
        var sums = [Double](repeating: 0, count: min(count, EditSum.chunk))
        for start in stride(from: 0, to: count, by: EditSum.chunk) {
            let range = start..<min(start + EditSum.chunk, count)
            try sums.withUnsafeMutableBufferPointer { sums in
                sums.update(repeating: 0)
                for edit in edits {
                    try edit.delta.add(applied.scale * edit.scale, of: range, shape: tensor.shape, to: sums)
                }
            }
            for value in sums[..<range.count] { energy += value * value }
        }
        return energy
    }
}
