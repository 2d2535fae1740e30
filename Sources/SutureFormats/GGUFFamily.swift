/// A family of models in GGUF files: where its tensors stand in a snapshot, what shapes they must have, and what its
/// settings are called there.
struct GGUFFamily: Sendable {
    /// As `general.architecture` has it.
    let name: String
    /// As `model_type` has it, and the class in `architectures`.
    let modelType, modelClass: String
    /// The names of its settings' epsilon, here and in a snapshot.
    let epsilon: (gguf: String, snapshot: ByteString)
    /// The roles of its tensors by their names without layer and suffix.
    let roles: [String: Role]
    /// The names of sizes in a snapshot.
    var sizeNames = SizeNames.usual
    var rotary = Rotary.whole
    /// Whether a head's width may be other than its share of the model's.
    var hasOwnHeadWidth = true
    /// Whether queries may share keys and values.
    var sharesKeys = true
    /// What all models of the family have.
    var constants: JSON.Members = []
    /// Reads the settings that only this family has.
    var read: @Sendable (inout GGUFSettings, GGUFSizes) throws -> JSON.Members = { _, _ in [] }

    /// How many of a head's channels are rotated.
    enum Rotary: Sendable { case none, whole, part }

    enum SizeNames: Sendable { case usual, gpt2 }

    /// Whether the rows of each head's queries and keys are in another order than in a snapshot.
    var isInterleaved: Bool { roles["blk.attn_q"]?.order == .queryHeads }

    /// Sizes that the settings of a file give.
    enum Size: Sendable { case width, queries, keys, head, fused, hidden, doubleHidden, vocabulary, context }

    /// How what is stored stands to the original.
    enum Order: Sendable {
        case same
        /// The converter for Llama interleaves the two halves of each head's rows, those of a bias too.
        case queryHeads, keyHeads
        /// GPT-2's Conv1D matrices are stored the other way round; their biases are not.
        case transposed
        /// All heads' queries, then keys, then values; the original has these three head by head.
        case headByHead
        /// The gains of Gemma's norms are stored with 1 added.
        case oneAdded
    }

    /// What a tensor is.
    struct Role: Sendable {
        /// Its name in a snapshot; `{}` is the layer.
        let name: String
        /// The shape of the weight in the GGUF file, outermost first: one size for a vector, two for a matrix.
        let shape: [Size]
        var order = Order.same
        /// Whether there may be a bias, of the weight's outermost size.
        var mayHaveBias = false
    }

    static let all: [String: GGUFFamily] = Dictionary(
        uniqueKeysWithValues: [
            llama, qwen2, qwen3, gpt2, starcoder, starcoder2, phi2, phi3, gemma, gemma2, gemma3, gptNeoX, stablelm,
            olmo2,
            granite, smollm3
        ].map { ($0.name, $0) })

    /// The family in whose GGUF files a model of a snapshot is stored.
    static func of(modelType: String) -> GGUFFamily? {
        modelType == "mistral" ? llama : all.values.first { $0.modelType == modelType }
    }

    /// The family that a file says it is of.
    static func of(_ file: GGUFFile) throws -> GGUFFamily {
        let name = try file.string("general.architecture")
        guard let family = all[name] else {
            let isMixture = name.contains("moe") || ["mixtral", "dbrx", "grok", "arctic", "deepseek"].contains(name)
            throw FormatError(
                .unsupportedModel,
                isMixture ? "mixtures of experts are not supported" : "this model family is not supported",
                subject: "\(file.file.name): general.architecture", expected: all.keys.sorted().joined(separator: ", "),
                found: name)
        }
        return family
    }
}
