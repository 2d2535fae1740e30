import SutureTensor

/// The residual stream on its way through a layer, `[batch, positions, width]`.
struct ResidualStream: Sendable {
    var residual: Tensor
    /// The stream as it entered the layer: between attention and MLP where these are parallel, so that the MLP reads it.
    var entering: Tensor?

    /// What the MLP reads.
    var read: Tensor { entering ?? residual }

    /// The streams of several batches as one batch.
    static func joined(_ streams: [ResidualStream]) throws -> ResidualStream {
        let entering = streams.compactMap(\.entering)
        return ResidualStream(
            residual: try Tensor.concatenated(streams.map(\.residual), 0),
            entering: entering.isEmpty ? nil : try Tensor.concatenated(entering, 0))
    }
}
