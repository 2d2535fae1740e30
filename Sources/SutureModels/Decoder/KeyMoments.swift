import SutureTensor

/// How the hidden activations k of MLPs, the keys that output projections read, are distributed over the tokens of texts.
extension LanguageModel {
    /// E[k k^T] `[m, m]` of some layers, float64.
    public func keyMoments(
        _ texts: [[Int]], layers: [Int], progress: ProgressHandler = { _, _, _ in }
    ) throws -> [Int: Tensor] {
        try keyMeans(texts, layers, progress) { try $0.transposed().matmul($0).to(.float64) }
    }

    /// E[k^2] `[m]` of some layers, float64.
    public func keyEnergies(
        _ texts: [[Int]], layers: [Int], progress: ProgressHandler = { _, _, _ in }
    ) throws -> [Int: Tensor] {
        try keyMeans(texts, layers, progress) { try $0.square().sum([0]).to(.float64) }
    }

    /// The mean over all tokens of what `sum` adds up over the keys `[tokens, m]` of a batch; no more is in memory at once.
    private func keyMeans(
        _ texts: [[Int]], _ layers: [Int], _ progress: ProgressHandler, sum: (Tensor) throws -> Tensor
    ) throws -> [Int: Tensor] {
        var sums: [Site: Tensor] = [:]
        var done = 0
        try Tensor.withoutGradients {
            let batches = Self.batches(texts.map { Array($0.prefix(architecture.contextLength)) })
            try capture(layers.map(Site.mlpHidden), in: batches) { index, site, hidden in
                let batch = batches[index]
                let rows = try batch.enumerated().map { try hidden.selected(0, $0).narrowed(0, 0..<$1.count) }
                let part = try sum(Tensor.concatenated(rows, 0))
                sums[site] = try sums[site].map { try $0 + part } ?? part
                done += batch.count
                progress("reading reference texts", done / layers.count, texts.count)
            }
        }
        let tokens = texts.reduce(0) { $0 + min($1.count, architecture.contextLength) }
        return try layers.reduce(into: [:]) { means, layer in
            means[layer] = try sums[.mlpHidden(layer)].map { try $0 / Double(tokens) }
        }
    }

    /// Texts of similar lengths together, about a thousand tokens at a time.
    private static func batches(_ texts: [[Int]]) -> [[[Int]]] {
        var batches: [[[Int]]] = []
        for text in texts.filter({ !$0.isEmpty }).sorted(by: { $0.count < $1.count }) {
            if let last = batches.last, (last.count + 1) * text.count <= 1024 {
                batches[batches.count - 1].append(text)
            } else {
                batches.append([text])
            }
        }
        return batches
    }
}
