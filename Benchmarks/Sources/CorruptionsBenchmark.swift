import ArgumentParser
import Foundation
import SutureTensor
import SutureVision

/// All corruptions on images of ImageNet's size, beside the Python package.
struct CorruptionsBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "corruptions",
        abstract: "Each of the 19 corruptions, beside the Python package imagecorruptions.",
        discussion: """
            Milliseconds an image, means over the five severities, on as many threads as there are cores; the package runs \
            in as many processes, whose results are dropped. Profile imagenet at 224x224, and ours with the profile cifar at \
            32x32 too. The package has another elastic transform and other motion blurs than ImageNet-C, for any size. It \
            is set up by `Scripts/setup-python images`.
            """)

    @Option(help: "How often the two sides are measured, in turn.") var rounds = 3
    @Option(help: "How many images.") var images = 16

    func validate() throws {
        guard rounds > 0, images > 0 else { throw ValidationError("--rounds and --images are positive") }
    }

    func run() throws {
        let threads = min(ProcessInfo.processInfo.activeProcessorCount, 8)
        let size = 224
        let url = FileManager.default.temporaryDirectory.appending(path: "suture-images-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        let large = try Self.pixels(images, size: size)
        let interleaved: [UInt8] = try large.permuted([0, 2, 3, 1]).contiguous().elements()
        try Data(interleaved).write(to: url)
        let small = try Self.pixels(images * 49, size: 32)
        let peer = Child.peer(
            "corruptions_peer.py", [url.path, "--size", "\(size)", "--processes", "\(threads)"],
            python: "python-images")
        printConditions(threads: threads, rounds: rounds)

        typealias Times = [Corruption.Kind: [Double]]
        var (ours, ourSmall, theirs): (Times, Times, Times) = ([:], [:], [:])
        for _ in 0..<rounds {
            for kind in Corruption.Kind.allCases {
                ours[kind, default: []].append(try milliseconds(kind, .imagenet, large))
                ourSmall[kind, default: []].append(try milliseconds(kind, .cifar, small))
            }
            for (name, time) in try peer?.run([String: Double].self) ?? [:] {
                if let kind = Corruption.Kind(rawValue: name) { theirs[kind, default: []].append(time) }
            }
        }

        print(
            "ms an image".left(20) + "Suture".right(10) + "the package".right(14) + "ratio".right(8)
                + "ours at 32x32".right(16))
        var sums = (ours: 0.0, theirs: 0.0, small: 0.0)
        func line(_ name: String, _ own: Double, _ other: Double, _ small: Double) {
            print(
                name.left(20) + String(format: "%.3f", own).right(10) + String(format: "%.3f", other).right(14)
                    + String(format: "%.1f", other / own).right(8) + String(format: "%.4f", small).right(16))
        }
        for kind in Corruption.Kind.allCases {
            let (own, other) = (median(ours[kind] ?? []), median(theirs[kind] ?? []))
            let small = median(ourSmall[kind] ?? [])
            line(kind.rawValue, own, other, small)
            sums = (sums.ours + own, sums.theirs + other, sums.small + small)
        }
        line("all 19", sums.ours, sums.theirs, sums.small)
    }

    /// The mean over the severities, each after a run that is not counted.
    private func milliseconds(
        _ kind: Corruption.Kind, _ profile: Corruption.Profile, _ pixels: Tensor
    ) throws -> Double {
        var total = 0.0
        for severity in 1...5 {
            let corruption = Corruption(kind, severity: severity, profile: profile)
            _ = try corruption(pixels.narrowed(0, 0..<1), seed: 1)
            total += try seconds { _ = try corruption(pixels, seed: 2) }
        }
        return 1000 * total / 5 / Double(pixels.shape[0])
    }

    /// Waves of colour with some noise: photographs are as smooth.
    private static func pixels(_ count: Int, size: Int) throws -> Tensor {
        var random = SeededGenerator(seed: 1)
        var pixels: [UInt8] = []
        pixels.reserveCapacity(count * 3 * size * size)
        for _ in 0..<count * 3 {
            let (down, right) = (0.2 * Double(random.below(100)) / 100, 0.2 * Double(random.below(100)) / 100)
            for row in 0..<size {
                for column in 0..<size {
                    let wave = sin(Double(row) * down) * cos(Double(column) * right)
                    pixels.append(UInt8(118 + 100 * wave) + UInt8(random.below(20)))
                }
            }
        }
        return try Tensor(pixels, shape: [count, 3, size, size])
    }
}
