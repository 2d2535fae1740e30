import SutureModels
import SutureTensor
import Testing

@testable import SutureVision

@Suite("Robustness of classifiers")
struct RobustnessTests {
    private let corruptions = [
        Corruption(.contrast, severity: 2), Corruption(.contrast, severity: 5), Corruption(.gaussianNoise, severity: 5)
    ]

    @Test("each row is the evaluation of the same images, corrupted")
    func rows() throws {
        let images = try bands(40)
        let classifiers = try [smallNetwork(seed: 1), smallNetwork(seed: 2)]
        var heard: [Int] = []
        let results = try Robustness.measure(classifiers, on: images, under: corruptions, seed: 3) { _, done, _ in
            heard.append(done)
        }
        #expect(heard == [40, 80, 120, 160])
        for (classifier, result) in zip(classifiers, results) {
            #expect(try result.clean == classifier.evaluate(images))
            #expect(result.corrupted.map(\.corruption) == corruptions)
            // Contrast draws nothing.
            let flat = ImageSet(
                pixels: try corruptions[1](images.pixels, seed: 0), labels: images.labels, classes: images.classes)
            #expect(try result.corrupted[1].evaluation == classifier.evaluate(flat))
        }
        #expect(try Robustness.measure(classifiers, on: images, under: corruptions, seed: 3) == results)
        #expect(try Robustness.measure(classifiers, on: images, under: corruptions, seed: 4) != results)
        #expect(throws: VisionError.self) {
            try Robustness.measure(classifiers, on: bands(40, classes: 4), under: corruptions)
        }
    }

    @Test("parts of an evaluation add up to the whole")
    func parts() throws {
        let (classifier, images) = try (smallNetwork(), bands(50))
        let (first, second) = try (images.subset(Array(0..<20)), images.subset(Array(20..<50)))
        let sum = try classifier.evaluate(first).adding(classifier.evaluate(second))
        let whole = try classifier.evaluate(images)
        #expect(sum.confusion == whole.confusion)
        #expect(abs(sum.loss - whole.loss) < 1e-6)
    }

    @Test("mean corruption errors, plain and relative, by hand")
    func meanErrors() throws {
        func result(_ right: [Int]) -> Robustness {
            func evaluation(_ right: Int) -> Evaluation {
                Evaluation(confusion: [[right, 10 - right], [0, 0]], loss: 1)
            }
            return Robustness(
                clean: evaluation(10),
                corrupted: zip(corruptions, right).map { .init(corruption: $0, evaluation: evaluation($1)) })
        }
        let (own, other) = (result([9, 8, 4]), result([8, 6, 2]))
        #expect(abs(own.meanCorruptionError - (0.1 + 0.2 + 0.6) / 3) < 1e-12)
        let relative = try #require(own.meanCorruptionError(relativeTo: other))
        #expect(abs(relative - (0.3 / 0.6 + 0.6 / 0.8) / 2) < 1e-12)
        #expect(own.meanCorruptionError(relativeTo: result([8, 6, 10])) == nil)
    }
}
