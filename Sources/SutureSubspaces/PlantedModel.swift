import SutureTensor

/// A small random network in which a direction of the hidden layer either mediates a feature or only seems to.
///
/// Inputs x = y a f + noise carry a feature y = +-1 along f. A hidden layer h = act(W_in x + b) writes W h, and the margin
/// is y r . (x' + W h), where x' is what passes around the layer.
/// - Faithful: nothing of the feature passes around, and W writes a good part of the classes' mean difference along r.
/// - Illusory: the feature passes around, and W writes (almost) nothing of that difference along r.
///
/// The direction is made alike in both: part mean difference, part what writes r, part noise. Only the network decides
/// whether its effect is the network's own.
public struct PlantedModel: PatchedComponent, Sendable {
    /// A family of networks. Thresholds were calibrated on one and are judged on the other.
    public struct Family: Sendable {
        var widths: [(d: Int, m: Int)]
        var isGELU: Bool
        var noise: ClosedRange<Double>
        var disturbance: ClosedRange<Double>
        /// The cosine between the classes' difference and what is read for r, in illusory and faithful networks.
        var leak: ClosedRange<Double>
        var alignment: ClosedRange<Double>

        public static var calibration: Family {
            Family(
                widths: [(12, 36), (16, 64), (24, 72)], isGELU: false, noise: 0.2...0.8, disturbance: 0...0.5,
                leak: -0.05...0.1,
                alignment: 0.3...0.8)
        }
        public static var test: Family {
            Family(
                widths: [(10, 40), (20, 60), (32, 96), (32, 160)], isGELU: true, noise: 0.1...1.0, disturbance: 0...0.6,
                leak: -0.1...0.15, alignment: 0.25...0.9)
        }
    }

    public let isIllusory: Bool
    public let direction: Tensor
    private let component: LinearComponent

    public var base: Tensor { component.base }
    public var source: Tensor { component.source }
    public var writing: Tensor? { component.writing }
    /// The difference of the two outputs that are compared, for each input.
    public func margins(_ values: Tensor) throws -> [Double] { try component.margins(values) }

    public init(isIllusory: Bool, _ family: Family, seed: UInt64, pairs: Int = 120) throws {
        let random = try RandomSource(seed: seed)
        var choice = SeededGenerator(seed: seed)
        func between(_ range: ClosedRange<Double>) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * Double(choice.below(1 << 30)) / Double(1 << 30)
        }
        let (d, m) = choice.pick(family.widths)
        let noise = between(family.noise)
        func unit(_ width: Int) throws -> Tensor {
            let vector = try random.normal([width])
            return try vector / vector.norm()
        }
        let feature = try unit(d)
        var reader = try unit(d)
        if !isIllusory { reader = try reader - feature * (reader * feature).sum() }
        reader = try reader / reader.norm()
        let inner = try random.normal([m, d]) / Double(d).squareRoot()
        let bias = try random.normal([m]) * 0.5
        var writing = try random.normal([d, m]) / Double(m).squareRoot()

        // Bases of one class each, sources the same noise with the other class.
        let signs = (0..<pairs).map { $0 % 2 == 0 ? 1.0 : -1 }
        let sign = try Tensor(signs.map(Float.init), shape: [pairs, 1])
        let other = try random.normal([pairs, d]) * noise
        func hidden(_ inputs: Tensor) throws -> Tensor {
            let before = try inputs.linear(inner, bias: bias)
            return try family.isGELU ? before.gelu() : before.relu()
        }
        let inputs = try other + sign * (feature * 2)
        let flipped = try other - sign * (feature * 2)
        let base = try hidden(inputs)
        let source = try hidden(flipped)
        let difference = try ((base - source) * sign).mean([0])

        // w = W^T r is turned towards the mean difference D until its cosine to it is the wanted alignment.
        let straight = try difference / difference.norm()
        let alignment = between(isIllusory ? family.leak : family.alignment)
        let old = try reader.unsqueezed(0).matmul(writing).squeezed(0)
        let across = try old - straight * old.dot(straight)
        let turned = try across + straight * (across.norm() * (alignment / (1 - alignment * alignment).squareRoot()))
        writing = try writing + reader.unsqueezed(1).matmul((turned - old).unsqueezed(0))
        // What an optimizer would find: a direction that reads D and writes w, and some noise.
        let mix = between(isIllusory ? 0.5...1.5 : 0...1.5)
        let found = try straight + turned / turned.norm() * mix + unit(m) * between(family.disturbance)
        direction = try found / found.norm()
        // What passes around an illusory layer is as strong as makes the patch move a good part of the margin.
        let effect = try direction.dot(difference) * turned.dot(direction)
        let strength = abs(effect) / between(0.4...1.5) / 2
        let noiseAround = try other.matmul(reader.unsqueezed(1)).squeezed(1).elements(as: Double.self)
        self.isIllusory = isIllusory
        let passing = noiseAround.indices.map { isIllusory ? signs[$0] * strength + 0.2 * noiseAround[$0] : 0 }
        component = LinearComponent(
            base: base, source: source, writing: writing, reader: reader, around: passing, signs: signs)
    }
}

extension PlantedModel {
    /// How well illusory and faithful networks are told apart.
    public struct Separation: Sendable, Codable {
        public var models: Int
        /// The area under the curve of the dormancy score, and of the row test alone.
        public var evidence: Double
        public var rowTest: Double
        /// How many the threshold puts on the right side.
        public var right: Int
        public var illusoryScores: [Double]
        public var faithfulScores: [Double]
    }

    /// Half of `count` networks of a family are illusory.
    public static func separation(
        _ family: Family, count: Int, seed: UInt64, progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> Separation {
        var scores: (illusory: [Double], faithful: [Double]) = ([], [])
        var rows: (illusory: [Double], faithful: [Double]) = ([], [])
        try Tensor.withoutGradients {
            for index in 0..<count {
                let model = try PlantedModel(isIllusory: index % 2 == 0, family, seed: seed + UInt64(index))
                let evidence = try Evidence(model, model.direction.unsqueezed(1))
                let score = DormancyScore(evidence).value
                let loss = 1 - (evidence.effect(.row) ?? 0) / evidence.direction
                if model.isIllusory {
                    scores.illusory.append(score)
                    rows.illusory.append(loss)
                } else {
                    scores.faithful.append(score)
                    rows.faithful.append(loss)
                }
                progress(index + 1, count)
            }
        }
        let right =
            scores.illusory.count { $0 > DormancyScore.threshold }
            + scores.faithful.count { $0 <= DormancyScore.threshold }
        return Separation(
            models: count, evidence: AUC.value(scores.illusory, scores.faithful),
            rowTest: AUC.value(rows.illusory, rows.faithful),
            right: right, illusoryScores: scores.illusory, faithfulScores: scores.faithful)
    }
}

extension Tensor {
    /// The dot product of two vectors.
    fileprivate func dot(_ other: Tensor) throws -> Double { try (self * other).sum().item() }
}
