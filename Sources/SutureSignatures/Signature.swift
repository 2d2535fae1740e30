import SutureFormats
import SuturePatches

/// A robust weight signature (arXiv 2302.12480): what makes a model robust, apart from what any training does to it.
///
/// Three models come from one start: pretrained P, standard S (tuned on clean data), robust R (tuned on corrupted data).
/// With s = S - P and r = R - P, each tensor's signature is r - (<r,s> / <s,s>) s, the part of r that is orthogonal to
/// s; r itself where s is zero. It is a `Patch` of S: scaled, stacked, combined and taken off as any other.
public struct Signature: Sendable {
    /// What is done with the running averages of batch norms.
    public enum BatchNorm: String, Sendable, CaseIterable {
        /// They stay as they are in the model that is patched.
        case keep
        /// They change as weights do.
        case delta
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

    public init() {}

    /// Takes the signature of three models; no more than a few pieces of a tensor are in memory.
    ///
    /// - Throws: ``SignatureError`` where no layer is left; `PatchError` if the models do not correspond, a weight is no
    ///   number, or nothing differs.
    public func extract(
        pretrained: Checkpoint, standard: Checkpoint, robust: Checkpoint, spool: SpoolFile? = nil
    ) throws -> Extraction {
        let taken = try layers.layers(of: standard)
        var options: JSONObject = [
            "projected": .bool(isProjected), "batch_norm": JSON(batchNorm.rawValue),
            "pretrained": JSON(pretrained.url.lastPathComponent), "layers": JSON(taken.count)
        ]
        if let corruption { options["corruption"] = JSON(corruption) }
        return try Extraction(
            from: standard, to: robust, as: form, rejectingFrom: isProjected ? pretrained : nil,
            method: Patch.Method(name: "signature", options: .object(options)), spool: spool
        ) { name in
            taken.contains(LayerRule.layer(of: name)) && (batchNorm == .delta || !Self.isStatistic(name))
                && !name.hasSuffix(".num_batches_tracked")
        }
    }

    private static func isStatistic(_ name: String) -> Bool {
        name.hasSuffix(".running_mean") || name.hasSuffix(".running_var")
    }
}
