import SutureModels
import SutureTensor

/// Directions that are not learned from the effect of patching: what learned ones are compared with.
public enum Directions {
    /// The mean value of prompts with label `a` less that of label `b`, over bases and sources.
    public static func differenceOfMeans(_ runs: PairedRuns, at location: Location, _ a: String, _ b: String) throws
        -> Subspace
    {
        let values = try labelled(runs, at: location)
        func mean(_ label: String) throws -> Tensor {
            let rows = values.labels.indices.filter { values.labels[$0] == label }
            guard !rows.isEmpty else {
                throw SubspaceError(.badRequest, "no prompt has this label", subject: label)
            }
            return try values.rows.indexSelected(0, at: rows).mean([0])
        }
        return try Subspace(location, direction: mean(a) - mean(b), method: "difference-of-means")
    }

    /// The first principal directions of all values there.
    public static func principal(_ runs: PairedRuns, at location: Location, count: Int = 1) throws -> Subspace {
        let (rows, _) = try labelled(runs, at: location)
        let centered = try (rows - rows.mean([0], keepingDims: true)).to(.float64)
        guard count > 0, count <= rows.shape[0], count <= rows.shape[1] else {
            throw SubspaceError(.badRequest, "there are not as many principal directions", found: "\(count)")
        }
        let basis = try centered.svd().vt.narrowed(0, 0..<count).transposed()
        return try Subspace(location, basis: basis, method: "pca", options: ["directions": Double(count)])
    }

    /// Random orthonormal directions.
    public static func random(_ model: LanguageModel, at location: Location, count: Int = 1, seed: UInt64) throws
        -> Subspace
    {
        let width = location.site.width(in: model.architecture)
        let basis = try DAS.orthonormal(RandomSource(seed: seed).normal([width, count]))
        return try Subspace(location, basis: basis, method: "random", options: ["seed": Double(seed)])
    }

    /// The gradient direction of several reading heads: the mean of their unit gradients, of length one.
    public static func gradient(
        _ runs: PairedRuns, of heads: [Head], at location: Location, toward: String, against: String
    ) throws -> Subspace {
        let each = try heads.map {
            try ReadingHeads.gradient(runs, of: $0, at: location, toward: toward, against: against)
        }
        return try Subspace(location, direction: Tensor.stacked(each).mean([0]), method: "gradient")
    }

    /// The pairs with sources that do not tell the target: prompts of other pairs that are of the base's own class and
    /// length. What training finds here is what it finds where the contrast is not.
    ///
    /// The class is the label, or the answer where there are no labels: then sources of other pairs that call for the same
    /// answer count, too. A base without such a prompt is its own source, from which nothing is learned.
    ///
    /// (Sources of any class would be no control where there are many, nor would targets that are dealt out at random: the
    /// loss then rewards erasing the margin.)
    public static func shuffled(_ pairs: [TokenizedPair], seed: UInt64) -> [TokenizedPair] {
        var random = SeededGenerator(seed: seed)
        return pairs.enumerated().map { index, pair in
            typealias Side = (tokens: [Int], roles: [String: Int], label: String?)
            var alike: [Side] = []
            for (place, other) in pairs.enumerated() where place != index {
                let isAlike =
                    pair.baseLabel == nil ? other.answer == pair.answer : other.baseLabel == pair.baseLabel
                if isAlike { alike.append((other.base, other.baseRoles, other.baseLabel)) }
                if pair.baseLabel == nil, !other.isIdentity, other.target == pair.answer {
                    alike.append((other.source, other.sourceRoles, other.sourceLabel))
                }
            }
            alike = alike.filter {
                $0.tokens.count == pair.base.count && (pair.baseLabel != nil || $0.tokens != pair.base)
            }
            let source = alike.isEmpty ? Side(pair.base, pair.baseRoles, pair.baseLabel) : random.pick(alike)
            return TokenizedPair(
                base: pair.base, source: source.tokens, answer: pair.answer, other: pair.other, target: pair.target,
                baseRoles: pair.baseRoles, sourceRoles: source.roles, baseLabel: pair.baseLabel,
                sourceLabel: source.label)
        }
    }

    /// The values of all bases and sources at a location, `[prompts, width]`, and their labels.
    static func labelled(_ runs: PairedRuns, at location: Location) throws -> (rows: Tensor, labels: [String?]) {
        let values = try runs.values(location)
        return (
            try Tensor.concatenated([values.base, values.source], 0),
            runs.pairs.map(\.baseLabel) + runs.pairs.map(\.sourceLabel)
        )
    }
}
