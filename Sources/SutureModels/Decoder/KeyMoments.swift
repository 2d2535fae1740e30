import SutureTensor

/// How the hidden activations k of MLPs, the keys that output projections read, are distributed over the tokens of texts.
extension LanguageModel {
    /// E[k k^T] `[m, m]` of some layers, float64.
    public func keyMoments(
        _ texts: [[Int]], layers: [Int], progress: ProgressHandler = { _, _, _ in }
    ) throws -> [Int: Tensor] {
        let sums = KeySums(.moments, of: self, layers, in: texts)
        var added = try sums.begin()
        for part in sums.parts.indices { try sums.add(part, to: &added, progress: progress) }
        return try Dictionary(uniqueKeysWithValues: zip(layers, sums.means(added)))
    }
}

/// Sums over the keys of some layers, one part of the texts after the other, so that they can be left behind any of them.
package struct KeySums {
    /// What is added up.
    package enum Kind {
        /// k k^T, `[m, m]` for each layer.
        case moments
        /// k^2, `[m]` for each layer.
        case energies
    }

    /// The texts, in batches of similar lengths; parts of about two thousand tokens.
    package let parts: [[[[Int]]]]
    private let kind: Kind
    private let model: LanguageModel
    private let layers: [Int]

    package init(_ kind: Kind, of model: LanguageModel, _ layers: [Int], in texts: [[Int]]) {
        (self.kind, self.model, self.layers) = (kind, model, layers)
        let texts = texts.map { Array($0.prefix(model.architecture.contextLength)) }
        parts = Self.parts(Self.batches(texts))
    }

    /// Zero for each layer, float64.
    package func begin() throws -> [Tensor] {
        let width = model.architecture.hiddenWidth
        let shape = kind == .moments ? [width, width] : [width]
        return try layers.map { _ in try Tensor.zeros(shape, dtype: .float64, device: model.device) }
    }

    /// Adds a part of the texts; no more is in memory at once than the keys of a batch.
    package func add(_ part: Int, to sums: inout [Tensor], progress: ProgressHandler) throws {
        let batches = parts[part]
        let all = parts.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } }
        let before = parts[..<part].reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } }
        var done = 0
        try Tensor.withoutGradients {
            try model.capture(layers.map(Site.mlpHidden), in: batches) { index, site, hidden in
                let batch = batches[index]
                let rows = try batch.enumerated().map { try hidden.selected(0, $0).narrowed(0, 0..<$1.count) }
                let keys = try Tensor.concatenated(rows, 0)
                let sum = try kind == .moments ? keys.transposed().matmul(keys) : keys.square().sum([0])
                for place in layers.indices where site == .mlpHidden(layers[place]) {
                    sums[place] = try sums[place] + sum.to(.float64)
                }
                done += batch.count
                progress("reading reference texts", before + done / layers.count, all)
            }
        }
    }

    /// The means over all tokens.
    package func means(_ sums: [Tensor]) throws -> [Tensor] {
        let tokens = parts.reduce(0) { $0 + $1.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } } }
        return try sums.map { try $0 / Double(tokens) }
    }

    /// Batches in their order, some thousand tokens together: where weights are read from their file each time, as often as
    /// there are parts.
    package static func parts(_ batches: [[[Int]]]) -> [[[[Int]]]] {
        var (parts, tokens) = ([[[[Int]]]](), Int.max)
        for batch in batches {
            if tokens >= 2048 { (tokens, parts) = (0, parts + [[]]) }
            parts[parts.count - 1].append(batch)
            tokens += batch.reduce(0) { $0 + $1.count }
        }
        return parts
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
