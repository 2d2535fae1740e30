import Foundation
import SutureModels
import SutureTensor

/// Adds to what one neuron for each wrong token writes, by a step that is sized by the gap to close.
///
/// The neuron is the one whose step changes the output least: its predicted divergence on reference
/// texts, and on the answer's other tokens, is smallest. What neurons read is left alone.
public struct GapStep: RepairMethod {
    public let name = "gap"
    public var needsMargin: Bool { true }
    /// How far, in logits, the target should lie above every other token.
    public var margin = 1.0
    /// How many of the last layers neurons are taken from.
    ///
    /// What a neuron near the top writes reaches the head by the direct path, which is what a step is sized by.
    public var layers = 4
    /// How often a step may be corrected.
    public var rounds = 6
    /// How many choices of neurons are tried before the failure is given up.
    public var attempts = 3

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] = [
        .init("margin", "how far above every other token the target should lie, in logits", 0...100, \.margin),
        .init("layers", "how many of the last layers neurons are taken from", 1...10_000, \.layers),
        .init("rounds", "how often a step may be corrected", 1...1000, \.rounds),
        .init("attempts", "how many choices of neurons are tried", 1...1000, \.attempts)
    ]

    /// What the last layers do on reference texts, and the neurons that are left alone.
    public struct Preparation: Sendable {
        let basis: SemanticBasis
        let statistics: ReferenceStatistics
        let reserved: Set<Neuron>
    }

    /// Reads what the last layers do on the reference texts.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        Preparation(
            basis: try SemanticBasis(material.model),
            statistics: try ReferenceStatistics(material, covering: layers), reserved: material.reserved)
    }

    /// Closes the gaps of an answer's wrong tokens, all together.
    public func propose(_ asked: TeacherForcedRun, with preparation: Preparation) throws -> Proposal {
        let model = asked.model
        let statistics = preparation.statistics
        let layers = statistics.layers.suffix(self.layers)
        let run = try asked.changing(layers)
        // Where the answer is written, `[layers, answer, m]`.
        let keys = try run.measured(keysOf: Array(layers)).keys
        let activations = try Tensor.stacked(layers.compactMap { keys[$0] })
        var solver = StepSolver([run], preparation.basis, margin: margin, rounds: rounds)
        var refused = preparation.reserved
        for _ in 0..<attempts {
            let isRight = try solver.converges { [solver] place, rival, taken in
                let direction = try solver.direction(for: place, rival: rival)
                let neuron = try quietest(place.token, direction, layers, activations, statistics, refused.union(taken))
                let own = try activations.selected(0, neuron.layer - layers.lowerBound).selected(1, neuron.index)
                return StepSolver.Repair(
                    place: place,
                    edit: NeuronEdit(neuron, delta: try .zeros([model.architecture.width], device: model.device)),
                    activations: [try own.elements(as: Double.self)])
            }
            if isRight { return solver.proposal }
            refused.formUnion(solver.repairs.map(\.edit.neuron))
        }
        return Proposal(steps: solver.steps).abandoning(
            "\(attempts) choices of neurons, each corrected \(rounds) times, did not bring the answer out")
    }

    /// The neuron whose step along `direction` for `place` is predicted to change the output least elsewhere.
    private func quietest(
        _ place: Int, _ direction: Tensor, _ layers: Range<Int>, _ activations: Tensor,
        _ statistics: ReferenceStatistics,
        _ taken: Set<Neuron>
    ) throws -> Neuron {
        let k = try activations.selected(1, place)
        // Divergence for a unit of k * delta on the texts, and logits moved at the answer's other tokens.
        let offset = layers.lowerBound - statistics.layers.lowerBound
        var cost = try statistics.cost(of: direction).narrowed(0, offset..<offset + layers.count)
        let places = activations.shape[1]
        if places > 1 {
            let elsewhere = try activations.indexSelected(1, at: (0..<places).filter { $0 != place }).square().mean([1])
            let unit = try (cost.mean() / activations.square().mean())
            cost = try cost + elsewhere * unit
        }
        cost = try cost / k.square().clamped(to: 1e-12...Double.infinity)
        let width = activations.shape[2]
        let order = try (-cost).reshaped([-1]).top(min(taken.count + 1, cost.count)).indices.ints()
        let neurons = order.map { Neuron(layer: layers.lowerBound + $0 / width, index: $0 % width) }
        return neurons.first { !taken.contains($0) } ?? neurons[0]
    }
}
