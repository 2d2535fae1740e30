/// What a GGUF file sets for its family, read key by key; at the end no key may be left that could change the result.
struct GGUFSettings {
    let file: GGUFFile
    let family: GGUFFamily
    private var known: Set<ByteString> = []

    /// - Throws: ``FormatError`` for a file that is no whole model of a supported family.
    init(_ file: GGUFFile) throws {
        self.file = file
        if file.metadata["general.type"] != nil, case let type = try file.string("general.type"), type != "model" {
            throw FormatError(
                .unsupportedModel, "this file is no model", subject: "\(file.file.name): general.type",
                expected: "model", found: type)
        }
        family = try GGUFFamily.of(file)
    }

    // MARK: Reading

    mutating func has(_ name: String) -> Bool { file.metadata[key(name)] != nil }

    /// A number of things: small enough for a product of two.
    mutating func size(_ name: String, atMost limit: Int = 1 << 28) throws -> Int {
        let value = try file.int(key(name))
        guard (1...limit).contains(value) else { throw unfit(name, "1...\(limit)") }
        return value
    }

    mutating func optionalSize(_ name: String) throws -> Int? { has(name) ? try size(name) : nil }

    /// A finite number above zero.
    mutating func number(_ name: String) throws -> Double {
        let value = try file.double(key(name))
        guard value > 0 else { throw unfit(name, "a number above 0") }
        return value
    }

    mutating func optionalNumber(_ name: String) throws -> Double? { has(name) ? try number(name) : nil }

    /// Any finite number.
    mutating func optionalDouble(_ name: String) throws -> Double? { has(name) ? try file.double(key(name)) : nil }

    mutating func optionalInt(_ name: String) throws -> Int? { has(name) ? try file.int(key(name)) : nil }

    mutating func optionalFlag(_ name: String) throws -> Bool? { has(name) ? try file.bool(key(name)) : nil }

    mutating func optionalText(_ name: String) throws -> String? { has(name) ? try file.string(key(name)) : nil }

    /// Throws if a setting is there and is not `size`.
    mutating func require(_ name: String, _ size: Int) throws {
        guard has(name), try file.int(key(name)) != size else { return }
        throw unfit(name, "\(size)")
    }

    /// Throws unless `size` is a multiple of what a setting says.
    mutating func requireDivision(_ name: String, of size: Int) throws {
        guard size % (try file.int(key(name))) != 0 else { return }
        throw unfit(name, "a divisor of \(size)")
    }

    // MARK: What is left

    /// Settings that change nothing, whatever they are.
    private static let harmless: Set<ByteString> = [
        "rope.scaling.finetuned", "rope.scaling.original_context_length", "attention.layer_norm_epsilon",
        "attention.layer_norm_rms_epsilon", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow"
    ]
    /// Settings that change nothing as long as they are one of these numbers.
    private static let neutral: [ByteString: Set<Double>] = [
        "expert_count": [0], "expert_used_count": [0], "attention.scale": [0], "logit_scale": [0, 1],
        "embedding_scale": [0, 1], "residual_scale": [0, 1], "attn_logit_softcapping": [0],
        "final_logit_softcapping": [0], "attention.max_alibi_bias": [0], "attention.clamp_kqv": [0],
        "attention.sliding_window": [0], "rope.scaling.attn_factor": [1], "pooling_type": [0],
        "rope.scaling.yarn_log_multiplier": [0], "rope.scaling.yarn_ext_factor": [1],
        "rope.scaling.yarn_attn_factor": [1], "attention.gate_length": [0]
    ]
    private static let neutralFlags: [ByteString: Bool] = ["attention.causal": true, "use_parallel_residual": false]

    /// - Throws: ``FormatError`` for a setting that was not read and is not known to change nothing.
    func checkRest() throws {
        let prefix = ByteString("\(family.name).")
        for (key, value) in file.metadata where key.bytes.starts(with: prefix.bytes) && !known.contains(key) {
            let name = ByteString(Array(key.bytes.dropFirst(prefix.bytes.count)))
            if isNeutral(name, value) { continue }
            let isMixture = name.string.hasPrefix("expert")
            throw FormatError(
                .unsupportedModel,
                isMixture
                    ? "mixtures of experts are not supported"
                    : "this setting is not supported, and could change what the model computes",
                subject: "\(file.file.name): \(key)", found: value.text)
        }
    }

    private func isNeutral(_ name: ByteString, _ value: GGUFValue) -> Bool {
        if Self.harmless.contains(name) { return true }
        if let numbers = Self.neutral[name], let number = value.doubleValue { return numbers.contains(number) }
        if let flag = Self.neutralFlags[name] { return value.boolValue == flag }
        // The order of the rows that is taken for granted.
        let layout = family.isInterleaved ? "Meta AI original pth" : "reference"
        return name == "tensor_data_layout" && value.stringValue == layout
    }

    private mutating func key(_ name: String) -> ByteString {
        let key = ByteString("\(family.name).\(name)")
        known.insert(key)
        return key
    }

    mutating func unfit(_ name: String, _ expected: String) -> FormatError {
        let key = key(name)
        return FormatError(
            .malformedMetadata, "a setting is out of range", subject: "\(file.file.name): \(key)", expected: expected,
            found: file.metadata[key]?.text)
    }
}

extension GGUFFile {
    /// The integer under `key`, or nil where there is none.
    func optionalInt(_ key: ByteString) throws -> Int? { metadata[key] == nil ? nil : try int(key) }
}
