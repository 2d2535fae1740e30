/// One number for how much of a direction's effect looks like a dormant pathway: 0 none, 1 all.
///
/// The mean of four readings, each 0...1, that ask different questions; no single one decides (subspace patching's
/// authors and their critics disagree on which should). The threshold was calibrated on planted models.
public struct DormancyScore: Sendable, Codable {
    /// 1 - whole / direction: the effect that the whole component does not carry.
    public var created: Double
    /// The share of the effect that reads the kernel and so nothing that could reach the output by itself.
    public var readsKernel: Double?
    /// How far what the patch writes exceeds the natural difference there: 0 at once, 1 at 5 times.
    public var pushed: Double
    /// 1 - the effect of whole channels that hold the direction / its own.
    public var shrinks: Double

    /// The mean of the readings.
    public var value: Double {
        let readings = [created, readsKernel, pushed, shrinks].compactMap(\.self)
        return readings.reduce(0, +) / Double(readings.count)
    }

    /// Halfway between the faithful and the illusory of 100 planted models of the calibration family, whose scores lay at
    /// 0.38 at most and at 0.53 at least. A convention, not a law of nature.
    public static let threshold = 0.455

    public init(_ evidence: Evidence) {
        let effect = evidence.direction
        func share(_ part: Double) -> Double { abs(effect) < 1e-9 ? 0 : min(max(part / effect, 0), 1) }
        created = 1 - share(evidence.whole)
        readsKernel = evidence.effect(.readNull).map(share)
        pushed = min(max((evidence.dormancy.ratio - 1) / 4, 0), 1)
        shrinks = 1 - share(evidence.supersets.last?.effect ?? 0)
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
