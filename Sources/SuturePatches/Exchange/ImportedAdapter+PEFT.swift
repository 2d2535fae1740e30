import Foundation
import SutureFormats

extension ImportedAdapter {
    /// The changes of a LoRA adapter of PEFT.
    func peft(_ config: JSONField) throws -> [Edit] {
        guard try config.require("peft_type").string == "LORA" else {
            throw unsupported("peft_type", try config.require("peft_type").string)
        }
        try checkKind(config)
        let isStabilized = try config.optional("use_rslora")?.bool ?? false
        let isDoRA = try config.optional("use_dora")?.bool ?? false
        let alpha = try config.require("lora_alpha").double
        let alphas = try Patterns(config.optional("alpha_pattern"))
        return try modules(a: ".lora_A", b: ".lora_B").flatMap { module, parts -> [Edit] in
            var changes = try parts.whole.sorted { $0.key < $1.key }.compactMap {
                try replacing(tensor("\(module).\($0)"), by: $1)
            }
            guard parts.a != nil || parts.b != nil || parts.magnitudes != nil else { return changes }
            guard let a = parts.a, let b = parts.b, a.count > 0, b.count > 0 else { throw incomplete(module) }
            let name = try tensor("\(module).weight")
            guard let shape = base[name]?.shape, shape.count == 2 else {
                throw unsupported(module, "factors of a tensor that is no matrix")
            }
            let rank = a.shape[0]
            let own = try alphas.value(of: module) ?? alpha
            let scale = isStabilized ? own / Double(rank).squareRoot() : own / Double(rank)
            // The module decides, as in PEFT: embeddings are stored [tokens, width], the Conv1D of GPT-2 [in, out].
            let isOther = try parts.isEmbedding || Adapter.isConv1D(name, base: base)
            guard b.shape == [isOther ? shape[1] : shape[0], rank], a.shape[1] == (isOther ? shape[0] : shape[1]) else {
                throw PatchError(
                    .wrongBase, "the factors do not fit the model's matrix", subject: "\(file.file.name): \(module)",
                    expected: "a product \(shape)",
                    found: "\(isOther ? [a.shape[1], b.shape[0]] : [b.shape[0], a.shape[1]])",
                    hint: "name the model that the adapter was trained on")
            }
            let (aValues, bValues) = (try a.floats(), try b.floats())
            let change =
                isOther
                ? Edit.lowRank(
                    name, a: transposed(bValues, b.shape[0], rank), b: transposed(aValues, rank, a.shape[1]),
                    rank: rank,
                    scale: scale)
                : .lowRank(name, a: aValues, b: bValues, rank: rank, scale: scale)
            guard isDoRA || parts.magnitudes != nil else { return changes + [change] }
            guard let magnitudes = parts.magnitudes else {
                throw unsupported("use_dora", "no magnitudes of \(module)")
            }
            guard !parts.isEmbedding, !changes.contains(where: { $0.tensor == name }) else {
                throw unsupported("use_dora", "embeddings, or a matrix that is stored whole as well: \(module)")
            }
            changes.append(try directed(change, shape, magnitudes, ofColumns: isOther))
            return changes
        }
    }

    /// Throws for what changes the result and is not known here.
    private func checkKind(_ config: JSONField) throws {
        for key: ByteString in [
            "lora_bias", "layer_replication", "use_qalora", "alora_invocation_tokens", "target_parameters",
            "arrow_config", "trainable_token_indices", "use_bdlora"
        ] {
            guard let field = try config.optional(key) else { continue }
            let isOff =
                field.value == false || field.value.arrayValue?.isEmpty == true
                || field.value.objectValue?.isEmpty == true
            guard isOff else {
                throw unsupported(key.string, String(decoding: field.value.serialized(), as: UTF8.self))
            }
        }
        // These begin with another base: what the factors have at first is taken off it.
        if let start = config.value["init_lora_weights"]?.stringValue,
            !["gaussian", "eva", "orthogonal", "true", "false"].contains(start.lowercased())
        {
            throw unsupported("init_lora_weights", start)
        }
    }

    /// A tensor that the adapter stores whole, as a change; nil where it is the model's.
    private func replacing(_ name: String, by payload: PayloadTensor) throws -> Edit? {
        guard let tensor = base[name], tensor.type.isPatchable, tensor.shape == payload.shape else {
            throw PatchError(
                .wrongBase, "the model has this tensor in another shape or type",
                subject: "\(file.file.name): \(name)",
                expected: base[name].map { "\($0.type.rawValue)\($0.shape)" },
                found: "\(payload.type.rawValue)\(payload.shape)")
        }
        let stored = try base.data(of: tensor)
        let before = withExtendedLifetime(stored) { tensor.type.floats(stored.bytes) }
        let change = zip(try payload.floats(), before).map { $0 - $1 }
        return change.allSatisfy { $0 == 0 } ? nil : .dense(name, change, shape: tensor.shape)
    }

    /// DoRA (arXiv 2402.09353): the sum of weights and product, each row (or column of a Conv1D) scaled to its magnitude.
    private func directed(
        _ change: Edit, _ shape: [Int], _ magnitudes: PayloadTensor, ofColumns: Bool
    ) throws -> Edit {
        guard let tensor = base[change.tensor], tensor.type.isPatchable else { throw unsupported("use_dora", "true") }
        let stored = try base.data(of: tensor)
        let before = withExtendedLifetime(stored) { tensor.type.floats(stored.bytes) }
        var sums = before.map(Double.init)
        try sums.withUnsafeMutableBufferPointer {
            try change.delta.add(change.scale, of: 0..<before.count, shape: shape, to: $0)
        }
        let wanted = try magnitudes.floats()
        let (rows, columns) = (shape[0], shape[1])
        guard wanted.count == (ofColumns ? columns : rows) else {
            throw PatchError(
                .badPayload, "there is not one magnitude for each output",
                subject: "\(file.file.name): \(change.tensor)",
                expected: "\(ofColumns ? columns : rows)", found: "\(wanted.count)")
        }
        var squares = [Double](repeating: 0, count: wanted.count)
        for row in 0..<rows {
            for column in 0..<columns {
                let value = sums[row * columns + column]
                squares[ofColumns ? column : row] += value * value
            }
        }
        let factors = zip(wanted, squares).map { Double($0) / $1.squareRoot() }
        guard factors.allSatisfy(\.isFinite) else { throw unsupported("use_dora", "a row of zeros") }
        let result = (0..<before.count).map { index in
            let factor = factors[ofColumns ? index % columns : index / columns]
            return Float(sums[index] * factor - Double(before[index]))
        }
        return .dense(change.tensor, result, shape: shape)
    }
}

/// Values by patterns of modules' names: as in PEFT, a regular expression for the end of a name, the first that fits.
private struct Patterns {
    private var entries: [(pattern: Regex<AnyRegexOutput>, value: Double)] = []

    init(_ field: JSONField?) throws {
        guard let field else { return }
        for key in try field.object.keys.map(\.string) {
            guard Self.isQuick(key), let pattern = try? Regex("(.*\\.)?(\(key))") else {
                throw PatchError(
                    .unsupportedKind, "this regular expression cannot be read, or could take long",
                    subject: field.path, expected: "at most 3 of *, + and {, none of them of a group", found: key)
            }
            entries.append((pattern, try field.require(ByteString(key)).double))
        }
    }

    /// Whether matching takes no more than a power of a name's length that is small, whatever the name: a pattern comes
    /// from a file.
    private static func isQuick(_ pattern: String) -> Bool {
        let quantifiers: Set<Character> = ["*", "+", "{"]
        let isOfGroup = zip(pattern, pattern.dropFirst()).contains { $0 == ")" && quantifiers.contains($1) }
        return pattern.count <= 200 && !isOfGroup && !pattern.contains("(?")
            && pattern.count { quantifiers.contains($0) } <= 3
    }

    func value(of module: String) throws -> Double? {
        if entries.isEmpty { return nil }
        guard module.utf8.count <= 256 else {
            throw PatchError(
                .unsupportedKind, "the name is too long for patterns", subject: module, expected: "256 bytes at most")
        }
        return try entries.first { try $0.pattern.wholeMatch(in: module) != nil }?.value
    }
}
