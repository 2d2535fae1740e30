import SutureTensor

/// What a step on each of MINT's candidates would do, told from what it did when it was last simulated.
///
/// A step changes the logits by much the same amount as one step earlier; the steps in between bend that a little. How
/// much is seen whenever a candidate is simulated again: the largest error so far, for each step since, is what
/// forecasts are trusted to, with room to spare. Only candidates that may be best within it are simulated: all of them
/// at the first two steps, few later.
struct MINTForecast {
    /// The change of the logits when a candidate was last simulated, `[vocabulary]`.
    private var effects: [Tensor?]
    /// How many steps were taken since then.
    private var ages: [Int]
    /// The largest error of a forecast gap, for each step of age; nil before anything was simulated twice.
    private var error: Double?
    /// How much larger than any before an error may be.
    private static let room = 3.0

    init(candidates: Int) {
        effects = Array(repeating: nil, count: candidates)
        ages = Array(repeating: 0, count: candidates)
    }

    /// The candidate after whose step P(rival) - P(target) is smallest, and the logits after it, `[vocabulary]`.
    ///
    /// - Parameters:
    ///   - rival: the most likely token now.
    ///   - target: the token that is to be.
    ///   - logits: the scores before the step, `[1, vocabulary]`.
    ///   - simulate: gives the scores after a step on each of some candidates, `[candidates, vocabulary]`.
    mutating func best(
        rival: Int, target: Int, logits: Tensor, simulating simulate: ([Int]) throws -> Tensor
    ) throws -> (candidate: Int, logits: Tensor) {
        func gap(_ logits: Tensor) throws -> Double {
            let probabilities = try logits.softmax()
            return try probabilities.selected(0, rival).item() - probabilities.selected(0, target).item()
        }
        let logits = try logits.squeezed(0)
        let expected = try effects.map { try $0.map { try gap(logits + $0) } }
        // Never simulated is as uncertain as can be, and so is everything until one error is known.
        func margin(_ candidate: Int) -> Double {
            guard expected[candidate] != nil, let error else { return .infinity }
            return Self.room * error * Double(ages[candidate])
        }
        func bound(_ candidate: Int) -> Double { (expected[candidate] ?? 0) - margin(candidate) }
        let reach = effects.indices.map { (expected[$0] ?? 0) + margin($0) }.min() ?? .infinity

        var found: (gap: Double, candidate: Int, logits: Tensor)?
        var contenders = effects.indices.filter { bound($0) <= reach }
        while !contenders.isEmpty {
            let outcomes = try simulate(contenders)
            for (row, candidate) in contenders.enumerated() {
                let outcome = try outcomes.selected(0, row)
                let actual = try gap(outcome)
                if let expected = expected[candidate] {
                    error = max(error ?? 0, abs(actual - expected) / Double(ages[candidate]))
                }
                effects[candidate] = try outcome - logits
                ages[candidate] = 0
                if found.map({ (actual, candidate) < ($0.gap, $0.candidate) }) ?? true {
                    found = (actual, candidate, outcome)
                }
            }
            // By what these simulations showed, also of errors.
            contenders = effects.indices.filter { ages[$0] > 0 && bound($0) <= found?.gap ?? .infinity }
        }
        guard let found else { throw RepairError(.badRequest, "there is no candidate") }
        return (found.candidate, found.logits)
    }

    /// The step on a candidate was taken; the next one on it is smaller by a factor.
    mutating func advance(with candidate: Int, shrinkingBy factor: Double) throws {
        effects[candidate] = try effects[candidate].map { try $0 * factor }
        ages = ages.map { $0 + 1 }
    }
}
