import SutureTensor

/// A small random network in which a direction of the hidden layer either mediates a feature or only seems to.
///
/// Inputs x = y a f + noise carry a feature y = +-1 along f. A hidden layer h = act(W_in x + b) writes W h, and the margin
/// is y r . (x' + W h), where x' is what passes around the layer. Let D be the classes' mean difference in h and w = W^T r
/// what is read for the margin.
/// - Faithful: nothing of the feature passes around, w sees a part of D, and the direction is D, some w and noise.
/// - Illusory: the direction reads D and writes by what is silent otherwise: w where the layer passes the feature by and w
///   sees (almost) nothing of D; or, where the layer mediates the feature, the kernel part of D and what is left of w without D.
///
/// Which it is depends on how the network was made; nothing in the evidence is told.
public struct PlantedModel: PatchedComponent, Sendable {
    public let isIllusory: Bool
    public let direction: Tensor
    /// The widths of stream and hidden layer, and the deviation of the inputs' noise.
    public let widths: (d: Int, m: Int)
    public let noise: Double
    private let component: LinearComponent

    public var base: Tensor { component.base }
    public var source: Tensor { component.source }
    public var writing: Tensor? { component.writing }
    /// The difference of the two outputs that are compared, for each input.
    public func margins(_ values: Tensor) throws -> [Double] { try component.margins(values) }

    /// A network of a family, drawn by a seed.
    public init(isIllusory: Bool, _ family: Family, seed: UInt64, pairs: Int = 120) throws {
        let random = try RandomSource(seed: seed)
        var choice = SeededGenerator(seed: seed)
        func between(_ range: ClosedRange<Double>) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * Double(choice.below(1 << 30)) / Double(1 << 30)
        }
        func unit(_ width: Int) throws -> Tensor { try random.normal([width]).unit() }
        widths = choice.pick(family.widths)
        noise = between(family.noise)
        let (d, m) = widths
        let passesAround = isIllusory && !family.mediatesBeside
        let feature = try unit(d)
        var reader = try unit(d)
        if !passesAround { reader = try reader - feature * reader.dot(feature) }
        reader = try reader.unit()

        // Bases of one class each, sources the same noise with the other class.
        let inner = try random.normal([m, d]) / Double(d).squareRoot()
        let bias = try random.normal([m]) * 0.5
        let signs = (0..<pairs).map { $0 % 2 == 0 ? 1.0 : -1 }
        let sign = try Tensor(signs.map(Float.init), shape: [pairs, 1])
        let other = try random.normal([pairs, d]) * noise
        func hidden(_ inputs: Tensor) throws -> Tensor {
            let before = try inputs.linear(inner, bias: bias)
            return try family.isGELU ? before.gelu() : before.relu()
        }
        let base = try hidden(other + sign * (feature * 2))
        let source = try hidden(other - sign * (feature * 2))
        let difference = try ((base - source) * sign).mean([0])
        let straight = try difference.unit()

        // w = W^T r is turned towards D until its cosine to it is the wanted alignment.
        var writing = try Self.writing(
            d, m, rank: family.ranks.map { choice.below($0.count) + $0.lowerBound }, reader, random)
        let alignment = between(passesAround ? family.leak : family.alignment)
        let old = try reader.unsqueezed(0).matmul(writing).squeezed(0)
        let across = try old - straight * old.dot(straight)
        let turned = try across + straight * (across.norm() * (alignment / (1 - alignment * alignment).squareRoot()))
        writing = try writing + reader.unsqueezed(1).matmul((turned - old).unsqueezed(0))

        let mix = between(family.mix(isIllusory: isIllusory))
        var read = straight
        var write = turned
        if isIllusory, family.mediatesBeside {
            let space = try RowSpace(of: writing)
            read = try space.null(difference).to(.float32)
            let seen = try space.row(difference).to(.float32).unit()
            write = try turned - seen * turned.dot(seen)
        }
        direction = try (read.unit() + write.unit() * mix + unit(m) * between(family.disturbance)).unit()
        // What passes around an illusory layer is as strong as makes the patch move a good part of the margin.
        let effect = try direction.dot(difference) * turned.dot(direction)
        let strength = abs(effect) / between(0.4...1.5) / 2
        let noiseAround = try other.matmul(reader.unsqueezed(1)).squeezed(1).elements(as: Double.self)
        self.isIllusory = isIllusory
        let passing = noiseAround.indices.map { passesAround ? signs[$0] * strength + 0.2 * noiseAround[$0] : 0 }
        component = LinearComponent(
            base: base, source: source, writing: writing, reader: reader, around: passing, signs: signs)
    }

    /// A random output projection `[d, m]`; of low rank, it writes along the reader and a few other directions.
    private static func writing(_ d: Int, _ m: Int, rank: Int?, _ reader: Tensor, _ random: RandomSource) throws
        -> Tensor
    {
        guard let rank else { return try random.normal([d, m]) / Double(m).squareRoot() }
        let others = try random.normal([d, rank - 1])
        let columns = try Tensor.concatenated([reader.unsqueezed(1), others], 1)
        return try columns.qr().q.matmul(random.normal([rank, m])) / Double(m).squareRoot()
    }
}

extension Tensor {
    /// The dot product of two vectors.
    fileprivate func dot(_ other: Tensor) throws -> Double { try (self * other).sum().item() }
    /// The vector, brought to length one.
    fileprivate func unit() throws -> Tensor { try self / norm() }
}
