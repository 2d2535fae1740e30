import Foundation
import SutureVision

extension RobustnessComparison {
    /// What it came to: with signatures, how much they gain on corrupted images and cost on clean ones; else the worst of the
    /// corruptions.
    var verdict: Report.Verdict {
        let best = after.enumerated().max {
            $0.element.robustness.accuracy().value < $1.element.robustness.accuracy().value
        }
        guard let (index, best) = best else { return alone }
        let gain = best.robustness.gain(over: before)
        let cost = best.robustness.cleanGain(over: before)
        let name = columns[index + 1].name
        let which = after.count == 1 ? "" : "Best of \(after.count), chosen on these images: \(name). "
        let text =
            which + "Corrupted images: \(percent(before.accuracy().value)) right before, "
            + "\(percent(best.robustness.accuracy().value)) with the signature\(signatures.count > 1 ? "s" : ""), "
            + "\(points(gain)). Clean images: \(points(cost))."
        let tone: Report.Tone =
            if gain.high < 0 { .bad } else if gain.low <= 0 { .neutral } else { cost.high < 0 ? .mixed : .good }
        return .init(tone, text)
    }

    private var alone: Report.Verdict {
        let clean = "\(percent(before.clean.accuracy)) of clean images are told right"
        let worst = kinds.map { kind in (kind, before.accuracy { $0.kind == kind }) }.min { $0.1.value < $1.1.value }
        guard let (kind, share) = worst else { return .init(.neutral, clean + ".") }
        let all = before.accuracy()
        return .init(
            .neutral,
            clean + ", \(percent(all.value)) (\(ends(all))) of corrupted ones; least under \(kind.rawValue), "
                + "\(percent(share.value)) (\(ends(share))).")
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f%%", 100 * share) }

    private func ends(_ estimate: Estimate) -> String { "\(percent(estimate.low)) to \(percent(estimate.high))" }

    /// `+13.2 points (12.1 to 14.3)`
    private func points(_ change: Estimate) -> String {
        String(format: "%+.1f points (95%%: %+.1f to %+.1f)", 100 * change.value, 100 * change.low, 100 * change.high)
    }
}
