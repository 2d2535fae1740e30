import SutureFormats

extension Architecture {
    /// SmolLM3: Llama in which every fourth layer does not know positions.
    static func smollm3(_ config: JSONField) throws -> Architecture {
        var architecture = try llama(config, family: "smollm3")
        let layers = 0..<architecture.layers
        if let field = try config.optional("no_rope_layers") {
            let marks = try field.array.map { try $0.int }
            guard marks.count >= layers.count, marks.allSatisfy((0...1).contains) else {
                throw ModelError(
                    .unsupported, "there must be a 0 or a 1 for each layer", subject: field.path,
                    expected: "\(layers.count)", found: "\(marks.count) entries")
            }
            architecture.unrotatedLayers = Set(layers.filter { marks[$0] == 0 })
        } else {
            let interval = try config.size("no_rope_layer_interval", default: 4)
            architecture.unrotatedLayers = Set(layers.filter { ($0 + 1) % interval == 0 })
        }
        architecture.windowedLayers =
            try windowedLayers(config, of: layers.count) ?? architecture.unrotatedLayers
        return architecture
    }
}
