import SutureTensor

/// One small change to try on a recorded run.
public struct Alternative: Sendable {
    /// Which prompt of the trace it resumes.
    public var prompt: Int
    public var interventions: [Intervention]
    /// A change of weights, as if the run had been that of the changed model.
    public var change: WeightChange

    /// One run of a prompt, by its place in the trace, under interventions and with changed weights.
    public init(prompt: Int = 0, _ interventions: [Intervention] = [], change: WeightChange = WeightChange()) {
        self.prompt = prompt
        self.interventions = interventions
        self.change = change
    }

    /// One run of a prompt under interventions and with some neurons changed.
    public init(prompt: Int = 0, _ interventions: [Intervention] = [], edits: [NeuronEdit]) {
        self.init(prompt: prompt, interventions, change: WeightChange(neurons: edits))
    }
}

extension Trace {
    /// Resumes the run under each alternative and computes only what it can have changed.
    ///
    /// A change at layer l and position p touches nothing before it, so layers below l and positions
    /// before p come from the trace. Alternatives share one batch: each joins at the layer where its
    /// own change is. Gradients flow through what is computed. The result equals the full run up to
    /// rounding, whatever the batch.
    ///
    /// Captured values and logits have one row for each alternative, in their order, and the positions
    /// from the first change on. Throws ``ModelError`` for sites, positions, neurons or prompts that
    /// are not there.
    public func replay(
        _ alternatives: [Alternative], capturing: [Site] = [], logits: LogitPositions = .last
    ) throws -> Activations {
        let plans = try alternatives.enumerated().map { try Plan($1, index: $0, in: self, capturing: capturing) }
        guard let first = plans.map(\.firstPosition).min() else {
            throw ModelError(.invalidReplay, "there is no alternative to replay")
        }
        // Everything that shares a batch shares its first position; only captures have to line up.
        let batches = capturing.isEmpty && logits.areLast ? Self.batches(plans, end: length) : [(first, plans)]
        return try Self.inOrder(batches.map { try run($0.plans, from: $0.start, [], capturing, logits) })
    }

    /// Which plans share a batch, by the positions that they start at.
    ///
    /// Starts up to an eighth of what is left of the prompt apart go together: some positions are then computed in
    /// vain, but the weights are read once for all, and larger products are faster.
    private static func batches(_ plans: [Plan], end: Int) -> [(start: Int, plans: [Plan])] {
        var batches: [(start: Int, plans: [Plan])] = []
        for plan in plans.sorted(by: { ($0.firstPosition, $0.index) < ($1.firstPosition, $1.index) }) {
            if let last = batches.last, plan.firstPosition - last.start <= max(2, (end - last.start) / 8) {
                batches[batches.count - 1].plans.append(plan)
            } else {
                batches.append((plan.firstPosition, [plan]))
            }
        }
        return batches
    }

    /// What one batch computed, a row for each plan in it, and the indices of these plans in the caller's list.
    private struct BatchResult {
        let indices: [Int]
        let activations: Activations
    }

    /// The rows of all batches in the caller's order: the only place where rows are put in order.
    private static func inOrder(_ results: [BatchResult]) throws -> Activations {
        let indices = results.flatMap(\.indices)
        if results.count == 1, indices == Array(indices.indices) { return results[0].activations }
        func ordered(_ values: [Tensor]) throws -> Tensor {
            let rows = try zip(results, values).flatMap { result, value in
                try result.indices.enumerated().map { row, index in (index, try value.narrowed(0, row..<row + 1)) }
            }
            return try Tensor.concatenated(rows.sorted { $0.0 < $1.0 }.map(\.1), 0)
        }
        var captured: [Site: Tensor] = [:]
        for site in results[0].activations.captured.keys {
            captured[site] = try ordered(results.map { try $0.activations[site] })
        }
        return Activations(
            firstPosition: results.map(\.activations.firstPosition).min() ?? 0,
            logits: try ordered(results.map(\.activations.logits)), captured: captured)
    }

    /// Resumes some prompts together, under interventions and a change of weights that speak of the whole batch.
    ///
    /// As ``replay(_:capturing:logits:)`` with one alternative for each prompt, but each intervention and each changed
    /// matrix is one operation: tensors of interventions have a row for each of `prompts` (or one for all), and a `.map`
    /// sees `[prompts, positions, width]`.
    public func replay(
        prompts: [Int], _ interventions: [Intervention] = [], change: WeightChange = WeightChange(),
        capturing: [Site] = [], logits: LogitPositions = .last
    ) throws -> Activations {
        var plans = try prompts.enumerated().map {
            try Plan(Alternative(prompt: $1), index: $0, in: self, capturing: capturing)
        }
        guard !plans.isEmpty else { throw ModelError(.invalidReplay, "there is no prompt to replay") }
        let lengths = prompts.map { tokens[$0].count }
        try model.check(interventions, capturing, lengths: lengths)
        try model.check(change)
        let entry = try entry(of: interventions, capturing, change)
        for index in plans.indices { plans[index].entry = entry }
        let first =
            change.isEmpty
            ? interventions.map { Plan.first($0.positions, lengths: lengths) }.min() ?? (lengths.min() ?? 1) - 1 : 0
        let changes = (interventions.map(Forward.Change.Kind.intervention) + change.kinds).map {
            Forward.Change(row: nil, lasts: lengths.map { $0 - 1 }, kind: $0)
        }
        return try Self.inOrder([run(plans, from: first, changes, capturing, logits)])
    }

    /// Where the first of these sites comes; throws where the trace does not reach down to it.
    private func entry(
        of interventions: [Intervention], _ captures: [Site], _ change: WeightChange = WeightChange()
    ) throws -> Entry {
        let end = Entry.entering(model.architecture.layers)
        let entries =
            (interventions.map(\.site) + captures).map { min($0.entry, end) }
            + (change.lowestLayer.map { [Entry(layer: $0, stage: .mlp)] } ?? [])
        let entry = entries.min() ?? end
        guard entry.layer >= firstLayer else { throw unreached(entry.layer) }
        return entry
    }

    /// Where an alternative has to resume.
    private struct Plan {
        let alternative: Alternative
        /// Where the alternative stands in the caller's list.
        let index: Int
        var entry: Entry
        var firstPosition: Int
        /// Changes whose effect on the residual stream entering `entry` is known from captured activations.
        var settled = WeightChange()

        init(_ alternative: Alternative, index: Int, in trace: Trace, capturing: [Site]) throws {
            let model = trace.model
            self.alternative = alternative
            self.index = index
            guard trace.tokens.indices.contains(alternative.prompt) else {
                throw ModelError(
                    .outOfRange, "the trace has no such prompt", expected: "0..<\(trace.tokens.count)",
                    found: "\(alternative.prompt)")
            }
            let length = trace.tokens[alternative.prompt].count
            try model.check(alternative.interventions, capturing, lengths: [length])
            try model.check(alternative.change)

            entry = try trace.entry(of: alternative.interventions, capturing, alternative.change)
            firstPosition =
                alternative.change.isEmpty
                ? alternative.interventions.map { Plan.first($0.positions, lengths: [length]) }.min() ?? length - 1 : 0

            // The lowest layer's change is settled where nothing else of that layer needs computing.
            let behind = Entry.entering(entry.layer + 1)
            let lowest = alternative.change.inLayers(entry.layer...entry.layer)
            let sites = alternative.interventions.map(\.site) + capturing
            if entry.stage == .mlp, model.interventions.isEmpty, !lowest.isEmpty,
                lowest.neurons.allSatisfy({ $0.read == nil }),
                sites.allSatisfy({ $0.entry >= behind }), trace.captured[.mlpHidden(entry.layer)] != nil
            {
                settled = lowest
                entry = behind
            }
        }

        /// The first position that changes in prompts of these lengths.
        static func first(_ positions: Intervention.Positions, lengths: [Int]) -> Int {
            switch positions {
            case .all: 0
            case .last: (lengths.min() ?? 1) - 1
            case .at(let positions), .each(let positions): positions.min() ?? (lengths.min() ?? 1) - 1
            }
        }
    }

    private func run(
        _ plans: [Plan], from start: Int, _ shared: [Forward.Change], _ capturing: [Site],
        _ positions: LogitPositions
    ) throws -> BatchResult {
        // Rows stand in the order in which they join, so that a row's place never changes.
        let ordered = plans.sorted { ($0.entry, $0.index) < ($1.entry, $1.index) }
        let prompts = ordered.map(\.alternative.prompt)
        let lasts = prompts.map { tokens[$0].count - 1 }
        let end = (lasts.max() ?? 0) + 1
        var changes = shared
        for (row, plan) in ordered.enumerated() {
            let pending = plan.alternative.change.inLayers(plan.entry.layer...)
            let kinds = plan.alternative.interventions.map(Forward.Change.Kind.intervention) + pending.kinds
            changes += kinds.map { .init(row: row, lasts: [lasts[row]], kind: $0) }
        }

        let forward = try Forward(model, positions: start..<end, changes: changes, capturing: Set(capturing))
        let depth = forward.depth(positions)
        let sameEnd = lasts.allSatisfy { $0 == end - 1 }
        let lastOnly = positions.areLast && sameEnd && forward.needsLastOnly
        var joining = Joining(trace: self, plans: ordered, positions: start..<end)
        // Where all plans begin behind what is asked for, there is nothing to compute.
        let first = min(ordered[0].entry, .entering(depth))
        var stream = try joining.first()
        stream = try forward.run(first..<Entry.entering(depth), stream, lastOnly: lastOnly, visitor: &joining)
        if lastOnly { stream.residual = try forward.narrowToLast(stream.residual) }
        stream = try joining.rest(stream)

        let scores = try forward.scores(stream.residual, positions, lasts: sameEnd ? nil : lasts)
        return BatchResult(
            indices: ordered.map(\.index),
            activations: Activations(firstPosition: start, logits: scores, captured: forward.captured))
    }

    /// A batch that grows on its way: each plan joins at its own entry.
    private struct Joining: LayerVisitor {
        let trace: Trace
        /// In the order of their entries.
        let plans: [Plan]
        /// Those of the columns.
        let positions: Range<Int>
        private var joined = 0

        init(trace: Trace, plans: [Plan], positions: Range<Int>) {
            (self.trace, self.plans, self.positions) = (trace, plans, positions)
        }

        /// The plans that begin first.
        mutating func first() throws -> ResidualStream {
            let lowest = plans[0].entry
            return try .joined(trace.resume(next { $0.entry == lowest }, positions))
        }

        mutating func enter(_ entry: Entry, _ stream: ResidualStream) throws -> ResidualStream {
            try joined(stream, next { $0.entry == entry })
        }

        /// The plans that begin where the run has ended.
        mutating func rest(_ stream: ResidualStream) throws -> ResidualStream {
            try joined(stream, next { _ in true })
        }

        func prefix(_ layer: Int) throws -> KeyValues? {
            let (start, prompts) = (positions.lowerBound, plans[..<joined].map(\.alternative.prompt))
            return start > 0 ? try trace.keyValues(layer).prefix(start, rows: prompts) : nil
        }

        private mutating func next(_ joins: (Plan) -> Bool) -> [Plan] {
            let next = Array(plans[joined...].prefix(while: joins))
            joined += next.count
            return next
        }

        /// Where only the last position is left of the batch, only that joins.
        private func joined(_ stream: ResidualStream, _ more: [Plan]) throws -> ResidualStream {
            let end = positions.upperBound
            return try more.isEmpty
                ? stream : .joined([stream] + trace.resume(more, end - stream.residual.shape[1]..<end))
        }
    }

    /// The residual stream where plans of one entry resume, a row for each of them.
    private func resume(_ plans: [Plan], _ columns: Range<Int>) throws -> [ResidualStream] {
        let source = stream(plans[0].entry)
        let residual = try source.residual.narrowed(1, columns)
        guard plans.contains(where: { !$0.settled.isEmpty }) else {
            let rows = plans.map(\.alternative.prompt)
            let entering = try source.entering?.narrowed(1, columns).indexSelected(0, at: rows)
            return [ResidualStream(residual: try residual.indexSelected(0, at: rows), entering: entering)]
        }
        // What settled edits have changed enters a layer: here attention and MLP are not between.
        return try plans.map { plan in
            let row = plan.alternative.prompt
            var stream = try residual.narrowed(0, row..<row + 1)
            guard let layer = plan.settled.lowestLayer else { return ResidualStream(residual: stream) }
            let hidden = try self[.mlpHidden(layer)].narrowed(0, row..<row + 1).narrowed(1, columns)
            for edit in plan.settled.neurons {
                stream = try stream + hidden.narrowed(2, edit.neuron.index..<edit.neuron.index + 1) * edit.delta
            }
            for delta in plan.settled.matrices { stream = try stream + delta.output(hidden) }
            return ResidualStream(residual: stream)
        }
    }
}

extension WeightChange {
    /// The same as a forward run takes it.
    fileprivate var kinds: [Forward.Change.Kind] {
        neurons.map(Forward.Change.Kind.edit) + matrices.map(Forward.Change.Kind.matrix)
    }
}
