extension GGUFFamily {
    /// llama.cpp takes it for granted that every fourth layer does not know positions.
    static let smollm3 = GGUFFamily(
        name: "smollm3", modelType: "smollm3", modelClass: "SmolLM3ForCausalLM", epsilon: rms,
        roles: llamaRoles(interleaved: true, biased: ["q", "k", "v", "output", "gate", "up", "down"]),
        hasOwnHeadWidth: false, constants: [("hidden_act", "silu"), ("no_rope_layer_interval", 4)]
    ) { (settings: inout GGUFSettings, _: GGUFSizes) -> JSON.Members in biases(settings) }
}
