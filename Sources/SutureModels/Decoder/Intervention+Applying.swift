import SutureTensor

extension Intervention {
    /// What becomes of values `[batch, positions, width]`; all of these positions change.
    func applied(to value: Tensor) throws -> Tensor {
        guard let units else { return try change.applied(to: value) }
        let indices = try Tensor(units, device: value.device)
        return try value.replacing(2, at: indices, with: change.applied(to: value.indexSelected(2, at: indices)))
    }
}

extension Intervention.Change {
    fileprivate func applied(to value: Tensor) throws -> Tensor {
        let device = value.device
        switch self {
        case .replace(let other): return try other.to(device).expanded(value.shape)
        case .add(let other): return try value + other.to(device)
        case .scale(let factor): return try value * factor
        case .clamp(let range): return try value.clamped(to: range)
        case .projectOut(let basis):
            let basis = try basis.to(device)
            return try value - value.matmul(basis).matmul(basis.transposed())
        case .swap(let read, let write, let source):
            let seen = try (source.to(device) - value).matmul(read.to(device))
            return try value + seen.matmul(write.to(device).transposed())
        case .map(let function): return try function(value)
        }
    }
}

extension LanguageModel {
    /// Whether the values at a site are changed in each run.
    func intervenes(at site: Site) -> Bool { interventions.contains { $0.site == site } }

    /// The neurons whose activations are changed in each run.
    public var intervenedNeurons: Set<Neuron> {
        Set(
            interventions.flatMap { intervention -> [Neuron] in
                guard case .mlpHidden(let layer) = intervention.site else { return [] }
                return (intervention.units ?? Array(0..<architecture.hiddenWidth)).map {
                    Neuron(layer: layer, index: $0)
                }
            })
    }

    /// The values at a site as what changes each run leaves them.
    func intervened(_ site: Site, _ value: Tensor) throws -> Tensor {
        var value = value
        for intervention in interventions where intervention.site == site {
            value = try intervention.applied(to: value)
        }
        return value
    }
}
