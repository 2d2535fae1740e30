import SutureModels
import SutureTensor
import Testing

@testable import SutureVision

@Suite("Work that does not fit into memory is refused before it begins")
struct MemoryTests {
    /// Images that take no memory of their own: one pixel, seen everywhere.
    private func vast(_ count: Int, side: Int) throws -> ImageSet {
        let pixel = try Tensor([UInt8(7)], shape: [1, 1, 1, 1])
        return ImageSet(
            pixels: try pixel.expanded([count, 1, side, side]), labels: (0..<count).map { $0 % 3 },
            classes: ["0", "1", "2"])
    }

    private func refused(_ mentions: [String], _ body: () throws -> Void) throws {
        let error = try #require(throws: VisionError.self) { try body() }
        #expect(error.code == .tooLarge)
        #expect(error.kind == .refused)
        let text = error.description
        for mention in mentions + ["expected about", "GB free", "--resize"] {
            #expect(text.contains(mention), "\(text)")
        }
    }

    @Test("training, testing, averaging and corrupting")
    func refusals() throws {
        let network = try smallNetwork()
        let images = try vast(256, side: 1 << 16)
        try refused(["a batch of 128 images of 1 x 65536 x 65536", "(--batch)"]) {
            _ = try Training(network, on: images, plan: TrainingPlan())
        }
        // Large images go one by one; this one is too large for any machine.
        let huge = try vast(3, side: 1 << 22)
        try refused(["classify", "1 image of"]) { _ = try network.evaluate(huge) }
        try refused(["classify"]) { _ = try network.runningAverages(on: images) }
        try refused(["classify"]) { _ = try Robustness.measure([network], on: huge, under: []) }
        let fog = Corruption(.fog, severity: 3)
        try refused(["apply fog:3"]) { _ = try fog(huge.pixels, seed: 1) }
        try refused(["hold", "60000 images of 1 x 100000 x 100000"]) {
            try ImageSet.requireMemory(60_000, [1, 100_000, 100_000], in: nil)
        }
    }

    @Test("a network that is too large is refused before its weights are drawn")
    func network() throws {
        let vgg = VGG(stages: [[1 << 20, 1 << 20]], hasBatchNorm: false, pool: 1, hidden: [])
        let architecture = ClassifierArchitecture(.vgg(vgg), channels: 1, classes: ["a"])
        let error = try #require(throws: ModelError.self) { try ImageClassifier.initial(architecture, seed: 1) }
        #expect(error.code == .tooLarge)
    }

    @Test("an estimate grows with images and pixels, and a training takes more than an evaluation")
    func estimate() throws {
        let architecture = try ClassifierArchitecture.named("resnet18", channels: 3, classes: ["a", "b"])
        func bytes(_ pass: ClassifierArchitecture.Pass, _ images: Int, _ side: Int) -> Double {
            architecture.bytes(of: pass, images: images, height: side, width: side)
        }
        // In the first blocks three times the stem's 64 channels are there: the block's input, a layer's, and what it gives.
        #expect(bytes(.evaluation, 1, 32) == 4 * Double(2 * 3 * 1024 + 2 * 3 * 64 * 1024))
        #expect(bytes(.evaluation, 8, 32) == 8 * bytes(.evaluation, 1, 32))
        #expect(bytes(.training, 1, 32) > 4 * bytes(.evaluation, 1, 32))
        #expect(bytes(.training, 1, 64) > 3.9 * bytes(.training, 1, 32))
        #expect(MachineMemory.free <= MachineMemory.available)
        #expect(MachineMemory.free > 0)
    }

    @Test("means and deviations of a large image are taken in strips, and are those of the whole")
    func statistics() throws {
        let (side, strip) = (5_000, 1_000)
        let row = (0..<side).map { UInt8($0 % 251) }
        let pixels = try Tensor(row, shape: [1, 1, 1, side]).expanded([1, 1, side, side])
        let whole = try ImageSet(pixels: pixels, labels: [0], classes: ["a"]).channelStatistics()
        let part = try ImageSet(pixels: pixels.narrowed(2, 0..<strip), labels: [0], classes: ["a"]).channelStatistics()
        #expect(abs(whole.mean[0] - part.mean[0]) < 1e-12)
        #expect(abs(whole.deviation[0] - part.deviation[0]) < 1e-12)
    }
}
