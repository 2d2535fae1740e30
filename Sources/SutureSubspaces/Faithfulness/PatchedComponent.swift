import SutureModels
import SutureTensor

/// A component of a network whose values can be put in by hand: what the checks of faithfulness ask questions of.
public protocol PatchedComponent {
    /// The natural values of bases and sources, `[pairs, width]`.
    var base: Tensor { get }
    var source: Tensor { get }
    /// The matrix `[d, width]` by which the component reaches the rest of the network, if it is one.
    var writing: Tensor? { get }
    /// The margin of each pair's answer over its rival when the component has these values `[pairs, width]`.
    func margins(_ values: Tensor) throws -> [Double]
}

/// A spot of one token in a language model.
public struct ModelComponent: PatchedComponent {
    public let runs: PairedRuns
    public let spot: Spot
    public let base: Tensor
    public let source: Tensor
    public let writing: Tensor?

    /// `runs` kept values of the spot.
    public init(_ runs: PairedRuns, at spot: Spot) throws {
        self.runs = runs
        self.spot = spot
        (base, source) = try runs.values(spot)
        writing = try runs.model.writing(spot.site)
    }

    /// What becomes of the output when the component has these values, one row for each input.
    public func outcome(_ values: Tensor) throws -> Outcome {
        try runs.outcome { batch in
            let rows = try values.gathered(0, at: batch.members).unsqueezed(1)
            return [Intervention(spot.site, at: try batch.positions(spot.place), .replace(rows))]
        }
    }

    /// The difference of the two outputs that are compared, for each input.
    public func margins(_ values: Tensor) throws -> [Double] { try outcome(values).difference }
}

/// A linear readout of hidden values, with what passes around them: small networks whose truth is known.
public struct LinearComponent: PatchedComponent, Sendable {
    public let base: Tensor
    public let source: Tensor
    public let writing: Tensor?
    /// The direction of the output that the margin reads, `[d]`.
    let reader: Tensor
    /// What reaches the margin of each pair around the component, and the sign of its answer.
    let around: [Double]
    let signs: [Double]

    public init(base: Tensor, source: Tensor, writing: Tensor, reader: Tensor, around: [Double], signs: [Double]) {
        self.base = base
        self.source = source
        self.writing = writing
        self.reader = reader
        self.around = around
        self.signs = signs
    }

    /// The difference of the two outputs that are compared, for each input.
    public func margins(_ values: Tensor) throws -> [Double] {
        guard let writing else { return around }
        let read = try values.matmul(writing.transposed()).matmul(reader.unsqueezed(1)).squeezed(1).elements(
            as: Double.self)
        return read.indices.map { signs[$0] * (read[$0] + around[$0]) }
    }
}
