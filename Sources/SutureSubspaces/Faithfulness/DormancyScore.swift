import SutureTensor

/// One number for how much of a direction's effect looks like a dormant pathway: 0 none, 1 all.
///
/// Five readings, each 0...1, ask different questions; no single one decides (subspace patching's authors and their
/// critics disagree on which should). A dormant pathway shows in one of two ways: the component as a whole does not carry
/// the effect; or it does, and the direction acts beside it. The score is the larger of both.
public struct DormancyScore: Sendable, Codable {
    /// 1 - whole / direction: the effect that the whole component does not carry.
    public var created: Double
    /// 1 - the effect of whole channels that hold the direction / its own.
    public var shrinks: Double
    /// The share of the effect that reads the kernel and so nothing that could reach the output by itself.
    public var readsKernel: Double?
    /// How much better inputs can be told apart along the kernel part than along the row part, which then is silent.
    public var silent: Double?
    /// How far what the patch writes exceeds the natural difference there: 0 at once, 1 at 5 times.
    public var pushed: Double

    /// The larger of two means: of what says that the whole does not carry the effect, and of what says that the
    /// direction reads one thing and writes another.
    public var value: Double { max(absent, beside ?? 0) }

    private var absent: Double { (created + shrinks + pushed) / 3 }

    private var beside: Double? {
        guard let readsKernel, let silent else { return nil }
        return (readsKernel + silent + pushed) / 3
    }

    /// The two readings that decide the score, in words, with their numbers.
    func reasons(_ evidence: Evidence) -> [String] {
        func percent(_ share: Double) -> String { "\(Int((100 * share).rounded()))%" }
        let push = evidence.dormancy.ratio
        var found = [
            (
                pushed,
                push.isFinite
                    ? String(format: "it moves the output %.1f times as far as inputs naturally do", push)
                    : "it moves the output where inputs naturally never do"
            )
        ]
        if let beside, beside >= absent, let readsKernel, let silent {
            found.append((readsKernel, "\(percent(readsKernel)) of its effect reads what reaches no output by itself"))
            found.append(
                (
                    silent, "inputs differ \(percent(1 - silent)) as much along the part that does reach it"
                ))
        } else {
            found.append((created, "the whole component carries \(percent(1 - created)) of its effect"))
            found.append((shrinks, "the channels that hold it, patched whole, carry \(percent(1 - shrinks))"))
        }
        return found.sorted { $0.0 > $1.0 }.prefix(2).map(\.1)
    }

    /// Above this, planted models were illusory, with the fewest mistakes on 800 networks of the calibration families
    /// (`suture reproduce planted --calibration`). A convention, not a law of nature.
    public static let threshold = 0.48

    /// The score of what was measured.
    public init(_ evidence: Evidence) {
        let effect = evidence.direction.value
        func share(_ part: Estimate) -> Double { abs(effect) < 1e-9 ? 0 : min(max(part.value / effect, 0), 1) }
        created = 1 - share(evidence.whole)
        readsKernel = evidence.effect(.readNull).map(share)
        pushed = min(max((evidence.dormancy.ratio - 1) / 4, 0), 1)
        shrinks = 1 - (evidence.supersets.last.map { share($0.effect) } ?? 0)
        if let row = evidence.rowSeparation?.value, let null = evidence.nullSeparation?.value, max(row, null) > 0 {
            silent = min(max(1 - row / null, 0), 1)
        }
    }
}

/// How well a number separates two kinds: the area under the ROC curve.
public enum AUC {
    /// The chance that a value of `first` lies above one of `second`; ties count half.
    public static func value(_ first: [Double], _ second: [Double]) -> Double {
        guard !first.isEmpty, !second.isEmpty else { return 0.5 }
        var wins = 0.0
        for a in first { for b in second { wins += a > b ? 1 : a == b ? 0.5 : 0 } }
        return wins / Double(first.count * second.count)
    }
}
