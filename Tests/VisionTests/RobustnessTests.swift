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
            #expect(result.isRight.count { $0 } == result.clean.right && result.isRight.count == 40)
            #expect(result.corrupted.allSatisfy { row in row.isRight.count { $0 } == row.evaluation.right })
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

    @Test("answers are the likeliest classes in their order, the first of equals first")
    func answers() throws {
        let (classifier, images) = try (smallNetwork(), bands(30))
        let answers = try classifier.answers(to: images)
        let scores = try classifier.scores(of: images.pixels)
        #expect(try answers.map(\.best.label) == scores.argmax().ints())
        for answer in answers {
            #expect(answer.guesses.count == 3 && Set(answer.guesses.map(\.label)) == [0, 1, 2])
            #expect(abs(answer.guesses.reduce(0) { $0 + $1.probability } - 1) < 1e-5)
        }
        let six: [Float] = [1, 3, 2, 3, 0, 5]
        let ordered = Answer(image: 0, scores: six[...], probabilities: six[...])
        #expect(ordered.guesses.map(\.label) == [5, 1, 3, 2, 0])
    }

    @Test("gains are differences over the same images")
    func gains() throws {
        func result(_ clean: [Bool], _ first: [Bool], _ second: [Bool]) -> Robustness {
            func evaluation(_ isRight: [Bool]) -> Evaluation {
                let right = isRight.count { $0 }
                return Evaluation(confusion: [[right, isRight.count - right], [0, 0]], loss: 1)
            }
            return Robustness(
                clean: evaluation(clean),
                corrupted: zip(corruptions, [first, second]).map {
                    .init(corruption: $0, evaluation: evaluation($1), isRight: $1)
                }, isRight: clean)
        }
        let before = result([true, true, false, true], [true, false, false, false], [true, true, false, false])
        let after = result([true, false, false, true], [true, true, true, false], [true, true, true, false])
        #expect(after.gain(over: before).value == 0.375 && after.cleanGain(over: before).value == -0.25)
        let all = after.accuracy()
        #expect(all.value == 0.75 && all.low > 0.2 && all.high < 1)
        #expect(before.accuracy { $0.severity == 2 }.value == 0.25)
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
