import SutureCore
import SutureModels
import SutureTensor

/// The neurons of a layer, those first that do least: one of them can be given another task.
struct IdleNeurons {
    private let order: [Neuron]

    /// By how much each neuron does, `[m]`.
    init(_ effect: Tensor, in layer: Int) throws {
        order = try (-effect).top(effect.count).indices.ints().map { Neuron(layer: layer, index: $0) }
    }

    /// One of the share `spread` of the neurons that are free and do least; which, is drawn by what is repaired, so that
    /// equal failures get equal ones, and repairs made apart take different ones and add up.
    func draw(_ spread: Double, without taken: Set<Neuron>, by failure: TokenizedFailure) throws -> Neuron {
        let count = max(1, Int(spread * Double(order.count)))
        let free = Array(order.lazy.filter { !taken.contains($0) }.prefix(count))
        guard !free.isEmpty else {
            throw RepairError(
                .badRequest, "every neuron of layer \(order.first?.layer ?? 0) belongs to a patch already")
        }
        // FNV-1a, the same everywhere.
        let seed = failure.forced.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var random = SeededGenerator(seed: seed)
        return random.pick(free)
    }
}

extension LanguageModel {
    /// The neurons of a layer that repairs have changed since the model was `original`.
    func changedNeurons(in layer: Int, since original: LanguageModel) throws -> Set<Neuron> {
        let distance = try (writeVectors(layer: layer) - original.writeVectors(layer: layer)).abs().max([0])
        let distances = try distance.floats()
        return Set(distances.indices.filter { distances[$0] > 0 }.map { Neuron(layer: layer, index: $0) })
    }
}
