import SutureModels
import SutureTensor
import SutureVision
import Testing

@Suite("Running averages of batch norms")
struct RunningAveragesTests {
    private func images(_ count: Int, size: Int = 8) throws -> ImageSet {
        var random = SeededGenerator(seed: 3)
        let pixels = (0..<count * size * size).map { _ in UInt8(random.below(256)) }
        return ImageSet(
            pixels: try Tensor(pixels, shape: [count, 1, size, size]), labels: Array(repeating: 0, count: count),
            classes: ["0"])
    }

    private func classifier(hasBatchNorm: Bool = true) throws -> ImageClassifier {
        let vgg = VGG(stages: [[3], [4]], hasBatchNorm: hasBatchNorm, pool: 1, hidden: [])
        return try .initial(ClassifierArchitecture(.vgg(vgg), channels: 1, classes: ["0", "1"]), seed: 1)
    }

    @Test("are the means of the batches' statistics by their sizes, wherever they began")
    func formula() throws {
        let (classifier, images) = (try classifier(), try images(10))
        let found = try classifier.runningAverages(on: images, batchSize: 4)
        #expect(found.keys.sorted() == classifier.architecture.tensors.filter { !$0.isParameter }.map(\.name).sorted())

        // What the first norm sees is the first convolution, in batches of 3, 3 and 4.
        let weight = try #require(classifier.tensors["features.0.weight"])
        let bias = try #require(classifier.tensors["features.0.bias"])
        var (means, variances) = ([Double](repeating: 0, count: 3), [Double](repeating: 0, count: 3))
        for range in [0..<3, 3..<6, 6..<10] {
            let pixels = try images.pixels.narrowed(0, range).to(.float32)
            let seen: [Float] = try ((pixels / 255 - 0.5) / 0.25).conv2d(weight, bias: bias, stride: 1, padding: 1)
                .elements(as: Float.self)
            for channel in 0..<3 {
                let values = (0..<range.count).flatMap { image -> [Double] in
                    let start = 64 * (3 * image + channel)
                    return seen[start..<start + 64].map(Double.init)
                }
                let mean = values.reduce(0, +) / Double(values.count)
                let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
                means[channel] += mean * Double(range.count) / 10
                variances[channel] += square / Double(values.count - 1) * Double(range.count) / 10
            }
        }
        for channel in 0..<3 {
            #expect(abs(Double(found["features.1.running_mean"]?[channel] ?? .nan) - means[channel]) < 1e-5)
            #expect(abs(Double(found["features.1.running_var"]?[channel] ?? .nan) - variances[channel]) < 1e-4)
        }
        let names = found.keys.filter { $0.hasSuffix("_var") }
        #expect(names.allSatisfy { (found[$0] ?? []).allSatisfy { $0 > 0 } })

        var moved: [String: Tensor] = [:]
        for (name, values) in found { moved[name] = try Tensor(values.map { $0 + 1 }, shape: [values.count]) }
        #expect(try classifier.replacing(moved).runningAverages(on: images, batchSize: 4) == found)
    }

    @Test("are refused of one image, and of a classifier that has none; a negative variance too")
    func refusals() throws {
        #expect(throws: VisionError.self) { try classifier().runningAverages(on: images(1)) }
        #expect(throws: VisionError.self) { try classifier(hasBatchNorm: false).runningAverages(on: images(4)) }
        #expect(throws: ModelError.self) { try classifier().runningAverages(on: images(4, size: 2)) }
        let negative = try Tensor([1, -0.5, 1] as [Float], shape: [3])
        #expect(throws: ModelError.self) { try classifier().replacing(["features.1.running_var": negative]) }
    }
}
