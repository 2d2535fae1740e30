import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

/// Vectors that are added to the residual stream behind some layers, at every position: a steering or control vector.
///
/// Behind layer l stands what the MLP of l writes, so the vector is a bias of its output projection, and a patch:
///
///     x_{l+1} = x_l + attention(x_l) + W h + s v_l        s: the patch's scale
public struct Steering: Sendable {
    /// How a vector is found from pairs of texts. With h+ and h- the residual stream behind a layer at the last token of
    /// each text, and d = h+ - h-:
    public enum Method: String, Sendable, CaseIterable {
        /// The mean of d (Rimsky et al. 2024, Contrastive Activation Addition, 2312.06681).
        case mean
        /// The first principal direction of d, centered; of length one (repeng's `pca_diff`, which is its default).
        case pca
        /// The first principal direction of h+ and h-, each less the middle of its pair; of length one (repeng's
        /// `pca_center`). Unlike ``pca`` it keeps what all pairs have in common.
        case pcaCenter = "pca-center"
    }

    /// A vector and the layer behind which it is added, from 0.
    public struct Vector: Sendable, Equatable {
        public let layer: Int
        /// `[width]`
        public let values: [Float]

        /// Adds these values behind a layer.
        public init(layer: Int, values: [Float]) {
            (self.layer, self.values) = (layer, values)
        }
    }

    /// By layer, each once.
    public let vectors: [Vector]

    /// Vectors of a model; throws ``SubspaceError`` for none, for two of one layer, and for some that are not as wide as the
    /// model or not finite, and `ModelError` for a layer that is not there or cannot be steered.
    public init(_ vectors: [Vector], for architecture: Architecture, source: String = "the vectors") throws {
        guard !vectors.isEmpty else {
            throw SubspaceError(.badFile, "there are no vectors", subject: source)
        }
        let sorted = vectors.sorted { $0.layer < $1.layer }
        for (vector, next) in zip(sorted, sorted.dropFirst()) where vector.layer == next.layer {
            throw SubspaceError(.badFile, "a layer has two vectors", subject: source, found: "layer \(vector.layer)")
        }
        for vector in sorted {
            let subject = "\(source): layer \(vector.layer)"
            _ = try architecture.outputBias(ofLayer: vector.layer)
            guard vector.values.count == architecture.width else {
                throw SubspaceError(
                    .wrongWidth, "the vector does not fit the model", subject: subject,
                    expected: "\(architecture.width) wide", found: "\(vector.values.count)")
            }
            guard vector.values.allSatisfy(\.isFinite) else {
                throw SubspaceError(.badFile, "the vector is not finite", subject: subject)
            }
        }
        self.vectors = sorted
    }
}

// MARK: - From pairs of texts

extension Steering {
    /// The layers that a method's source steers: the middle one for means, all but the first for principal directions.
    public static func layers(for method: Method, of model: LanguageModel) -> [Int] {
        let count = model.architecture.layers
        return method == .mean || count == 1 ? [count / 2] : Array(1..<count)
    }

    /// Finds a vector for each of some layers.
    ///
    /// The sign of a principal direction is such that in more pairs the positive text lies farther along it than the
    /// negative one does, as in repeng; where as many do not, its largest entry is positive. Throws ``SubspaceError`` for
    /// fewer pairs than a method needs, or pairs that do not differ at a layer; `ModelError` for texts or layers that do not
    /// fit the model.
    ///
    /// - Parameters:
    ///   - pairs: the tokens of the texts.
    ///   - model: whose stream is read.
    ///   - method: how a vector is found.
    ///   - layers: behind which it is read and steered; nil for those of the method's source.
    ///   - progress: hears how much of the texts was read.
    public init(
        _ pairs: [(positive: [Int], negative: [Int])], of model: LanguageModel, by method: Method,
        layers: [Int]? = nil, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        let least = method == .pca ? 2 : 1
        guard pairs.count >= least else {
            throw SubspaceError(
                .badRequest, "too few pairs for this method", subject: method.rawValue, expected: "\(least) or more",
                found: "\(pairs.count)")
        }
        let layers = layers ?? Self.layers(for: method, of: model)
        for layer in layers { _ = try model.architecture.outputBias(ofLayer: layer) }
        let texts = pairs.map(\.positive) + pairs.map(\.negative)
        let values = try model.lastValues(of: texts, at: layers.map { .residual($0 + 1) }, progress: progress)
        let vectors = try zip(layers, values).map { layer, rows in
            let (positive, negative) = (
                try rows.narrowed(0, 0..<pairs.count), try rows.narrowed(0, pairs.count..<texts.count)
            )
            return Vector(
                layer: layer, values: try Self.vector(positive, negative, method, "layer \(layer)").floats())
        }
        try self.init(vectors, for: model.architecture)
    }

    /// The vector of one layer, `[width]`, from the values of all texts, `[pairs, width]` each.
    static func vector(_ positive: Tensor, _ negative: Tensor, _ method: Method, _ subject: String) throws -> Tensor {
        let (positive, negative) = (try positive.to(.float64), try negative.to(.float64))
        let difference = try positive - negative
        let mean = try difference.mean([0], keepingDims: true)
        // The rows of pca-center are d/2 and -d/2: their mean is zero, and their directions are those of d itself.
        let rows = method == .pca ? try difference - mean : difference
        let size = try method == .mean ? mean.abs().max().item() : rows.abs().max().item()
        guard size > 1e-6 * (try positive.abs().max().item()) else {
            throw SubspaceError(
                .badRequest, method == .pca ? "all pairs differ alike" : "the pairs do not differ", subject: subject,
                hint: method == .pca ? "--method mean takes what they have in common" : nil)
        }
        if method == .mean { return try mean.squeezed(0).to(.float32) }
        let direction = try rows.svd().vt.selected(0, 0)
        let along = try difference.matmul(direction.unsqueezed(1)).elements(as: Double.self)
        let (more, less) = (along.count { $0 > 0 }, along.count { $0 < 0 })
        // Where the pairs are of two minds, the largest entry is positive, as in scikit-learn's PCA.
        let entries = try direction.elements(as: Double.self)
        let isReversed = more == less ? (entries.max { abs($0) < abs($1) } ?? 0) < 0 : less > more
        return try (isReversed ? direction * -1 : direction).to(.float32)
    }
}

extension LanguageModel {
    /// The values at sites at the last token of each text, `[texts, width]` for each site, float32.
    func lastValues(
        of texts: [[Int]], at sites: [Site], progress: ProgressHandler = { _, _, _ in }
    ) throws -> [Tensor] {
        // Texts of like length share a batch, as many as leave it small.
        var batches: [[Int]] = []
        for text in texts.indices.sorted(by: { (texts[$0].count, $0) < (texts[$1].count, $1) }) {
            if let last = batches.last, last.count < 32, (last.count + 1) * texts[text].count <= 4096 {
                batches[batches.count - 1].append(text)
            } else {
                batches.append([text])
            }
        }
        let activity = "reading the texts"
        var (found, done) = (sites.map { _ in [Tensor?](repeating: nil, count: texts.count) }, 0)
        progress(activity, 0, batches.count * sites.count)
        try Tensor.withoutGradients {
            try capture(sites, in: batches.map { $0.map { texts[$0] } }) { batch, site, value in
                guard let place = sites.firstIndex(of: site) else { return }
                for (row, text) in batches[batch].enumerated() {
                    found[place][text] = try value.selected(0, row).selected(0, texts[text].count - 1).contiguous()
                }
                done += 1
                progress(activity, done, batches.count * sites.count)
            }
        }
        return try found.map { try Tensor.stacked($0.compactMap(\.self)) }
    }
}
