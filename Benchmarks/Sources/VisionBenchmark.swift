import ArgumentParser
import Foundation
import SutureModels
import SutureTensor
import SutureVision

/// Training and inference of two networks on 32x32 images, beside PyTorch.
struct VisionBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vision",
        abstract:
            "A training step and an inference of ResNet-18 and VGG-16, beside PyTorch in its quicker memory format.",
        discussion: """
            A step of ours is a whole one: it gathers images, crops and flips them, and normalises them; PyTorch's are \
            ready. Its optimizer is the fused one. Memory that was freed is kept, as `suture train` does; PyTorch is \
            taken as it comes, and with --keep-memory told the same by the environment.
            """)

    @Option(help: "How often the two sides are measured, in turn.") var rounds = 3
    @Option(help: "Steps in one timing, of which the median counts.") var steps = 3
    @Option(help: "Images in a batch.") var batch = 128
    @Option(help: "How many threads an operator may use.") var threads = 2

    @Flag(help: "Let PyTorch keep freed memory too.") var keepMemory = false

    func validate() throws {
        guard rounds > 0, steps > 0, batch > 0, threads > 0 else {
            throw ValidationError("--rounds, --steps, --batch and --threads are positive")
        }
    }

    func run() throws {
        Runtime.threads = threads
        Runtime.keepFreedMemory()
        var peer = Child.peer(
            "vision_peer.py", ["--threads", "\(threads)", "--batch", "\(batch)", "--steps", "\(steps)"])
        if keepMemory {
            peer?.environment = [
                "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_TOP_PAD_": "67108864"
            ]
        }
        printConditions(threads: threads, rounds: rounds)

        var ours: [String: [Double]] = [:]
        var theirs: [String: [Double]] = [:]
        for _ in 0..<rounds {
            for name in ["resnet18", "vgg16"] {
                for (work, time) in try measure(name) { ours["\(name) \(work)", default: []].append(time) }
            }
            for (work, time) in try peer?.run([String: Double].self) ?? [:] { theirs[work, default: []].append(time) }
        }

        print(
            "images a second".left(28) + "Suture".right(10) + "PyTorch".right(10) + "Suture / PyTorch".right(18)
                + "its channels last".right(19))
        for work in ours.keys.sorted() {
            guard let mine = ours[work] else { continue }
            var line = work.left(28) + speed(median(mine)).right(10)
            if let other = theirs[work], let last = theirs["\(work), channels last"], other.count == mine.count {
                line += speed(median(other)).right(10)
                line +=
                    String(format: "%.2f", median(zip(other, mine).map(/))).right(18) + speed(median(last)).right(19)
            }
            print(line)
        }
    }

    private func speed(_ seconds: Double) -> String { String(format: "%.1f", Double(batch) / seconds) }

    /// Seconds of a training step and of an inference, and of what a step does before the network sees anything.
    private func measure(_ name: String) throws -> [(String, Double)] {
        let images = try Self.images(batch * (steps + 2))
        let architecture = try ClassifierArchitecture.named(name, channels: 3, classes: images.classes)
        var plan = TrainingPlan()
        (plan.epochs, plan.batchSize, plan.rate) = (1, batch, 0.01)
        plan.augmentation = Augmentation(padding: 4, flips: true)
        let training = try Training(.initial(architecture, seed: 1), on: images, plan: plan)
        let step = try middle { try training.advance() }
        let classifier = try training.classifier()
        let part = try images.pixels.narrowed(0, 0..<batch)
        let inference = try middle { _ = try classifier.scores(of: part).argmax().ints() }
        let augmentation = try middle { _ = try plan.augmentation(part, seed: 1) }
        return [("training", step), ("inference", inference), ("augmentation alone", augmentation)]
    }

    private func middle(_ body: () throws -> Void) throws -> Double {
        try body()
        return try median((0..<steps).map { _ in try seconds(body) })
    }

    /// Noise: time does not depend on what is to be seen.
    private static func images(_ count: Int) throws -> ImageSet {
        var random = SeededGenerator(seed: 1)
        let pixels = (0..<count * 3 * 32 * 32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return ImageSet(
            pixels: try Tensor(pixels, shape: [count, 3, 32, 32]), labels: (0..<count).map { _ in random.below(10) },
            classes: (0..<10).map(String.init))
    }
}
