import SutureTensor

extension LanguageModel {
    /// Whether other processes hold some of its layers.
    public var isSplit: Bool { ring != nil }

    /// The lowest layer of rank 0, which takes batches through those below by way of other processes; nil where all layers
    /// that are run here are held here.
    var distantEnd: Int? { ring.flatMap { $0.isFirst ? $0.held.lowerBound : nil } }

    /// Whether a few vectors are multiplied with its weights as they are stored; see ``decoding``.
    var isDecoding: Bool { weights.head.takesStored }

    /// How many interventions on all runs act below what enters a layer.
    func interventions(below layer: Int) -> Int {
        // The stream that enters the first layer is made by rank 0.
        interventions.count { $0.site != .residual(0) && !Self.isHeld($0.site, from: layer) }
    }

    /// Whether a site is one of the layers from one on: what enters that is what the layer below leaves.
    private static func isHeld(_ site: Site, from layer: Int) -> Bool {
        if case .residual(let entered) = site { return entered > layer }
        return site.entry >= .entering(layer)
    }
}

extension LayerRing {
    var isFirst: Bool { group.rank == 0 }

    var heldWords: String { ModelError.words(held) }

    /// Throws ``ModelError`` with code `split` for a layer that another process holds.
    func requireHeld(_ layer: Int) throws {
        guard held.contains(layer) else { throw elsewhere("layer \(layer)") }
    }

    /// The same for tensors.
    func requireHeld(_ changed: Set<String>, _ architecture: Architecture) throws {
        guard let name = othersTensors(architecture).intersection(changed).min() else { return }
        throw elsewhere(name)
    }

    /// What may be in the layers of other processes, by name.
    func othersTensors(_ architecture: Architecture) -> Set<String> {
        (0..<architecture.layers).filter { !held.contains($0) }.reduce(into: []) {
            $0.formUnion(architecture.tensors.tensors(ofLayer: $1))
        }
    }

    func elsewhere(_ what: String) -> ModelError { .elsewhere(what, held) }
}

extension CodedError<ModelErrorCode> {
    /// What this process would need of a layer that another one holds.
    static func elsewhere(_ what: String, _ held: Range<Int>) -> ModelError {
        ModelError(
            .split, "this is in a layer that another process holds", subject: what, expected: words(held),
            hint: "with --split layers only these can be looked into and changed, as by the method recruit")
    }

    static func words(_ layers: Range<Int>) -> String {
        layers.count == 1 ? "layer \(layers.lowerBound)" : "layers \(layers.lowerBound) to \(layers.upperBound - 1)"
    }
}

extension Forward.Change {
    /// The layer that an edit is in.
    var layer: Int? {
        switch kind {
        case .intervention: nil
        case .edit(let edit): edit.neuron.layer
        case .matrix(let delta): delta.layer
        }
    }
}
