/// The sizes of a model by the settings of its GGUF file: each at least 1, and small enough for a product of two.
struct GGUFSizes: Sendable {
    let layers, width, heads, keyValueHeads, headWidth, hidden, vocabulary, context: Int

    /// - Throws: ``FormatError`` for a setting that is missing, of another type, out of range, or does not fit the others.
    init(_ settings: inout GGUFSettings) throws {
        let file = settings.file
        // More than any model has: settings of each layer are written out before the tensors are looked at.
        layers = try settings.size("block_count", atMost: 1024)
        width = try settings.size("embedding_length")
        hidden = try settings.size("feed_forward_length")
        context = try settings.size("context_length")
        heads = try settings.size("attention.head_count")
        let family = settings.family
        if family.sharesKeys {
            keyValueHeads = try settings.optionalSize("attention.head_count_kv") ?? heads
        } else {
            keyValueHeads = heads
            try settings.require("attention.head_count_kv", heads)
        }
        let stored = family.hasOwnHeadWidth ? try settings.optionalSize("attention.key_length") : nil
        if stored == nil { try settings.requireDivision("attention.head_count", of: width) }
        headWidth = stored ?? width / heads
        try settings.require("attention.key_length", headWidth)
        try settings.require("attention.value_length", headWidth)
        if settings.family.isInterleaved, headWidth % 2 != 0 {
            throw FormatError(
                .malformedMetadata, "rotary positions need an even number of channels in a head",
                subject: "\(file.file.name): \(settings.family.name).attention.head_count", found: "\(headWidth)")
        }
        guard let embedding = file["token_embd.weight"] else {
            throw FormatError(
                .missingTensor, "the token embeddings are missing", subject: file.file.name,
                expected: "token_embd.weight")
        }
        vocabulary = embedding.rowCount
        try settings.require("vocab_size", vocabulary)
    }

    subscript(size: GGUFFamily.Size) -> Int {
        switch size {
        case .width: width
        case .queries: heads * headWidth
        case .keys: keyValueHeads * headWidth
        case .head: headWidth
        case .fused: (heads + 2 * keyValueHeads) * headWidth
        case .hidden: hidden
        case .doubleHidden: 2 * hidden
        case .vocabulary: vocabulary
        case .context: context
        }
    }
}
