import SutureTensor

extension ImageClassifier {
    /// A network before any training, its weights drawn as torchvision draws them; equal seeds give equal weights.
    ///
    /// Convolutions: normal with variance 2 / (outputs * size^2) (He et al. 2015, by fan-out), bias 0. Batch norms: the
    /// identity. Linear layers of a VGG: normal with deviation 0.01, bias 0; of ResNets: uniform within
    /// 1 / sqrt(inputs), bias too; of a transformer, with its tokens and places: normal with deviation 0.02, bias 0.
    ///
    /// Throws ``ModelError`` with code `tooLarge` for one that does not fit into memory.
    public static func initial(_ architecture: ClassifierArchitecture, seed: UInt64) throws -> ImageClassifier {
        let (needed, free) = (architecture.weightBytes(of: .evaluation), Double(MachineMemory.free))
        // Weights are drawn, and then laid out as convolutions like it.
        guard 2 * needed < free else {
            throw ModelError(
                .tooLarge, "the network does not fit into memory", expected: "about \((2 * needed).gigabytes)",
                found: "\(free.gigabytes) free", hint: "choose a smaller one, or a smaller width")
        }
        return try ImageClassifier(architecture, tensors: initialTensors(architecture, seed: seed))
    }

    /// This network with a new last layer for other classes; all else is kept.
    public func fittingClasses(_ classes: [String], seed: UInt64) throws -> ImageClassifier {
        var other = architecture
        other.classes = classes
        let fresh = try Self.initialTensors(other, seed: seed)
        let head = ["\(other.head).weight", "\(other.head).bias"]
        return try ImageClassifier(
            other, tensors: tensors.merging(fresh.filter { head.contains($0.key) }) { $1 }, device: device)
    }

    private static func initialTensors(_ architecture: ClassifierArchitecture, seed: UInt64) throws -> [String: Tensor]
    {
        let random = try RandomSource(seed: seed)
        var inputs = 1
        var tensors: [String: Tensor] = [:]
        for role in architecture.tensors {
            if role.kind == .linear { inputs = role.shape[1] }
            tensors[role.name] = try draw(role, inputs: inputs, architecture.network, random)
        }
        return tensors
    }

    private static func draw(
        _ role: ClassifierArchitecture.TensorRole, inputs: Int, _ network: ClassifierArchitecture.Network,
        _ random: RandomSource
    ) throws -> Tensor {
        switch role.kind {
        case .convolution:
            let fanOut = Double(role.shape[0] * role.shape[2] * role.shape[3])
            return try random.normal(role.shape) * (2 / fanOut).squareRoot()
        case .convolutionBias, .shift, .mean: return try .zeros(role.shape)
        case .gain, .variance: return try .full(role.shape, 1)
        case .token: return try random.normal(role.shape) * 0.02
        case .linear, .linearBias:
            switch network {
            case .vgg, .vit:
                let deviation = if case .vgg = network { 0.01 } else { 0.02 }
                return try role.kind == .linear ? random.normal(role.shape) * deviation : .zeros(role.shape)
            case .resnet, .cifarResNet: return try (random.uniform(role.shape) * 2 - 1) / Double(inputs).squareRoot()
            }
        }
    }
}
