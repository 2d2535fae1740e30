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
        /// One index for each prompt of the batch: where a word stands that is elsewhere in each.
        case each([Int])
    }

    /// What becomes of the values there.
    public enum Change: Sendable {
        /// Put this in their place; broadcast to `[alternatives, positions, width]`.
        case replace(Tensor)
        /// Add this; broadcast likewise.
        case add(Tensor)
        /// Multiply by a number; 0 ablates.
        case scale(Double)
        /// Move every value into a range.
        case clamp(ClosedRange<Double>)
        /// u - B (B^T u) for orthonormal columns B `[width, k]`.
        case projectOut(Tensor)
        /// u + W R^T (s - u): what `read` `[width, k]` sees of the difference to the source s is written along
        /// `write` `[width, k]`. A subspace patch reads and writes the same orthonormal columns: ``swap(_:from:)``.
        case swap(read: Tensor, write: Tensor, from: Tensor)
        /// Any function of them: `[alternatives, positions, width]` to the same shape.
        case map(@Sendable (Tensor) throws -> Tensor)

        /// u + B B^T (s - u): the part of u in the span of orthonormal columns `basis` `[width, k]` becomes that of
        /// the source, the rest stays (Makelov, Lange & Nanda 2023, appendix A.1).
        public static func swap(_ basis: Tensor, from source: Tensor) -> Change {
            .swap(read: basis, write: basis, from: source)
        }
    }

    public var site: Site
    public var positions: Positions
    /// The channels of the site that change, such as a few neurons; nil means all. Widths are then their number.
    public var units: [Int]?
    public var change: Change

    /// A change of what is at a site, in some positions, of all units or of some.
    public init(_ site: Site, at positions: Positions = .all, units: [Int]? = nil, _ change: Change) {
        self.site = site
        self.positions = positions
        self.units = units
        self.change = change
    }
}

extension Intervention {
    /// Throws ``ModelError`` unless the model has the site and the units, every prompt the positions, and each tensor
    /// fits `[prompts, positions, width]`.
    func check(_ architecture: Architecture, lengths: [Int]) throws {
        try site.check(architecture)
        var width = site.width(in: architecture)
        if let units {
            guard !units.isEmpty, Set(units).count == units.count, units.allSatisfy((0..<width).contains) else {
                throw ModelError(
                    .outOfRange, "the units of an intervention are not those of its site", subject: "\(site)",
                    expected: "each once, in 0..<\(width)", found: "\(units.prefix(8))")
            }
            width = units.count
        }
        let columns = try check(positions, lengths: lengths)
        switch change {
        case .replace(let value), .add(let value):
            try check(value, fits: [lengths.count, columns, width])
        case .projectOut(let basis):
            try check(basis, width)
        case .swap(let read, let write, let source):
            try check(read, width)
            try check(write, width)
            try check(source, fits: [lengths.count, columns, width])
            guard read.shape == write.shape else {
                throw wrongShape("as many directions written as read", write, "\(read.shape)")
            }
        case .scale, .clamp, .map: break
        }
    }

    /// The number of positions that change.
    private func check(_ positions: Positions, lengths: [Int]) throws -> Int {
        func check(_ position: Int, _ length: Int) throws {
            guard (0..<length).contains(position) else {
                throw ModelError(
                    .outOfRange, "a position is outside the prompt", subject: "\(site)", expected: "0..<\(length)",
                    found: "\(position)")
            }
        }
        switch positions {
        case .all: return lengths.max() ?? 0
        case .last: return 1
        case .at(let positions):
            for position in positions { try check(position, lengths.min() ?? 0) }
            return positions.count
        case .each(let positions):
            guard positions.count == lengths.count else {
                throw ModelError(
                    .outOfRange, "there must be one position for each prompt", subject: "\(site)",
                    expected: "\(lengths.count)", found: "\(positions.count)")
            }
            for (position, length) in zip(positions, lengths) { try check(position, length) }
            return 1
        }
    }

    private func check(_ value: Tensor, fits shape: [Int]) throws {
        let fits = value.rank <= 3 && zip(value.shape.reversed(), shape.reversed()).allSatisfy { $0 == 1 || $0 == $1 }
        guard fits else {
            throw wrongShape("the value does not fit its place", value, "\(shape), or 1 for any of these")
        }
    }

    private func check(_ basis: Tensor, _ width: Int) throws {
        guard basis.rank == 2, basis.shape[0] == width else {
            throw wrongShape("directions must be columns as long as the site is wide", basis, "[\(width), k]")
        }
    }

    private func wrongShape(_ problem: String, _ value: Tensor, _ expected: String) -> ModelError {
        ModelError(.outOfRange, problem, subject: "\(site)", expected: expected, found: "\(value.shape)")
    }
}

/// One hidden unit of an MLP.
public struct Neuron: Hashable, Sendable, Codable, CustomStringConvertible {
    public var layer: Int
    public var index: Int

    /// The neuron of that number in a layer's MLP.
    public init(layer: Int, index: Int) {
        self.layer = layer
        self.index = index
    }

    /// `mlp.8.hidden[1234]`
    public var description: String { "mlp.\(layer).hidden[\(index)]" }
}
