extension GGUFFamily {
    static let granite = GGUFFamily(
        name: "granite", modelType: "granite", modelClass: "GraniteForCausalLM", epsilon: rms,
        roles: llamaRoles(interleaved: true, biased: ["q", "k", "v", "output", "gate", "up", "down"]),
        hasOwnHeadWidth: false, constants: [("hidden_act", "silu")]
    ) { (settings: inout GGUFSettings, sizes: GGUFSizes) -> JSON.Members in
        func factor(_ name: String, _ absent: Double = 1) throws -> JSON {
            let value = try settings.optionalDouble(name) ?? 0
            return JSON(value == 0 ? absent : GGUFTranslation.shortest(value))
        }
        guard try settings.optionalFlag("rope.scaling.finetuned") ?? true else {
            // For llama.cpp this is how the family says that it has no rotary positions at all.
            throw FormatError(
                .unsupportedModel, "models without rotary positions are not supported",
                subject: "\(settings.file.file.name): granite.rope.scaling.finetuned", expected: "true", found: "false")
        }
        return try biases(settings) + [
            ("attention_multiplier", factor("attention.scale", 1 / Double(sizes.headWidth).squareRoot())),
            ("embedding_multiplier", factor("embedding_scale")), ("residual_multiplier", factor("residual_scale")),
            ("logits_scaling", factor("logit_scale"))
        ]
    }
}
