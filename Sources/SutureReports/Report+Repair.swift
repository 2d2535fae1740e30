import Foundation
import SutureRepair
import SutureSubspaces

extension Report {
    /// The page of a repair: what was fixed, by which neurons, and what else changed; with `pathway`, by what pathway.
    ///
    /// In a terminal it is a line for each failure, unless all of it is asked for.
    public init(_ repair: RepairReport, pathway: PatchPathway? = nil, isVerbose: Bool = false) throws {
        let fixed = repair.count(.fixed)
        let total = repair.failures.count
        var blocks: [Block] = []
        for (index, outcome) in repair.failures.enumerated() {
            blocks += Self.blocks(of: outcome, number: total > 1 ? index + 1 : nil)
        }
        if !repair.neurons.isEmpty { blocks += Self.neuronBlocks(repair.neurons) }
        if !repair.matrices.isEmpty { blocks += Self.matrixBlocks(repair.matrices) }
        if fixed > 0 { blocks += Self.sideEffectBlocks(repair) }
        if let pathway {
            blocks += [
                .heading("By what pathway"), .facts(Self.pathwayVerdict(pathway)),
                .onPages(Self.pathwayEvidence(pathway))
            ]
        }
        if let checks = repair.checks { blocks += Self.checkBlocks(checks) }
        if let unseen = repair.unseen {
            blocks += [.heading("Unseen failures of the kind"), .table(Self.unseenTable(unseen))]
        }
        blocks += [.heading("How"), .facts(Self.circumstances(repair, isBrief: false))]
        let tables = [repair.checks.map(Self.checkTable) ?? Self.outcomes(repair), repair.unseen.map(Self.unseenTable)]
        let brief =
            tables.compactMap { $0.map(Block.table) }
            + [.inTerminal([.facts(Self.circumstances(repair, isBrief: true))])]
        try self.init(
            title: "Repair of \(repair.model)", verdict: Self.verdict(repair, fixed: fixed),
            schema: "suture.repair/1", data: RepairData(repair: repair, pathway: pathway),
            blocks: isVerbose
                ? (total > 1 ? [.table(Self.outcomes(repair))] : []) + blocks : brief + [.onPages(blocks)])
        isVerdictLast = true
    }

    private static func verdict(_ repair: RepairReport, fixed: Int) -> Verdict {
        let parts = [(repair.neurons.count, "neuron", "neurons"), (repair.matrices.count, "matrix", "matrices")]
        let count = parts.filter { $0.0 > 0 }.map { $0.0 == 1 ? "one \($0.1)" : "\($0.0) \($0.2)" }.joined(
            separator: " and ")
        let abandoned = repair.count(.abandoned)
        let right = repair.count(.right)
        guard repair.objections.isEmpty else {
            return Verdict(.bad, "Refused: \(repair.objections.joined(separator: "; ")).")
        }
        guard fixed > 0 else {
            return abandoned == 0
                ? Verdict(.neutral, right == 1 ? "The answer was right already." : "All answers were right already.")
                : Verdict(.bad, "Not fixed; the model is unchanged.")
        }
        let summary =
            repair.failures.count == 1
            ? "Fixed by changing \(count)"
            : "\(fixed) of \(fixed + abandoned) fixed by changing \(count)"
                + (right > 0 ? ", \(right) right already" : "")
        let effect =
            "\(Numeral.short(repair.sideEffects.divergence)) nats of divergence and "
            + String(format: "%.2f%%", 100 * repair.sideEffects.changedTop)
            + " other most likely tokens on unrelated text"
        let judged = repair.checks.flatMap(checkSentence) ?? repair.unseen.flatMap(unseenSentence)
        let checked = judged.map { " " + $0 } ?? ""
        let isHolding =
            repair.checks?.contains { $0.verdict == .workaround } != true
            && repair.unseen?.contains(where: \.after.isRight) != false
        return Verdict(abandoned == 0 && isHolding ? .good : .mixed, "\(summary); \(effect).\(checked)")
    }

    private static func blocks(of outcome: RepairReport.FailureOutcome, number: Int?) -> [Block] {
        let title =
            switch outcome.status {
            case .fixed: "Fixed"
            case .right: "Right already"
            case .abandoned: "Abandoned"
            }
        var blocks: [Block] = [.heading(number.map { "\($0). \(title)" } ?? title)]
        var facts = [
            Fact("Prompt", Visible.ended(Visible.excerpt(outcome.prompt))),
            Fact("Expected", Visible.label(outcome.expected))
        ]
        if let reason = outcome.reason { facts.append(Fact("Reason", reason)) }
        if outcome.status == .fixed {
            let changed = Self.changed(outcome)
            if !changed.isEmpty {
                facts.append(Fact("Changed", changed.joined(separator: ", ")))
                facts.append(Fact("Steps", String(format: "%d in %.2f s", outcome.steps, outcome.seconds)))
            }
        }
        facts += outcome.notes.map { Fact("Note", $0) }
        blocks.append(.facts(facts))
        if outcome.status == .fixed {
            blocks.append(
                .comparison(
                    Comparison(
                        caption: "What the model writes (greedy decoding), before all repairs and after",
                        before: outcome.before,
                        after: outcome.after)))
        }
        if outcome.tokens.isEmpty { return blocks }
        blocks.append(
            .tokenStrip(
                TokenStrip(
                    caption: "The expected answer, token by token: its probability given what comes before",
                    tokens: outcome.tokens.map { token in
                        let wasRight = token.topBefore == token.text
                        let isRight = token.topAfter == token.text
                        return TokenStrip.Token(
                            token.text, before: token.before, after: token.after,
                            state: isRight ? (wasRight ? .unchanged : .fixed) : .wrong,
                            instead: wasRight ? nil : token.topBefore)
                    })))
        return blocks
    }

    private static func neuronBlocks(_ neurons: [RepairReport.ChangedNeuron]) -> [Block] {
        [
            .heading("What was changed"),
            .paragraph(
                "Each neuron writes one vector to the residual stream whenever it is active. "
                    + "What it writes more than before speaks for some tokens and against others, read through the "
                    + "output head."
                    + (neurons.contains(where: \.rereads)
                        ? " Where inputs are marked new, a neuron that did next to nothing was given a new input: it is now "
                            + "active on what is like this prompt, and serves its old purpose no more. The repair is an "
                            + "addition to the model, not a correction of how it came to its answer."
                        : "")),
            .table(
                Table(
                    caption: "Neurons that were changed",
                    columns: ["neuron", "input", .number("length before"), .number("length of change")],
                    rows: neurons.map { neuron in
                        [
                            .init(neuron.neuron.description), .init(neuron.rereads ? "new" : "as before"),
                            .init(String(format: "%.3g", neuron.length)),
                            .init(String(format: "%.3g", neuron.change))
                        ]
                    })),
            // Below the table, where long lists of tokens find room on narrow pages and terminals.
            .facts(
                neurons.map {
                    Fact(
                        $0.neuron.description,
                        "speaks for  \(list($0.promotes))  and against  \(list($0.demotes))")
                })
        ]
    }

    private static func matrixBlocks(_ matrices: [RepairReport.ChangedMatrix]) -> [Block] {
        [
            .heading("Which matrices were changed"),
            .table(
                Table(
                    caption: "Output projections of MLPs: the Euclidean norm of each, and of what was added to it",
                    columns: ["matrix", "change", .number("norm before"), .number("norm of change")],
                    rows: matrices.sorted { $0.layer < $1.layer }.map { matrix in
                        [
                            .init("mlp.\(matrix.layer)"), .init(matrix.rank.map { "rank \($0)" } ?? "every element"),
                            .init(String(format: "%.3g", matrix.length)), .init(String(format: "%.3g", matrix.change))
                        ]
                    }))
        ]
    }

    private static func sideEffectBlocks(_ repair: RepairReport) -> [Block] {
        let texts = [repair.sideEffects, repair.heldOut]
        func row(_ name: String, _ value: (SideEffects) -> String) -> [Table.Cell] {
            [.init(name)] + texts.map { .init(value($0)) }
        }
        func row(_ name: String, _ format: String, _ value: (SideEffects) -> Double) -> [Table.Cell] {
            row(name) { String(format: format, value($0)) }
        }
        return [
            .heading("What else changed"),
            .table(
                Table(
                    caption:
                        "The patched model against the original, on text that it should leave alone (\(repair.sideEffects.texts) guard texts, "
                        + "\(repair.heldOut.texts) held-out texts)",
                    columns: ["", .number("guards"), .number("held out")],
                    rows: [
                        row("tokens") { "\($0.positions)" },
                        row("KL, mean", "%.2g", \.divergence), row("KL, largest", "%.2g", \.largestDivergence),
                        row("other top token", "%.2f%%") { 100 * $0.changedTop },
                        row("perplexity before", "%.3f", \.perplexityBefore),
                        row("perplexity after", "%.3f", \.perplexityAfter)
                    ]))
        ]
    }

    static func optionList(_ options: [String: Double]) -> String {
        options.sorted { $0.key < $1.key }.map { "\($0.replacing("_", with: " ")) \(String(format: "%g", $1))" }.joined(
            separator: ", ")
    }

    /// Tokens side by side. Their own spaces are drawn, so that those between them are where a line may break.
    private static func list(_ tokens: [String]) -> String { tokens.map(Visible.token).joined(separator: "  ") }
}

/// The repair's members, and the pathway beside them.
struct RepairData: Codable, Sendable {
    let repair: RepairReport
    let pathway: PatchPathway?

    private enum Key: CodingKey { case pathway }

    init(repair: RepairReport, pathway: PatchPathway?) {
        (self.repair, self.pathway) = (repair, pathway)
    }

    init(from decoder: any Decoder) throws {
        repair = try RepairReport(from: decoder)
        pathway = try decoder.container(keyedBy: Key.self).decodeIfPresent(PatchPathway.self, forKey: .pathway)
    }

    func encode(to encoder: any Encoder) throws {
        try repair.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encodeIfPresent(pathway, forKey: .pathway)
    }
}
