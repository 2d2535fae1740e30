import SutureTensor

/// A change of activations during a run, declared up front and checked before the run.
public struct Intervention: Sendable {
    /// The places of a sequence that an intervention or a capture speaks of.
    public enum Positions: Hashable, Sendable {
        case all
        /// The last token of each prompt.
        case last
        /// Indices from the start of the prompt.
        case at([Int])
    }

    /// What becomes of the values there.
    public enum Change: Sendable {
        /// Put this in their place; broadcast to `[alternatives, positions, width]`.
        case replace(Tensor)
        /// Add this; broadcast likewise.
        case add(Tensor)
        /// Multiply by a number; 0 ablates.
        case scale(Double)
        /// Any function of them: `[alternatives, positions, width]` to the same shape.
        case map(@Sendable (Tensor) throws -> Tensor)
    }

    public var site: Site
    public var positions: Positions
    public var change: Change

    public init(_ site: Site, at positions: Positions = .all, _ change: Change) {
        self.site = site
        self.positions = positions
        self.change = change
    }
}

/// One hidden unit of an MLP.
public struct Neuron: Hashable, Sendable, Codable, CustomStringConvertible {
    public var layer: Int
    public var index: Int

    public init(layer: Int, index: Int) {
        self.layer = layer
        self.index = index
    }

    /// `mlp.8.hidden[1234]`
    public var description: String { "mlp.\(layer).hidden[\(index)]" }
}
