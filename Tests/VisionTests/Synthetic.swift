import SutureModels
import SutureTensor
import SutureVision

/// Images that a small network tells apart quickly: noise, and for each class a bright band at its own height.
func bands(_ count: Int, classes: Int = 3, size: Int = 12, seed: UInt64 = 1) throws -> ImageSet {
    var random = SeededGenerator(seed: seed)
    let labels = (0..<count).map { _ in random.below(classes) }
    var pixels: [UInt8] = []
    for label in labels {
        for row in 0..<size {
            for _ in 0..<size { pixels.append(UInt8(random.below(120) + (row * classes / size == label ? 100 : 0))) }
        }
    }
    return ImageSet(
        pixels: try Tensor(pixels, shape: [count, 1, size, size]), labels: labels,
        classes: (0..<classes).map(String.init))
}

/// A few thousand weights, with all that makes training more than a sum of gradients: batch norm and dropout.
func smallNetwork(seed: UInt64 = 1, classes: Int = 3) throws -> ImageClassifier {
    let vgg = VGG(stages: [[8], [16]], hasBatchNorm: true, pool: 3, hidden: [32], dropout: 0.2)
    let architecture = ClassifierArchitecture(.vgg(vgg), channels: 1, classes: (0..<classes).map(String.init))
    return try ImageClassifier.initial(architecture, seed: seed)
}

func isSame(_ a: ImageClassifier, _ b: ImageClassifier) throws -> Bool {
    try a.tensors.allSatisfy { name, tensor in
        try tensor.floats().map(\.bitPattern) == b.tensors[name]?.floats().map(\.bitPattern)
    }
}
