import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import SutureVision
import Testing

@testable import SutureSignatures

@Suite("The study of signatures")
struct StudyTests {
    /// Images of noise with a bright band whose height tells the class.
    private func bands(_ count: Int, seed: UInt64) throws -> ImageSet {
        var random = SeededGenerator(seed: seed)
        let labels = (0..<count).map { _ in random.below(4) }
        let pixels = labels.flatMap { label in
            (0..<256).map { UInt8(random.below(100) + ($0 / 64 == label ? 100 : 0)) }
        }
        return ImageSet(
            pixels: try Tensor(pixels, shape: [count, 1, 16, 16]), labels: labels, classes: ["a", "b", "c", "d"])
    }

    private var study: SignatureStudy {
        var study = SignatureStudy()
        (study.architecture, study.width, study.pretrainingEpochs, study.epochs) = ("cnn", 0.25, 1, 1)
        study.corruptions = [Corruption(.contrast, severity: 3), Corruption(.gaussianNoise, severity: 5)]
        (study.validationImages, study.sampleImages) = (40, 40)
        return study
    }

    @Test("what it says of models is what they do; a second run trains nothing and says the same")
    func run() throws {
        let (train, test) = try (bands(296, seed: 1), bands(60, seed: 2))
        try withTemporaryDirectory { directory in
            let models = directory.appending(path: "models")
            var activities: Set<String> = []
            let result = try study.run(train: train, test: test, models: models) { activity, _, _ in
                activities.insert(activity)
            }
            #expect(activities.contains("training robust-contrast-3"))
            #expect(result.outcomes.map(\.corruption) == ["contrast:3", "gaussian_noise:5"])
            let standard = try ImageClassifier.load(models.appending(path: "standard"))
            #expect(try result.outcomes[0].standard.clean == standard.evaluate(test).accuracy)
            let robust = try ImageClassifier.load(models.appending(path: "robust-contrast-3"))
            let flat = ImageSet(
                pixels: try study.corruptions[0](test.pixels, seed: 0), labels: test.labels, classes: test.classes)
            #expect(try result.outcomes[0].robust.mean == robust.evaluate(flat).accuracy)

            // No layer is changed where the scale is 0; eight convolutions and the last layer.
            let sweep = try #require(result.scales.first?.points)
            #expect(sweep.contains { $0.value == 0 } && result.layers.count == 9)
            #expect(result.layersKept.allSatisfy { $0.points.map(\.value) == (1...8).map(Double.init) })
            #expect(
                result.bits.allSatisfy { curve in
                    zip(curve.points, curve.points.dropFirst()).allSatisfy { ($0.bytes ?? 0) < ($1.bytes ?? 0) }
                })
            #expect(
                result.likeness?.cosines.indices.allSatisfy { abs((result.likeness?.cosines[$0][$0] ?? 0) - 1) < 1e-9 }
                    == true)
            #expect(result.compositions.map(\.mode) == ["sum", "mean"])
            #expect(result.transfers.count == 2 && result.continued.count == 2 && result.batchNorms.count >= 4)

            activities = []
            let again = try study.run(train: train, test: test, models: models) { activity, _, _ in
                activities.insert(activity)
            }
            #expect(!activities.contains { $0.hasPrefix("training") })
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            #expect(try encoder.encode(again) == encoder.encode(result))

            var other = study
            other.epochs = 2
            let error = #expect(throws: SignatureError.self) { try other.run(train: train, test: test, models: models) }
            #expect(error?.code == .badRequest)
        }
    }

    @Test("settings that make no sense are refused before any training")
    func refusals() throws {
        let images = try bands(50, seed: 1)
        try withTemporaryDirectory { directory in
            func refuse(_ change: (inout SignatureStudy) -> Void) {
                var study = study
                change(&study)
                #expect(throws: SignatureError.self) { try study.run(train: images, test: images, models: directory) }
            }
            refuse { $0.corruptions = [] }
            refuse { $0.corruptions = [$0.corruptions[0], $0.corruptions[0]] }
            refuse { $0.validationImages = 50 }
            refuse { $0.sampleImages = 0 }
            let written = try FileManager.default.contentsOfDirectory(atPath: directory.path)
            #expect(written.isEmpty)
        }
    }

    @Test("both halves of the classes together are all images")
    func halves() throws {
        let images = try bands(40, seed: 3)
        let (lower, upper) = try (images.half(.lower), images.half(.upper))
        #expect(lower.count + upper.count == 40 && lower.classes == ["a", "b"] && upper.classes == ["c", "d"])
        #expect(
            lower.labels == images.labels.filter { $0 < 2 }
                && upper.labels == images.labels.filter { $0 > 1 }.map { $0 - 2 })
    }
}
