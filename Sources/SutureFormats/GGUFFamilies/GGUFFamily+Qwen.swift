extension GGUFFamily {
    static let qwen2 = GGUFFamily(
        name: "qwen2", modelType: "qwen2", modelClass: "Qwen2ForCausalLM", epsilon: rms,
        roles: llamaRoles(biased: ["q", "k", "v"]), hasOwnHeadWidth: false)

    static let qwen3 = GGUFFamily(
        name: "qwen3", modelType: "qwen3", modelClass: "Qwen3ForCausalLM", epsilon: rms,
        roles: llamaRoles(biased: ["q", "k", "v", "output"]).merging(queryNorms()) { $1 }
    ) { (settings: inout GGUFSettings, _: GGUFSizes) -> JSON.Members in biases(settings) }
}
