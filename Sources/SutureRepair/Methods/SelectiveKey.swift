import SutureModels
import SutureTensor

/// What a neuron is to read so that it is active at some places and silent elsewhere.
///
/// Let x be what the MLP reads at the place. The key
///
///     w = C^-1 x / (x . C^-1 x),   C = E_ref[x x^T] + sum of E_avoided[x x^T] + ridge
///
/// answers 1 there and as little as can be on reference texts and on all that is avoided: the key of a rank-one edit (ROME,
/// arXiv 2202.05262) with counterexamples. With u a vector that answers 1 on reference texts, the neuron's gate reads
/// a (w - threshold u) and its other input reads reach u - w, scaled, so that its activation
///
///     act(a (z - threshold)) (reach - z),   z = w . x
///
/// is nearly nothing below the threshold and nearly flat around 1: what is similar gets the whole repair.
struct SelectiveKey {
    /// How similar an input must be, between 0 (a text about something else) and 1 (the place itself).
    var threshold: Double
    /// a: how sharply both sides of the threshold are told apart.
    var sharpness: Double
    /// C and E[x], float64.
    private var moment: Tensor
    private var mean: Tensor
    /// Where it answers 1, `[n, d]`, and where it is silent.
    private var own: Tensor
    private var silent: [Tensor] = []

    /// The activation's other factor is zero here, so that it is as large at 0.8, another wording, as at 1, the place itself.
    private static let reach = 1.4

    /// A key that answers 1 to `place` `[d]`.
    init(to place: Tensor, apartFrom reads: ReadStatistics, threshold: Double, sharpness: Double) throws {
        (self.threshold, self.sharpness) = (threshold, sharpness)
        (moment, mean) = (reads.moment, reads.mean)
        own = try place.to(.float64).unsqueezed(0)
    }

    /// It is silent at some `places` of `inputs` `[positions, d]`, and answers as little as can be at the others: what is read
    /// in the rest of a prompt reaches its answer through the layers above.
    mutating func spare(_ places: Range<Int>, of inputs: Tensor) throws {
        try avoid(inputs)
        silent.append(try inputs.narrowed(0, places).to(.float64))
    }

    /// It answers as little as can be to some rows `[n, d]`.
    mutating func avoid(_ rows: Tensor, weight: Double = 1) throws {
        let rows = try rows.to(.float64)
        moment = try moment + rows.transposed().matmul(rows) * (weight / Double(rows.shape[0]))
    }

    /// It answers as little as can be to what varies in a `scatter` `[d, d]`, which holds for whatever is like the place.
    mutating func ignore(_ scatter: Tensor, weight: Double) throws { moment = try moment + scatter * weight }

    /// The same for all of a prompt but the place; u answers 1 there.
    mutating func avoid(restOf inputs: Tensor, besides position: Int) throws {
        let others = (0..<inputs.shape[0]).filter { $0 != position }
        guard !others.isEmpty else { return }
        let rest = try inputs.to(.float64).indexSelected(0, at: others)
        try avoid(rest)
        mean = try mean + rest.mean([0])
    }

    /// It answers 1 to the mean of the place and some like it, `[n, d]`: what tells them apart says nothing of what they ask.
    mutating func hold(_ alike: Tensor) throws {
        let all = try Tensor.concatenated([own, alike.to(.float64)], 0)
        let mean = try all.mean([0], keepingDims: true)
        try avoid(all - mean)
        own = try Tensor.concatenated([own, mean], 0)
    }

    /// What `neuron` should read.
    func read(by neuron: Neuron, of model: LanguageModel) throws -> NeuronEdit.Read {
        let metric = try moment.ridged(by: 0.1).cholesky()
        /// The vector nearest to `start` that answers `value` at the place and `silence` where it is to be silent.
        func meeting(_ value: Double, silence: Double?, from start: Tensor) throws -> Tensor {
            let rows = try Tensor.concatenated([own] + (silence == nil ? [] : silent), 0)
            let count = own.shape[0]
            let values =
                [Double](repeating: value, count: count)
                + [Double](repeating: silence ?? 0, count: rows.shape[0] - count)
            let missing = try Tensor(values, shape: [values.count, 1], device: rows.device) - rows.matmul(start)
            let lift = try rows.transposed().solved(cholesky: metric)
            return try start + lift.matmul(missing.leastSquares(rows.matmul(lift)))
        }
        // With gates it is enough that the other input is 0 where the neuron is to be silent: the gate then stays as it is,
        // shut on other texts, and only what is like the prompt is told apart.
        let isGated = model.architecture.isGated
        let key = try meeting(
            1, silence: isGated ? nil : 0, from: .zeros([mean.count, 1], dtype: .float64, device: mean.device))
        // The vector that answers 1 everywhere, as well as one can, and exactly at the place.
        let unit = try meeting(1, silence: nil, from: mean.unsqueezed(1).solved(cholesky: metric))

        let biases = try model.readBiases(neuron)
        func selective(_ bias: Double) throws -> Tensor {
            let (open, shut) = (sharpness * (1 - threshold), -sharpness * threshold)
            let rough = try (key - unit * threshold) * sharpness - unit * bias
            return try meeting(open - bias, silence: isGated ? nil : shut - bias, from: rough).squeezed(1).to(.float32)
        }
        guard isGated else { return NeuronEdit.Read(gate: nil, up: try selective(biases.up)) }
        // As large as makes the activation 1 at the place.
        let size = 1 / (sharpness * (1 - threshold) * (Self.reach - 1))
        let falling = try (unit * Self.reach - key) * size - unit * biases.up
        let up = try meeting(size * (Self.reach - 1) - biases.up, silence: -biases.up, from: falling)
        return NeuronEdit.Read(gate: try selective(biases.gate), up: try up.squeezed(1).to(.float32))
    }
}

extension NeuronEdit {
    /// A neuron of a model that reads and writes something else from now on; nothing without `vector` `[d]`.
    init(_ neuron: Neuron, of model: LanguageModel, reading key: Read, writing vector: Tensor? = nil) throws {
        let old = try model.readVectors(neuron)
        let removed = try -model.writeVector(neuron)
        self.init(
            neuron, delta: try vector.map { try $0 + removed } ?? removed,
            read: try key + Read(gate: old.gate.map { try -$0 }, up: -old.up))
    }
}
