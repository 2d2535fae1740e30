import SutureTensor

extension DecodingSession {
    /// Reads one more token in each of several texts, in as few passes over the weights as their models allow.
    ///
    /// Texts may be of different lengths. Models may differ in some layers, as those of patches do: all others are computed
    /// for all texts together. Each text comes out as it does alone, up to rounding.
    ///
    /// Throws ``ModelError`` with code `outOfRange` where a text does not fit its model, before anything is read.
    public static func append(_ tokens: [Int], to sessions: inout [DecodingSession]) throws {
        guard let model = sessions.first?.model else { return }
        for (token, session) in zip(tokens, sessions) {
            let limit = session.model.architecture.contextLength
            guard session.length < limit else {
                throw ModelError(
                    .outOfRange, "the text does not fit the model", expected: "\(limit) tokens at most",
                    hint: session.model.architecture.lengthHint)
            }
            try session.model.check(tokens: [[token]])
        }
        var shared = Passes(sessions)
        var stream = try shared.apart(.ends) { forward, rows in
            try forward.embed(forward.model.padded(rows.map { [tokens[$0]] }))
        }
        var layer = 0
        while layer < model.architecture.layers {
            // Layers in a row that are shared alike are run at once.
            let sharing = shared.groups(.layer(layer))
            var end = layer + 1
            while end < model.architecture.layers, shared.groups(.layer(end)) == sharing { end += 1 }
            stream = try shared.apart(.layer(layer), stream) { forward, _, part in
                var nothing = NoVisitor()
                return try forward.run(
                    .entering(layer)..<Entry.entering(end), ResidualStream(residual: part), visitor: &nothing
                ).residual
            }
            layer = end
        }
        let scores = try shared.apart(.ends, stream) { forward, _, part in try forward.scores(part, .last, lasts: nil) }
        for row in sessions.indices {
            sessions[row].seen = shared.seen(row)
            sessions[row].logits = try scores.selected(0, row)
            sessions[row].length += 1
        }
    }

    /// The passes in which the rows of a batch share what their models share.
    fileprivate struct Passes {
        /// A part of a model that others may share.
        enum Part {
            case ends
            case layer(Int)
        }

        let models: [LanguageModel]
        private let positions: [Int]
        private var seen: [Seen]

        init(_ sessions: [DecodingSession]) {
            models = sessions.map(\.model)
            positions = sessions.map(\.length)
            seen = sessions.map(\.seen)
        }

        func seen(_ row: Int) -> Seen { seen[row] }

        /// The rows whose models share a part, by the first of each group.
        func groups(_ part: Part) -> [[Int]] {
            var groups: [[Int]] = []
            for row in models.indices {
                if let place = groups.firstIndex(where: { models[$0[0]].shares(part, with: models[row]) }) {
                    groups[place].append(row)
                } else {
                    groups.append([row])
                }
            }
            return groups
        }

        /// Runs a part for each group of rows, and puts what comes out in the order of the rows.
        mutating func apart(
            _ part: Part, _ body: (_ forward: Forward, _ rows: [Int]) throws -> Tensor
        ) throws -> Tensor {
            let groups = groups(part)
            let results = try groups.map { rows in
                let separate = SeparateRows(rows.map { positions[$0] }, rows.map { seen[$0] })
                let result = try body(Forward(models[rows[0]].decoding, separate), rows)
                for (place, row) in rows.enumerated() { seen[row] = separate.seen[place] }
                return result
            }
            guard groups.count > 1 else { return results[0] }
            let order = groups.flatMap(\.self)
            return try Tensor.concatenated(results, 0).indexSelected(
                0, at: order.indices.sorted { order[$0] < order[$1] })
        }

        /// The same of a batch that is on its way, `[rows, ...]`.
        mutating func apart(
            _ part: Part, _ batch: Tensor,
            _ body: (_ forward: Forward, _ rows: [Int], _ part: Tensor) throws -> Tensor
        ) throws -> Tensor {
            let count = models.count
            return try apart(part) { forward, rows in
                try body(forward, rows, rows.count == count ? batch : batch.indexSelected(0, at: rows))
            }
        }
    }
}

extension LanguageModel {
    /// Whether another model computes a part by the same weights.
    fileprivate func shares(_ part: DecodingSession.Passes.Part, with other: LanguageModel) -> Bool {
        if self === other { return true }
        guard interventions.isEmpty, other.interventions.isEmpty else { return false }
        return switch part {
        case .ends: weights.ends === other.weights.ends
        case .layer(let layer): (try? weights.layer(layer).mark === other.weights.layer(layer).mark) == true
        }
    }
}
