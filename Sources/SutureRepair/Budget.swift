import SutureCore
import SutureModels

/// How much a list of repairs may change in all; a repair that would go beyond is given up.
public struct Budget: Sendable, Equatable {
    /// How many neurons; nil for any number.
    public var neurons: Int?
    /// The Euclidean norm of the change, relative to that of the matrices it is in; nil for any.
    public var norm: Double?
    /// The mean KL(original || patched) on the guard texts, in nats a position; nil for any.
    public var divergence: Double?

    /// No limits.
    public init() {}

    /// Why a change is beyond the budget; nil where it is within. `divergence` is measured only where it is limited.
    func objection(
        to change: WeightChange, of model: LanguageModel, divergence measure: () throws -> Double
    ) throws -> String? {
        func check(_ what: String, _ value: Double, _ limit: Double) -> String? {
            guard !(value <= limit) else { return nil }
            let (found, limit) = Visible.apart(value, limit, digits: 2)
            return "it would exceed the budget: \(what) \(found) of at most \(limit)"
        }
        if let neurons, let found = check("neurons", Double(change.neurons.count), Double(neurons)) { return found }
        if let norm, let found = check("norm", try model.relativeNorm(of: change), norm) { return found }
        if let divergence, let found = check("divergence", try measure(), divergence) { return found }
        return nil
    }
}
