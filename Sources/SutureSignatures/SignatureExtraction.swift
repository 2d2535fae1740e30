import SutureFormats
import SuturePatches

/// A robust weight signature (arXiv 2302.12480): what makes a model robust, apart from what any training does to it.
///
/// Three models come from one start: pretrained P, standard S (tuned on clean data), robust R (tuned on corrupted data).
/// With s = S - P and r = R - P, each tensor's signature is r - (<r,s> / <s,s>) s, the part of r that is orthogonal to
/// s; r itself where s is zero. It is a `Patch` of S: scaled, stacked, combined and taken off as any other.
public struct SignatureExtraction: Sendable {
    /// What is done with batch norms. To set their running averages by data, see `suture signature re-estimate`.
    public enum BatchNorm: String, Sendable, CaseIterable {
        /// The running averages stay as they are in the model that is patched; factors and summands are weights.
        case keep
        /// The running averages change as weights do.
        case delta
        /// Averages, factors and summands become those of the robust model, in all norms, whatever the layers: what is
        /// added is the whole difference.
        case replace
    }

    /// The layers that it is taken from.
    public var layers = LayerRule.all
    public var batchNorm = BatchNorm.keep
    /// Whether the part along s is taken off; without, it is the plain difference R - S, a task vector.
    public var isProjected = true
    /// How it is stored.
    public var form = Extraction.Form.full
    /// What the robust model was trained on, such as "fog, severity 3"; goes into the manifest.
    public var corruption: String?

    /// The default settings.
    public init() {}

    /// Takes the signature of three models; no more than a few pieces of a tensor are in memory.
    ///
    /// The layers that were chosen are in the manifest, under the option `layers`.
    ///
    /// - Throws: ``SignatureError`` where no layer is left, or a running variance would be negative; `PatchError` if the
    ///   models do not correspond, a weight is no number, or nothing differs.
    public func extract(
        pretrained: Checkpoint, standard: Checkpoint, robust: Checkpoint, spool: SpoolFile? = nil
    ) throws -> Extraction {
        let network = NetworkLayers(standard)
        let whole: Extraction.Portion = isProjected ? .orthogonal(toWayFrom: pretrained) : .all
        let portion: @Sendable (String, (String) -> Bool) -> Extraction.Portion = { [batchNorm] tensor, isChosen in
            if tensor.hasSuffix(".num_batches_tracked") { return .nothing }
            if batchNorm == .replace, network.isInNorm(tensor) { return .all }
            if batchNorm == .keep, NetworkLayers.isAverage(tensor) { return .nothing }
            return network.layer(of: tensor).map(isChosen) == true ? whole : .nothing
        }
        var changes: [String: Double] = [:]
        if layers.isBySize {
            let sizes = try ChangeSize.measure(from: standard, to: robust) { portion($0) { _ in true } }
            changes = Self.relativeChanges(sizes, network)
        }
        let chosen = layers.choose(from: network, relativeChanges: changes)
        guard !chosen.isEmpty else { throw noLayers(of: network, standard) }
        let taken = Set(chosen)
        let extraction = try Extraction(
            from: standard, to: robust, as: form, method: method(pretrained, chosen), spool: spool
        ) { portion($0, taken.contains) }
        if batchNorm == .delta { try Self.checkVariances(extraction.patch, on: standard) }
        return extraction
    }

    /// |what would be taken| / |weights of the standard model|, layer by layer; 1 where all weights were zero.
    private static func relativeChanges(_ sizes: [ChangeSize], _ network: NetworkLayers) -> [String: Double] {
        Dictionary(grouping: sizes) { network.layer(of: $0.tensor) ?? "" }.filter { $0.key != "" }.mapValues { sizes in
            let (change, base) = sizes.reduce((0, 0)) { ($0.0 + $1.change, $0.1 + $1.base) }
            return base == 0 ? 1 : (change / base).squareRoot()
        }
    }

    private func method(_ pretrained: Checkpoint, _ chosen: [String]) -> Patch.Method {
        var options: JSONObject = [
            "projected": .bool(isProjected), "batch_norm": JSON(batchNorm.rawValue),
            "pretrained": JSON(pretrained.url.lastPathComponent), "rule": JSON("\(layers)"),
            "layers": .array(chosen.map { JSON($0) })
        ]
        if let corruption { options["corruption"] = JSON(corruption) }
        return Patch.Method(name: "signature", options: .object(options))
    }

    private func noLayers(of network: NetworkLayers, _ standard: Checkpoint) -> SignatureError {
        SignatureError(
            .noLayers, "the rule leaves no layer", subject: standard.url.relativePath,
            expected: network.names.prefix(3).joined(separator: ", ") + ", ...", found: "\(layers)")
    }

    /// A network with a negative variance gives no numbers.
    private static func checkVariances(_ patch: Patch, on standard: Checkpoint) throws {
        let patched = try PatchedCheckpoint(standard).adding([AppliedPatch(patch)])
        for (name, _) in patch.base where name.string.hasSuffix(".running_var") {
            guard let tensor = standard[name.string] else { continue }
            let values = try patched.floats(of: tensor)
            guard let lowest = values.min(), lowest < 0 else { continue }
            throw SignatureError(
                .negativeVariance, "the patched running variance would be negative", subject: name.string,
                expected: "0 or more", found: "\(lowest)", hint: "replace the running averages, or keep them")
        }
    }
}
