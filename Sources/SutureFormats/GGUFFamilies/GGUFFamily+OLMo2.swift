extension GGUFFamily {
    static let olmo2 = GGUFFamily(
        name: "olmo2", modelType: "olmo2", modelClass: "Olmo2ForCausalLM", epsilon: rms, roles: roles,
        hasOwnHeadWidth: false, constants: [("hidden_act", "silu")])

    private static let roles: [String: Role] = {
        var roles = llamaRoles().merging(outNorms()) { $1 }.merging(queryNorms(.same, (.queries, .keys))) { $1 }
        roles["blk.attn_norm"] = nil
        roles["blk.ffn_norm"] = nil
        return roles
    }()
}
