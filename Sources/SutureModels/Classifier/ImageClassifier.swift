import SutureTensor

/// A classifier of images that was loaded or made: weights and architecture.
///
/// It never changes; training gives another one.
public final class ImageClassifier: Sendable {
    public let architecture: ClassifierArchitecture
    public let device: Device
    /// All tensors under their checkpoint names, as float32 on `device`.
    public let tensors: [String: Tensor]

    /// A classifier from tensors under their checkpoint names; counts of batches, which nothing uses, are left out.
    ///
    /// Throws ``ModelError`` with code `badWeights` for a tensor that is missing, has another shape, or has no place.
    public init(_ architecture: ClassifierArchitecture, tensors: [String: Tensor], device: Device = .cpu) throws {
        var taken: [String: Tensor] = [:]
        for role in architecture.tensors {
            guard let tensor = tensors[role.name] else {
                throw ModelError(
                    .badWeights, "a tensor of the architecture is missing", subject: role.name,
                    expected: "\(role.shape)")
            }
            guard tensor.shape == role.shape else {
                throw ModelError(
                    .badWeights, "the tensor has another shape than the configuration asks for", subject: role.name,
                    expected: "\(role.shape)", found: "\(tensor.shape)")
            }
            let moved = try tensor.to(.float32).to(device)
            if role.kind == .variance { try Self.checkVariance(moved, role.name) }
            taken[role.name] = role.kind == .convolution ? try moved.channelsLast() : moved
        }
        if let extra = tensors.keys.filter({ taken[$0] == nil && !$0.hasSuffix(".num_batches_tracked") }).min() {
            throw ModelError(
                .badWeights, "the configuration has no place for this tensor", subject: extra,
                found: "\(tensors[extra]?.shape ?? [])")
        }
        self.architecture = architecture
        self.device = device
        self.tensors = taken
    }

    /// A batch norm divides by the root of the variance and a little more, which patches can make negative.
    private static func checkVariance(_ variance: Tensor, _ name: String) throws {
        let lowest = try variance.min().item()
        guard lowest + ClassifierForward.epsilon > 0 else {
            throw ModelError(
                .badWeights, "a running variance of the batch norm is negative", subject: name, expected: "0 or more",
                found: "\(lowest)", hint: "of a patch, use a smaller scale")
        }
    }

    /// The number of weights that training changes.
    public var parameterCount: Int {
        architecture.tensors.filter(\.isParameter).reduce(0) { $0 + $1.shape.reduce(1, *) }
    }

    /// The scores `[batch, classes]` of images `[batch, channels, height, width]` with values in 0...255.
    ///
    /// Throws ``ModelError`` with code `outOfRange` for images that this classifier does not take.
    public func scores(of pixels: Tensor) throws -> Tensor {
        try Tensor.withoutGradients { try architecture.scores(of: pixels.to(device), with: tensors) }
    }

    /// The same network, trained from now on with images that are prepared so.
    public func preparing(_ fit: ImageFit) throws -> ImageClassifier {
        var other = architecture
        other.fit = fit
        return try ImageClassifier(other, tensors: tensors, device: device)
    }

    /// The same network with some tensors replaced, under their checkpoint names.
    public func replacing(_ replacements: [String: Tensor]) throws -> ImageClassifier {
        try ImageClassifier(architecture, tensors: tensors.merging(replacements) { $1 }, device: device)
    }
}
