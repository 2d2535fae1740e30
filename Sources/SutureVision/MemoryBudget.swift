import Foundation
import SutureModels

/// Whether there is memory for work on images, asked before the work.
enum MemoryBudget {
    /// Throws ``VisionError`` with code `tooLarge` where less than so many bytes are free.
    static func require(_ bytes: Double, for work: String, of images: String, hint: String) throws {
        let free = Double(MachineMemory.free)
        guard bytes < free else {
            throw VisionError(
                .tooLarge, "there is not enough memory to \(work)", subject: images,
                expected: "about \(bytes.gigabytes)", found: "\(free.gigabytes) free", hint: hint)
        }
    }

    /// `4 images of 3 x 8192 x 8192`
    static func named(_ count: Int, _ size: some Collection<Int>) -> String {
        "\(count) \(count == 1 ? "image" : "images") of \(size.map(String.init).joined(separator: " x "))"
    }

    /// By how much the heap grows at a time where freed memory is kept.
    static let heapStep = Double(1 << 26)
    static let resize = "make the images smaller (--resize)"
}

extension ImageClassifier {
    /// How many images of a set go through at a time: fewer of large ones, so that memory stays bounded.
    static func batch(of images: ImageSet, atMost limit: Int) -> Int {
        max(1, min(limit, (1 << 24) / max(1, images.pixels.shape[2] * images.pixels.shape[3])))
    }

    /// Throws ``VisionError`` with code `tooLarge` where a pass of so many of the images does not fit into memory, or
    /// passes of one and another set of them: what the first left does not always fit the second.
    func requireMemory(for images: ImageSet, batch: Int, isRepeated: Bool = false) throws {
        let size = images.pixels.shape.dropFirst()
        let pass = architecture.bytes(
            of: .evaluation, images: batch, height: images.pixels.shape[2], width: images.pixels.shape[3])
        try MemoryBudget.require(
            (isRepeated ? 1.5 : 1) * pass + MemoryBudget.heapStep, for: "classify", of: MemoryBudget.named(batch, size),
            hint: MemoryBudget.resize)
    }
}

extension Training {
    /// Throws ``VisionError`` with code `tooLarge` where a step, or the weights with what belongs to them, do not fit into
    /// memory.
    static func requireMemory(_ architecture: ClassifierArchitecture, _ images: ImageSet, batch: Int) throws {
        let size = images.pixels.shape.dropFirst()
        let step = architecture.bytes(
            of: .training, images: batch, height: images.pixels.shape[2], width: images.pixels.shape[3])
        try MemoryBudget.require(
            step + architecture.weightBytes(of: .training) + MemoryBudget.heapStep, for: "train on",
            of: "a batch of " + MemoryBudget.named(batch, size),
            hint: "make the images (--resize), batches (--batch) or the network (--width) smaller")
    }
}

extension Corruption {
    /// Throws ``VisionError`` with code `tooLarge` where images `[count, channels, height, width]` cannot be changed in
    /// memory, by as many threads at once.
    func requireMemory(for shape: [Int], threads: Int) throws {
        let pixels = Double(shape[2]) * Double(shape[3])
        // Clouds are squares whose side is a power of two; random numbers are drawn for all of one.
        let side = exp2(log2(Double(max(shape[2], shape[3]))).rounded(.up))
        let clouds = kind == .fog ? 2 * side * side : 0
        let each = 4 * (pixels * (Double(shape[1]) + planes) + clouds)
        // As they came, in parts, together, and as a tensor.
        let bytes = 4 * Double(shape[0]) * Double(shape[1]) * pixels
        try MemoryBudget.require(
            bytes + each * Double(min(threads, shape[0])), for: "apply \(self) to",
            of: MemoryBudget.named(shape[0], shape.dropFirst()), hint: MemoryBudget.resize + " or use fewer --threads")
    }

    /// How many numbers for each pixel the effect works with besides the image, as measured.
    private var planes: Double {
        switch kind {
        case .elasticTransform: 10
        case .glassBlur, .snow, .spatter: 9
        case .frost, .gaussianBlur: 6
        case .motionBlur, .defocusBlur: 4
        default: 3
        }
    }
}
