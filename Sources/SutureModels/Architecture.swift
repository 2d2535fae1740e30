import SutureFormats

/// A decoder as data: what one forward loop needs to know to run any of the supported families.
///
/// A family is a function from `config.json` to such a description (`Architecture+Llama.swift`,
/// `Architecture+GPT2.swift`); the configuration's `model_type` decides which, never a model's name.
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
    /// Whether attention scores of layer l are also divided by l + 1.
    public var scalesByLayer = false
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
        /// Rotation of queries and keys, in halves: one frequency (radians a position) for each pair of channels.
        case rotary(frequencies: [Double])
        /// A table added to the embeddings.
        case learned
    }

    /// The function of an MLP's hidden units.
    public enum Activation: String, Sendable { case silu, gelu, geluTanh, relu }

    /// What dot products of queries and keys are multiplied with in layer `layer`.
    public func attentionScale(_ layer: Int) -> Double {
        let scale = 1 / Double(headWidth).squareRoot()
        return scalesByLayer ? scale / Double(layer + 1) : scale
    }
}

/// How a projection's matrix is stored.
public enum Orientation: String, Sendable, Codable {
    /// `[out, in]`, as in PyTorch's Linear: a write vector is a column.
    case outIn
    /// `[in, out]`, as in GPT-2's Conv1D: a write vector is a row.
    case inOut
}

/// Where an architecture's tensors stand in a checkpoint; `{}` is the layer.
public struct TensorNames: Sendable, Equatable {
    /// A linear map: a whole tensor, or one of several side by side in it.
    public struct Projection: Sendable, Equatable {
        var tensor: String
        var orientation: Orientation = .outIn
        var bias = false
        /// The range of output features where several projections share a tensor.
        var part: Range<Int>?
    }

    /// What may stand before every name; the first for which the embedding exists is taken.
    var prefixes: [String]
    var embedding: String
    var positions: String?
    var attentionNorm: String
    var query, key, value, output: Projection
    var mlpNorm: String
    var gate: Projection?
    var up, down: Projection
    var finalNorm: String
    /// The head where it is not tied, without prefix.
    var head: String
    /// The prefix that this checkpoint uses.
    var prefix = ""

    func name(_ template: String, layer: Int = 0) -> String {
        prefix
            + template.split(separator: "{}", maxSplits: 1, omittingEmptySubsequences: false).joined(
                separator: "\(layer)")
    }
}

extension Architecture {
    /// Reads the description from a checkpoint's configuration.
    ///
    /// Throws ``ModelError`` with code `unsupported` for a family or a feature that is not there, and
    /// a `FormatError` for a field that is missing or of the wrong type.
    public init(config: JSON, source: String = "config.json") throws {
        let config = JSONField(config, source: source)
        let family = try config.require("model_type").string
        switch family {
        case "llama", "mistral", "qwen2": self = try .llama(config, family: family)
        case "gpt2": self = try .gpt2(config)
        default:
            throw ModelError(
                .unsupported, "this model family is not supported", subject: "\(source): model_type",
                expected: "llama, mistral, qwen2 or gpt2", found: family)
        }
        try checkSizes(source)
    }

    private func checkSizes(_ source: String) throws {
        let sizes = [
            ("layers", layers, 1024), ("width", width, 1 << 20), ("heads", heads, 1 << 16),
            ("key and value heads", keyValueHeads, 1 << 16), ("head width", headWidth, 1 << 16),
            ("hidden width", hiddenWidth, 1 << 22), ("vocabulary", vocabulary, 1 << 24),
            ("context length", contextLength, 1 << 28)
        ]
        for (name, value, limit) in sizes where !(1...limit).contains(value) {
            throw ModelError(
                .unsupported, "\(name) is out of range", subject: source, expected: "1...\(limit)", found: "\(value)")
        }
        guard heads % keyValueHeads == 0 else {
            throw ModelError(
                .unsupported, "heads cannot be shared out", subject: source,
                expected: "a multiple of \(keyValueHeads) key-value heads",
                found: "\(heads)")
        }
    }
}

extension JSONField {
    func int(_ key: ByteString, default value: Int) throws -> Int { try optional(key)?.int ?? value }
    func double(_ key: ByteString, default value: Double) throws -> Double { try optional(key)?.double ?? value }
    func bool(_ key: ByteString, default value: Bool) throws -> Bool { try optional(key)?.bool ?? value }

    func activation(_ key: ByteString) throws -> Architecture.Activation {
        let field = try require(key)
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
