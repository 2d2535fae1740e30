extension GGUFTranslation.Tensor {
    /// A stored tensor's places in the snapshot: one, or three for queries, keys and values that older converters store
    /// as one tensor, one under the other.
    static func all(
        of stored: GGUFFile.Tensor, in file: GGUFFile, _ family: GGUFFamily, _ sizes: GGUFSizes
    ) throws -> [GGUFTranslation.Tensor] {
        let fused = ".attn_qkv."
        guard stored.name.contains(fused), family.roles["blk.attn_qkv"] == nil, family.roles["blk.attn_q"] != nil,
            !family.isInterleaved
        else { return [try GGUFTranslation.Tensor(stored, in: file, family, sizes)] }
        let parts = [("q", sizes[.queries]), ("k", sizes[.keys]), ("v", sizes[.keys])]
        let inner = stored.shape.dropFirst().reduce(1, *)
        guard stored.shape.first == sizes[.fused], parts.allSatisfy({ $0.1 * inner % stored.type.blockLength == 0 })
        else {
            throw FormatError(
                .sizeMismatch, "the tensor has another shape than the settings ask for",
                subject: "\(file.file.name): \(stored.name)", expected: "\(sizes[.fused]) rows",
                found: "\(stored.shape)")
        }
        var start = stored.range.lowerBound
        return try parts.map { part, rows in
            let name = stored.name.replacing(fused, with: ".attn_\(part).")
            guard file[name] == nil else {
                throw FormatError(
                    .duplicateName, "the file has this tensor alone and as a part of another", subject: name,
                    found: stored.name)
            }
            let end = start + rows * inner / stored.type.blockLength * stored.type.blockWidth
            defer { start = end }
            let piece = GGUFFile.Tensor(
                name: name, type: stored.type, shape: [rows] + stored.shape.dropFirst(), range: start..<end,
                part: stored.part)
            return try GGUFTranslation.Tensor(piece, in: file, family, sizes)
        }
    }
}
