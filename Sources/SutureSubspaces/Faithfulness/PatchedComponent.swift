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

/// A location of one token in a language model.
public struct ModelComponent: PatchedComponent {
    public let runs: PairedRuns
    public let location: Location
    public let base: Tensor
    public let source: Tensor
    public let writing: Tensor?

    /// `runs` kept values of the location.
    public init(_ runs: PairedRuns, at location: Location) throws {
        self.runs = runs
        self.location = location
        (base, source) = try runs.values(location)
        writing = try runs.model.writing(location.site)
    }

    /// What becomes of the output when the component has these values, one row for each input.
    public func outputs(_ values: Tensor) throws -> PairOutputs {
        try runs.outputs { batch in
            let rows = try values.indexSelected(0, at: batch.members).unsqueezed(1)
            return [Intervention(location.site, at: try batch.positions(location.tokens), .replace(rows))]
        }
    }

    /// The difference of the two outputs that are compared, for each input.
    public func margins(_ values: Tensor) throws -> [Double] { try outputs(values).difference }
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

    /// Activations of base and source, and the maps that write and read them.
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
