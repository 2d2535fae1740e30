import Foundation
import SutureSubspaces

extension Report {
    /// Whether a patch of weights works through what the model itself reads and writes.
    public init(_ study: PatchPathway) throws {
        let pushed = study.layers.map(\.push).max() ?? 0
        let isDormant = study.kernelShare > 0.5 && (pushed > 3 || study.layers.contains { $0.outside > 0.5 })
        let effect = study.after - study.before
        let text = String(
            format:
                "The patch moves the margin by %.2f logits; %.0f%% of that reads what the original projection cannot see, and "
                + "what it writes is %.1f natural deviations.",
            effect, 100 * study.kernelShare, pushed)
        var blocks: [Block] = [
            .facts([
                Fact("Margin of the wanted token, before", Self.decimal(study.before)),
                Fact("After the patch", Self.decimal(study.after)),
                Fact("With only the reading that the original projection sees", Self.decimal(study.readingRow)),
                Fact("With only the reading in its kernel", Self.decimal(study.readingKernel)),
                Fact(
                    "KL on other text when what the patch reads is set to its mean",
                    String(
                        format: "%.2g nats a token: %@", study.use,
                        study.use > 1e-3 ? "the model uses it" : "the model hardly uses it")),
                Fact("KL on other text under the patch", String(format: "%.2g nats a token", study.sideEffect)),
                Fact("Prompts", "\(study.prompts)")
            ]),
            .table(
                Table(
                    caption: "The edits",
                    columns: [
                        .number("layer"), .number("rank"), .number("reading seen by the projection"),
                        .number("a random one's"),
                        .number("reads here / elsewhere"), .number("writes, in natural deviations"),
                        .number("outside the natural range")
                    ],
                    rows: study.layers.map { layer in
                        [
                            .init("\(layer.layer)"), .init("\(layer.rank)"), .init(Self.percent(layer.rowShare)),
                            .init(Self.percent(layer.randomRowShare)), .init(String(format: "%.1f", layer.specificity)),
                            .init(String(format: "%.1f", layer.push)), .init(Self.percent(layer.outside))
                        ]
                    }))
        ]
        for layer in study.layers.prefix(4) {
            let dormancy = Dormancy(base: layer.natural, source: layer.natural, patched: layer.patched)
            blocks.append(
                .plot(
                    Self.histogram(
                        dormancy, caption: "Layer \(layer.layer): the MLP's output along what the patch writes",
                        axis: "along the written direction")))
        }
        blocks += [
            .paragraph(
                "A neuron's own axis lies mostly in the kernel wherever there are more neurons than dimensions, so reading there "
                    + "is usual for edits of single neurons and no fault by itself; together with writing far outside the natural "
                    + "range it says that the repair forces its answer through a pathway that the model does not use, and "
                    + "generalisation should be checked before it is relied upon.")
        ]
        if !study.unexamined.isEmpty {
            blocks.append(
                .paragraph(
                    "Not examined, because they are no output projections of MLPs: \(study.unexamined.joined(separator: ", "))."
                ))
        }
        try self.init(
            title: "Pathway of a patch", subtitle: study.model, verdict: .init(isDormant ? .mixed : .neutral, text),
            schema: "suture.pathway/1", data: study, blocks: blocks)
    }
}
