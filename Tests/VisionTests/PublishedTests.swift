import Foundation
import SutureModels
import SutureVision
import Testing

@Suite("Published weights on the images that they were published for")
struct PublishedTests {
    /// A folder with `cifar10`, the binary files, and `resnet20`, made by `Scripts/cifar-resnet` of
    /// `resnet20-12fca82f.th` (akamaster/pytorch_resnet_cifar10).
    private static let folder = ProcessInfo.processInfo.environment["SUTURE_CIFAR"].map { URL(filePath: $0) }

    @Test(
        "ResNet-20 tells 91.73% of CIFAR-10's test images right",
        .enabled(if: folder != nil, "SUTURE_CIFAR names no folder with cifar10 and resnet20"))
    func cifar10() throws {
        let folder = try #require(Self.folder)
        let classifier = try ImageClassifier.load(folder.appending(path: "resnet20"))
        let images = try ImageSet(
            contentsOf: folder.appending(path: "cifar10"), split: .test, for: classifier.architecture)
        let evaluation = try classifier.evaluate(images)
        #expect(evaluation.count == 10_000 && evaluation.right == 9173)
    }
}
