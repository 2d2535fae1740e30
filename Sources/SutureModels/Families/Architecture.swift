import SutureFormats

/// A decoder as data: what one forward loop needs to know to run any of the supported families.
///
/// A family is a function from `config.json` to such a description (`Architecture+Llama.swift` and its
/// neighbors); the configuration's `model_type` decides which, never a model's name.
public struct Architecture: Sendable, Equatable {
    /// The family, as `model_type` has it.
    public var family: String
    public var layers: Int
    /// The width d of the residual stream.
    public var width: Int
    public var heads: Int
    /// Heads of keys and values; fewer than `heads` where queries share them.
    public var keyValueHeads: Int
    public var headWidth: Int
    /// The width m of an MLP's hidden activation.
    public var hiddenWidth: Int
    public var vocabulary: Int
    public var contextLength: Int
    public var norm: Norm
    public var epsilon: Double
    public var positions: Positions
    public var activation: Activation
    /// Whether the hidden activation is act(gate) * up rather than act(up).
    public var isGated: Bool
    /// How many positions back attention sees; nil for all.
    public var window: Int?
    /// The layers to which the window applies; nil where to all.
    public var windowedLayers: Set<Int>?
    /// The positions in layers with a window, where they are others.
    public var windowedPositions: Positions?
    /// The layers that do not know positions.
    public var unrotatedLayers: Set<Int> = []
    /// Whether attention scores of layer l are also divided by l + 1.
    public var scalesByLayer = false
    /// Whether attention and the MLP of a layer both read the stream that enters it, so that the MLP does not see what
    /// attention writes there.
    public var isParallel = false
    /// What token embeddings are multiplied with.
    public var embeddingScale = 1.0
    /// What is added to the stored gains of norms.
    public var gainOffset = 0.0
    /// What attention and the MLP write is multiplied with before it is added to the stream.
    public var residualScale = 1.0
    /// What dot products of queries and keys are multiplied with, where it does not follow from the head's width.
    public var queryScale: Double?
    /// The c of c * tanh(x / c), by which scores of attention are bounded.
    public var attentionCap: Double?
    /// What the scores of the next token are multiplied with.
    public var logitScale = 1.0
    /// The c of c * tanh(x / c), by which scores of the next token are bounded.
    public var logitCap: Double?
    /// Whether the norm of queries and keys is over all heads together.
    public var normsHeadsTogether = false
    /// Whether the head is the embedding table.
    public var tiedHead: Bool
    public var tensors: TensorNames

    /// What a norm does to the residual stream.
    public enum Norm: String, Sendable {
        /// x / rms(x) * gain
        case rms
        /// (x - mean) / std * gain + bias
        case layer
    }

    /// How the model knows where a token stands.
    public enum Positions: Sendable, Equatable {
        /// Rotation of queries and keys.
        case rotary(RotaryPositions)
        /// A table added to the embeddings.
        case learned
    }

    /// The function of an MLP's hidden units.
    public enum Activation: String, Sendable { case silu, gelu, geluTanh, relu }

    /// What dot products of queries and keys are multiplied with in layer `layer`.
    public func attentionScale(_ layer: Int) -> Double {
        let scale = queryScale ?? 1 / Double(headWidth).squareRoot()
        return scalesByLayer ? scale / Double(layer + 1) : scale
    }
}

extension Architecture {
    /// Whether attention and the MLP add to the stream what their output projections write: no norm or factor lies between.
    public var writesDirectly: Bool {
        residualScale == 1 && tensors.attentionOutNorm == nil && tensors.mlpOutNorm == nil
    }

    /// Why the context may be shorter than a configuration says.
    var lengthHint: String? {
        guard case .rotary(let rotary) = positions, rotary.reach == contextLength else { return nil }
        return "for longer texts this model's scaling of positions has other factors, which are not read"
    }

    /// Whether the window applies to a layer.
    func isWindowed(_ layer: Int) -> Bool { window != nil && windowedLayers?.contains(layer) ?? true }

    /// Reads the description from a checkpoint's configuration.
    ///
    /// Throws ``ModelError`` with code `unsupported` for a family or a feature that is not there, and
    /// a `FormatError` for a field that is missing or of the wrong type.
    public init(config: JSON, source: String = "config.json") throws {
        let config = JSONField(config, source: source)
        try config.requireConfiguration()
        let family = try config.require("model_type").string
        guard let describe = Self.families[family] else {
            throw ModelError(
                .unsupported, "this model family is not supported", subject: "\(source): model_type",
                expected: Self.families.keys.sorted().joined(separator: ", "), found: family,
                hint: try Self.hint(config))
        }
        try Self.checkSettings(config, of: family)
        self = try describe(config)
        for case .rotary(let rotary)? in [positions, windowedPositions] {
            contextLength = min(contextLength, rotary.reach ?? contextLength)
        }
        try validate(source)
    }

    /// What reads the configuration of each family, by its `model_type`.
    static let families: [String: @Sendable (JSONField) throws -> Architecture] = [
        "codegen": codegen, "gemma": gemma, "gemma2": gemma2, "gemma3_text": gemma3, "gpt2": gpt2,
        "gpt_bigcode": gptBigCode, "gpt_neox": gptNeoX, "gptj": gptj, "granite": granite,
        "llama": { try llama($0, family: "llama") }, "mistral": { try llama($0, family: "mistral") },
        "olmo2": olmo2, "phi": phi, "phi3": phi3, "qwen2": { try llama($0, family: "qwen2") }, "qwen3": qwen3,
        "smollm3": smollm3, "stablelm": stablelm, "starcoder2": starcoder2
    ]

    /// Why a family that is not there may not be: a layer with several MLPs has no neurons that all tokens share.
    private static func hint(_ config: JSONField) throws -> String? {
        try config.object.contains { key, value in
            let name = key.string.lowercased()
            return !value.isNull && (name.contains("expert") || ("_" + name).contains("_moe_"))
        } ? "mixtures of experts are not supported" : nil
    }
}

extension JSONField {
    /// Throws for a model of which there are tensors alone.
    func requireConfiguration() throws {
        guard try object.isEmpty else { return }
        throw ModelError(
            .unsupported, "config.json is missing, or says nothing", subject: path,
            hint: "name the directory of a model as Hugging Face lays it out")
    }

    /// A number of things that tensors are measured in: small enough for a product of two.
    func size(_ key: ByteString) throws -> Int { try require(key).checkedSize }

    /// A number of layers, each of which is gone through before all of the description is checked.
    func layers(_ key: ByteString) throws -> Int {
        let count = try size(key)
        guard count <= Architecture.layerLimit else {
            throw ModelError(
                .unsupported, "there are too many layers", subject: try require(key).path,
                expected: "1...\(Architecture.layerLimit)", found: "\(count)")
        }
        return count
    }

    func optionalSize(_ key: ByteString) throws -> Int? { try optional(key)?.checkedSize }
    func size(_ key: ByteString, default value: Int) throws -> Int { try optionalSize(key) ?? value }

    private var checkedSize: Int {
        get throws {
            let value = try int
            guard (1...1 << 28).contains(value) else {
                throw ModelError(
                    .unsupported, "this size is out of range", subject: path, expected: "1...\(1 << 28)",
                    found: "\(value)")
            }
            return value
        }
    }

    /// Throws for a variant of a family that is not there: where a setting is not as it is in all others.
    func requireVariant(_ key: ByteString, _ needed: Bool) throws {
        guard try (needed ? bool(key, default: true) : flag(key)) != needed else { return }
        throw ModelError(
            .unsupported, "this variant of the family is not supported", subject: "\(path): \(key)",
            expected: "\(needed)", found: "\(!needed)")
    }

    func double(_ key: ByteString, default value: Double) throws -> Double { try read(key)?.double ?? value }
    /// A setting that is off unless it is `true`; transformers takes `null` for off too.
    func flag(_ key: ByteString) throws -> Bool { try optional(key)?.bool ?? false }
    func bool(_ key: ByteString, default value: Bool) throws -> Bool { try read(key)?.bool ?? value }

    /// A value that may be absent; `null` is no value: transformers does not take the default for it.
    private func read(_ key: ByteString) throws -> JSONField? {
        try object[key] == nil ? nil : require(key)
    }

    /// A finite number in a range.
    func number(in range: ClosedRange<Double>) throws -> Double {
        let value = try double
        guard range.contains(value) else {
            throw ModelError(
                .unsupported, "this number is out of range", subject: path,
                expected: "\(range.lowerBound)...\(range.upperBound)", found: "\(value)")
        }
        return value
    }

    /// Heads of keys and values: as many as `heads` where `null` is said, what the family's class has where nothing is.
    func keyValueHeads(_ heads: Int, default absent: Int? = nil) throws -> Int {
        let key: ByteString = "num_key_value_heads"
        return try optionalSize(key) ?? (object[key] == nil ? absent ?? heads : heads)
    }

    /// A positive number that something is multiplied with, or `value`.
    func factor(_ key: ByteString, default value: Double) throws -> Double {
        try read(key)?.number(in: 1e-9...1e9) ?? value
    }

    /// The width of a head: what the configuration says, else an equal share of `width`.
    func headWidth(_ key: ByteString? = nil, width: Int, heads: Int) throws -> Int {
        if let key, let stored = try optionalSize(key) { return stored }
        guard width % heads == 0 else {
            throw ModelError(
                .unsupported, "the width cannot be shared out among the heads", subject: path,
                expected: "a multiple of \(heads)", found: "\(width)")
        }
        return width / heads
    }

    /// The activation under `key`, or the class's own where there is none.
    func activation(
        _ key: ByteString, default absent: Architecture.Activation
    ) throws -> Architecture.Activation {
        guard let field = try read(key) else { return absent }
        switch try field.string {
        case "silu", "swish": return .silu
        case "gelu": return .gelu
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
        case "relu": return .relu
        case let other:
            throw ModelError(
                .unsupported, "this activation is not supported", subject: field.path,
                expected: "silu, gelu, gelu_new, gelu_pytorch_tanh or relu", found: other)
        }
    }
}
