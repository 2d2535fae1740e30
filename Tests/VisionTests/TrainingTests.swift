import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureVision

@Suite("Training of classifiers")
struct TrainingTests {
    private func plan(epochs: Int = 2) -> TrainingPlan {
        var plan = TrainingPlan()
        plan.epochs = epochs
        plan.batchSize = 16
        plan.augmentation = Augmentation(padding: 1, flips: true, rotation: 5)
        plan.corruptedShare = 0.5
        return plan
    }

    private let darken: Training.Change = { pixels, _ in try (pixels.to(.int32) / 2).to(.uint8) }

    @Test("the loss falls, and images that were not seen are told apart")
    func learning() throws {
        let training = try Training(smallNetwork(), on: bands(256), plan: plan(epochs: 6), corruption: darken)
        let classifier = try training.run(heldOut: bands(128, seed: 2))
        #expect(training.history.count == 6)
        #expect(training.history[5].loss < training.history[0].loss / 2)
        let evaluation = try classifier.evaluate(bands(128, seed: 2))
        #expect(evaluation.accuracy > 0.9)
        #expect(training.history[5].heldOutAccuracy == evaluation.accuracy)
    }

    @Test("the start is left as it was, and equal seeds give equal weights")
    func repeatable() throws {
        let (start, images) = try (smallNetwork(), bands(64))
        let before = try start.replacing([:])
        var plan = plan()
        let first = try Training(start, on: images, plan: plan, corruption: darken).run()
        let second = try Training(start, on: images, plan: plan, corruption: darken).run()
        #expect(try isSame(first, second))
        #expect(try isSame(start, before))
        plan.seed = 2
        #expect(try !isSame(first, Training(start, on: images, plan: plan, corruption: darken).run()))
    }

    @Test("a training that goes on from its files equals one that was not interrupted", arguments: [0, 3, 4, 5, 8])
    func resume(step: Int) throws {
        let images = try bands(64)
        let whole = try Training(smallNetwork(), on: images, plan: plan(), corruption: darken)
        try whole.run()
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "state")
            let begun = try Training(smallNetwork(), on: images, plan: plan(), corruption: darken)
            for _ in 0..<step { try begun.advance() }
            try begun.write(to: url)
            let resumed = try Training(resuming: url, on: images, corruption: darken)
            #expect(resumed.step == step)
            #expect(try isSame(resumed.run(), whole.classifier()))
            #expect(resumed.history == whole.history)
            #expect(try Training.plan(of: url) == plan())
            #expect(try isSame(ImageClassifier.load(url), begun.classifier()))
        }
    }

    @Test("other images, and files that were damaged, are refused")
    func badState() throws {
        let images = try bands(64)
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "state")
            let training = try Training(smallNetwork(), on: images, plan: plan(), corruption: darken)
            try training.advance()
            try training.write(to: url)
            #expect(throws: FormatError.self) { try training.write(to: url) }
            #expect(throws: VisionError.self) {
                try Training(resuming: url, on: bands(64, seed: 2), corruption: darken)
            }
            #expect(throws: VisionError.self) { try Training(resuming: url, on: images) }
            let state = url.appending(path: "training.json")
            let text = try String(contentsOf: state, encoding: .utf8)
            for (old, new) in [
                ("\"step\" : 1", "\"step\" : 99"), ("\"step\" : 1", "\"step\" : -1"),
                ("\"momentum\" : 0.9", "\"momentum\" : 2"),
                ("\"plan\"", "\"plans\""), ("\"seed\" : 1", "\"seed\" : -1")
            ] {
                #expect(text.contains(old))
                try Data(text.replacing(old, with: new).utf8).write(to: state)
                #expect(throws: VisionError.self, "\(new)") {
                    try Training(resuming: url, on: images, corruption: darken)
                }
            }
            try Data(text.utf8).write(to: state)
            let momentum = url.appending(path: "training.safetensors")
            try FileManager.default.removeItem(at: momentum)
            #expect(throws: FormatError.self) { try Training(resuming: url, on: images, corruption: darken) }
            try SafetensorsWriter.write([SafetensorsSource("classifier.0.bias", .zeros([2]))], to: momentum)
            #expect(throws: VisionError.self) { try Training(resuming: url, on: images, corruption: darken) }
        }
    }

    @Test("a training can end early, with what it has")
    func early() throws {
        let training = try Training(smallNetwork(), on: bands(64), plan: plan(), corruption: darken)
        let classifier = try training.run { $0.step < 3 }
        #expect(training.step == 3)
        #expect(try isSame(classifier, training.classifier()))
    }

    @Test("a share of each batch is corrupted, over many batches exactly so many", arguments: [0.25, 0.3, 1])
    func share(share: Double) throws {
        var plan = plan(epochs: 20)
        plan.corruptedShare = share
        var seen = 0
        var seeds: Set<UInt64> = []
        let training = try Training(smallNetwork(), on: bands(32), plan: plan) { pixels, seed in
            seen += pixels.shape[0]
            seeds.insert(seed)
            return pixels
        }
        try training.run()
        #expect(abs(Double(seen) / 640 - share) < 0.03)
        #expect(seeds.count == 40)
    }

    @Test("the plan's corruptions are drawn one for each image, and are all that a resumed training needs")
    func corruptions() throws {
        var plan = plan()
        plan.corruptions = [Corruption(.contrast, severity: 5), Corruption(.gaussianNoise, severity: 3)]
        let images = try bands(64)
        let whole = try Training(smallNetwork(), on: images, plan: plan)
        try whole.run()
        plan.corruptedShare = 0
        #expect(try !isSame(whole.classifier(), Training(smallNetwork(), on: images, plan: plan).run()))
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "state")
            let begun = try Training(smallNetwork(), on: images, plan: whole.plan)
            for _ in 0..<3 { try begun.advance() }
            try begun.write(to: url)
            #expect(try isSame(Training(resuming: url, on: images).run(), whole.classifier()))
        }

        let pixels = images.pixels
        let mixed = try Corruption.mixed(plan.corruptions, on: pixels, seed: 1)
        #expect(
            try mixed.elements(as: UInt8.self) == Corruption.mixed(plan.corruptions, on: pixels, seed: 1).elements())
        // Contrast draws nothing, so its images are known; the others are noise.
        let flat = try plan.corruptions[0](pixels, seed: 0)
        let isFlat = try (0..<64).map {
            try mixed.narrowed(0, $0..<$0 + 1).elements(as: UInt8.self) == flat.narrowed(0, $0..<$0 + 1).elements()
        }
        #expect((16...48).contains(isFlat.count { $0 }))
    }

    @Test("the size of the steps follows its schedule")
    func schedules() {
        var plan = TrainingPlan()
        plan.epochs = 10
        plan.rate = 0.2
        plan.schedule = .constant
        #expect(plan.rate(step: 99, of: 100) == 0.2)
        plan.schedule = .cosine
        #expect(plan.rate(step: 0, of: 100) == 0.2)
        #expect(abs(plan.rate(step: 50, of: 100) - 0.1) < 1e-12)
        #expect(abs(plan.rate(step: 99, of: 100) - 0.1 * (1 + cos(0.99 * Double.pi))) < 1e-12)
        plan.schedule = .milestones([3, 6], factor: 0.1)
        let rates = [29, 30, 59, 60].map { plan.rate(step: $0, of: 100) }
        for (rate, expected) in zip(rates, [0.2, 0.02, 0.02, 0.002]) { #expect(abs(rate - expected) < 1e-12) }
    }

    @Test("one step is stochastic gradient descent on the cross-entropy of the batch")
    func firstStep() throws {
        var plan = TrainingPlan()
        (plan.epochs, plan.batchSize, plan.rate, plan.schedule) = (1, 8, 0.1, .constant)
        let images = try bands(8)
        let vgg = VGG(stages: [[4]], hasBatchNorm: true, pool: 2, hidden: [])
        let start = try ImageClassifier.initial(
            ClassifierArchitecture(.vgg(vgg), channels: 1, classes: images.classes), seed: 1)
        let trained = try Training(start, on: images, plan: plan).run()
        let architecture = start.architecture
        let names = architecture.tensors.filter(\.isParameter).map(\.name)
        let leaves = try names.map { try #require(start.tensors[$0]).tracked() }
        let (scores, averages) = try architecture.trainingScores(
            of: images.pixels, with: start.tensors.merging(zip(names, leaves)) { $1 }, random: RandomSource(seed: 1))
        let gradients = try scores.crossEntropy(Tensor(images.labels)).gradients(of: leaves)
        for (name, gradient) in zip(names, gradients) {
            let old = try #require(start.tensors[name])
            let expected = try old - (gradient + old * plan.decay) * plan.rate
            #expect(try (expected - #require(trained.tensors[name])).abs().max().item() < 1e-5, "\(name)")
        }
        for (name, average) in averages {
            #expect(try (average - #require(trained.tensors[name])).abs().max().item() < 1e-5, "\(name)")
        }
    }

    @Test("a step on a residual network for CIFAR is PyTorch's")
    func cifarStep() throws {
        let start = try Checkpoint(Goldens.url("cifar_resnets/n1.safetensors"))
        let end = try Checkpoint(Goldens.url("cifar_resnets/step.safetensors"))
        func bytes(_ checkpoint: Checkpoint, _ name: String) throws -> [UInt8] {
            Array(try checkpoint.data(of: #require(checkpoint[name])).bytes)
        }
        func floats(_ checkpoint: Checkpoint, _ role: ClassifierArchitecture.TensorRole) throws -> Tensor {
            let values = try bytes(checkpoint, role.name).withUnsafeBytes { bytes in
                (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
            return try Tensor(values, shape: role.shape)
        }
        let architecture = ClassifierArchitecture(
            .cifarResNet(CIFARResNet(blocks: 1, width: 4)), channels: 3, classes: (0..<10).map(String.init),
            mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
        let tensors = try architecture.tensors.map { ($0.name, try floats(start, $0)) }
        // Little-endian integers of four bytes, each below 10.
        let labels = try bytes(end, "labels").enumerated().filter { $0.offset % 4 == 0 }.map { Int($0.element) }
        let images = ImageSet(
            pixels: try Tensor(bytes(end, "pixels"), shape: [8, 3, 16, 16]), labels: labels,
            classes: architecture.classes)
        var plan = TrainingPlan()
        (plan.epochs, plan.batchSize, plan.rate, plan.schedule) = (1, 8, 0.1, .constant)
        let classifier = try ImageClassifier(architecture, tensors: Dictionary(tensors) { $1 })
        let trained = try Training(classifier, on: images, plan: plan).run()
        for role in architecture.tensors {
            let (expected, old) = try (floats(end, role), floats(start, role))
            let found = try #require(trained.tensors[role.name])
            #expect(try (found - expected).abs().max().item() < 1e-5, "\(role.name)")
            #expect(try (expected - old).abs().max().item() > 1e-4, "\(role.name) was to move")
        }
    }

    @Test("what does not fit together is refused before the first step")
    func mismatches() throws {
        let images = try bands(64)
        let start = try smallNetwork()
        func refuse(_ images: ImageSet, _ change: (inout TrainingPlan) -> Void = { _ in }) throws {
            var plan = TrainingPlan()
            change(&plan)
            #expect(throws: VisionError.self) { try Training(start, on: images, plan: plan) }
        }
        try refuse(bands(8, classes: 4))
        try refuse(ImageSet(pixels: images.pixels, labels: Array(images.labels.dropLast()), classes: images.classes))
        try refuse(ImageSet(pixels: images.pixels, labels: images.labels.map { $0 + 1 }, classes: images.classes))
        try refuse(ImageSet(pixels: .zeros([0, 1, 12, 12], dtype: .uint8), labels: [], classes: images.classes))
        try refuse(images) { $0.corruptedShare = 0.5 }
        try refuse(images) { $0.rate = -1 }
        try refuse(images) { $0.epochs = 0 }
        try refuse(images) { $0.batchSize = 0 }
        try refuse(images) { $0.momentum = 1 }
        try refuse(images) { $0.schedule = .milestones([0], factor: 0.1) }
        try refuse(images) { $0.augmentation.padding = -1 }
        let other = try smallNetwork(classes: 4)
        #expect(throws: VisionError.self) { try other.evaluate(images) }
    }

    @Test("a loss that is no number ends the training with an error")
    func divergence() throws {
        var plan = TrainingPlan()
        plan.rate = 1e30
        plan.batchSize = 16
        let training = try Training(smallNetwork(), on: bands(64), plan: plan)
        let error = #expect(throws: VisionError.self) { try training.run() }
        #expect(error?.code == .diverged)
    }

    @Test("a corruption that gives something else is refused")
    func badCorruption() throws {
        for change: Training.Change in [
            { pixels, _ in try pixels.narrowed(2, 0..<4) }, { pixels, _ in try pixels.to(.float32) }
        ] {
            let training = try Training(smallNetwork(), on: bands(64), plan: plan(), corruption: change)
            #expect(throws: VisionError.self) { try training.advance() }
        }
    }

    @Test("an evaluation counts each image once")
    func evaluation() throws {
        let (classifier, images) = try (smallNetwork(), bands(50))
        var heard: [Int] = []
        let evaluation = try classifier.evaluate(images, batchSize: 16) { _, done, _ in heard.append(done) }
        #expect(heard == [16, 32, 48, 50])
        #expect(evaluation.count == 50)
        let scores = try classifier.scores(of: images.pixels)
        let answers = try scores.argmax().ints()
        #expect(evaluation.right == zip(answers, images.labels).count { $0 == $1 })
        for label in 0..<3 {
            for answer in 0..<3 {
                let count = zip(images.labels, answers).count { $0 == label && $1 == answer }
                #expect(evaluation.confusion[label][answer] == count)
            }
        }
        #expect(try abs(evaluation.loss - scores.crossEntropy(Tensor(images.labels)).item()) < 1e-5)
    }

    @Test("the statistics of channels")
    func statistics() throws {
        let pixels: [UInt8] = [0, 255, 51, 204, 7, 7, 7, 7]
        let images = ImageSet(
            pixels: try Tensor(pixels, shape: [1, 2, 2, 2]), labels: [0], classes: ["a"])
        let (mean, deviation) = try images.channelStatistics()
        #expect(abs(mean[0] - 0.5) < 1e-12)
        #expect(abs(mean[1] - 7.0 / 255) < 1e-12)
        #expect(abs(deviation[0] - 0.17.squareRoot()) < 1e-12)
        #expect(deviation[1] == 1)
    }
}
