import SutureTensor

/// A change of one neuron: of what it writes and, where told, of what it reads.
public struct NeuronEdit: Sendable {
    /// The vectors `[width]` by which a neuron reads the normed stream x: its activation is
    /// act(gate . x) (up . x), or act(up . x) in a model without gates, biases left out.
    public struct Read: Sendable {
        public var gate: Tensor?
        public var up: Tensor

        /// What is added to the rows by which a neuron reads, `[width]` each.
        public init(gate: Tensor?, up: Tensor) {
            self.gate = gate
            self.up = up
        }

        /// Both sums; a gate is there where either has one.
        public static func + (a: Read, b: Read) throws -> Read {
            let gates = [a.gate, b.gate].compactMap { $0 }
            return Read(gate: gates.count == 2 ? try gates[0] + gates[1] : gates.first, up: try a.up + b.up)
        }
    }

    public var neuron: Neuron
    /// What is added to the write vector, its column of the output projection, `[width]`.
    public var delta: Tensor
    /// What is added to the vectors it reads with; nil leaves them alone.
    public var read: Read?

    /// What is added to a neuron's write vector, `[width]`, and to what it reads by.
    public init(_ neuron: Neuron, delta: Tensor, read: Read? = nil) {
        self.neuron = neuron
        self.delta = delta
        self.read = read
    }

    /// Both changes of the neuron.
    public func adding(_ other: NeuronEdit) throws -> NeuronEdit {
        var sum = self
        sum.delta = try delta + other.delta
        if let more = other.read { sum.read = try read.map { try $0 + more } ?? more }
        return sum
    }
}
