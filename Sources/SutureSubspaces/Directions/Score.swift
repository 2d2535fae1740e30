import Foundation
import SutureTensor

/// How much of the behaviour a patch moved.
public struct Score: Sendable, Codable {
    /// Fractional logit difference decrease: 1 - mean(LD patched) / mean(LD clean). 0 no effect, 1 the margin is gone,
    /// above 1 it is reversed. A ratio of means (Makelov, Lange & Nanda 2023, equation 4).
    public var fldd: Estimate
    /// The share of pairs whose most likely token, of the whole vocabulary, is the target.
    public var interchange: Estimate
    /// The share of pairs in which the target lies above its rival.
    public var twoWay: Estimate
    /// The mean logit difference under the patch.
    public var difference: Estimate
    /// The mean KL(clean || patched) in nats; 0 where it was not measured.
    public var divergence: Estimate

    /// Scores an outcome against the clean one. Intervals are percentiles of 1000 resamples of the pairs.
    public init(_ outcome: PairOutputs, clean: PairOutputs, pairs: [TokenizedPair]) {
        self.init([outcome], clean: clean, pairs: pairs)
    }

    /// Scores several outcomes on the same pairs, such as one for each seed of training: each pair counts with its mean
    /// over them.
    public init(_ outcomes: [PairOutputs], clean: PairOutputs, pairs: [TokenizedPair]) {
        func averaged(_ value: (PairOutputs, Int) -> Double) -> [Double] {
            pairs.indices.map { pair in Bootstrap.mean(outcomes.map { value($0, pair) }) }
        }
        let cleanLD = clean.difference
        let patchedLD = averaged { $0.answer[$1] - $0.other[$1] }
        let hits = averaged { $0.top[$1] == pairs[$1].target ? 1 : 0 }
        let wins = averaged { ($0.answer[$1] < $0.other[$1]) == (pairs[$1].target == pairs[$1].other) ? 1 : 0 }
        fldd = Bootstrap.estimate([cleanLD, patchedLD]) { $0[0] == 0 ? 0 : 1 - $0[1] / $0[0] }
        interchange = Bootstrap.estimate([hits]) { $0[0] }
        twoWay = Bootstrap.estimate([wins]) { $0[0] }
        difference = Bootstrap.estimate([patchedLD]) { $0[0] }
        divergence = Bootstrap.estimate([outcomes.flatMap(\.divergence)]) { $0[0] }
    }
}
