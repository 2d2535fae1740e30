import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureVision

/// What patched models are tested on: some images, clean and under each corruption.
struct StudyImages {
    /// By which measurements on these images are known.
    let name: String
    let clean: ImageSet
    let corrupted: [Corruption: ImageSet]
    let memory: StudyMemory

    init(_ name: String, _ images: ImageSet, under corruptions: [Corruption], seed: UInt64, _ memory: StudyMemory)
        throws
    {
        (self.name, clean, self.memory) = ("\(name) of \(images.count)", images, memory)
        corrupted = try corruptions.reduce(into: [:]) { all, corruption in
            let pixels = try corruption(images.pixels, seed: seed)
            all[corruption] = ImageSet(pixels: pixels, labels: images.labels, classes: images.classes)
        }
    }

    /// Some of the images.
    init(_ name: String, of images: StudyImages, _ part: (ImageSet) throws -> ImageSet) throws {
        self.name = "\(images.name), \(name)"
        (clean, corrupted) = (try part(images.clean), try images.corrupted.mapValues(part))
        memory = images.memory
    }
}

/// The models of one task, and how signatures of them do.
struct TaskModels {
    let pretrained, standard: Checkpoint
    let robust: [Corruption: Checkpoint]

    /// The signature of a corruption, as a patch of the standard model.
    func signature(
        _ corruption: Corruption, layers: LayerRule = .all, batchNorm: SignatureExtraction.BatchNorm = .keep,
        isProjected: Bool = true, bits: Int? = nil
    ) throws -> Patch {
        guard let robust = robust[corruption] else { preconditionFailure("no model is robust to \(corruption)") }
        var signature = SignatureExtraction()
        (signature.layers, signature.batchNorm, signature.isProjected) = (layers, batchNorm, isProjected)
        signature.corruption = corruption.description
        if let bits { signature.form = .quantized(QuantizationOptions(bits: bits)) }
        return try signature.extract(pretrained: pretrained, standard: standard, robust: robust).patch
    }

    /// The accuracy of a model, with patches, on clean images and under corruptions.
    static func accuracy(
        of model: Checkpoint, with patches: [AppliedPatch] = [], on images: StudyImages, under corruptions: [Corruption]
    ) throws -> StudyResult.Accuracy {
        let stack = patches.map { "\($0.patch.id) * \($0.scale)" }.joined(separator: " + ")
        let name = "\(model.url.lastPathComponent) + \(stack) on \(images.name)"
        var loaded: ImageClassifier?
        func accuracy(_ corruption: Corruption?) throws -> Double {
            try images.memory.value("\(name), \(corruption?.description ?? "clean")") {
                let patched = try PatchedCheckpoint(model).adding(patches)
                let classifier = try loaded ?? ImageClassifier.load(model) { try patched.data(for: $0, current: $1) }
                loaded = classifier
                guard let images = corruption.map({ images.corrupted[$0] }) ?? images.clean else {
                    preconditionFailure("no images are corrupted so")
                }
                return try classifier.evaluate(images).accuracy
            }
        }
        return StudyResult.Accuracy(clean: try accuracy(nil), corrupted: try corruptions.map { try accuracy($0) })
    }

    /// The accuracy of the standard model with a patch; nil where there is no such model.
    func accuracy(
        with patch: Patch, scale: Double, on images: StudyImages, under corruption: Corruption
    ) throws -> StudyResult.Accuracy? {
        try Self.ifPossible {
            try Self.accuracy(
                of: standard, with: scale == 0 ? [] : [AppliedPatch(patch, scale: scale)], on: images,
                under: [corruption])
        }
    }

    /// What `body` makes or measures; nil where patches make a running variance negative, so that there is no such model.
    static func ifPossible<Value>(_ body: () throws -> Value) throws -> Value? {
        do {
            return try body()
        } catch let error as ModelError where error.code == .badWeights {
            return nil
        } catch let error as SignatureError where error.code == .negativeVariance {
            return nil
        }
    }

    /// The size of a patch as a file.
    static func bytes(of patch: Patch) throws -> Int {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "suture-study-\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        try patch.write(to: url)
        return try size(of: url)
    }

    /// The size of a model's weights.
    static func bytes(of model: Checkpoint) throws -> Int {
        try size(of: model.url.appending(path: "model.safetensors"))
    }

    private static func size(of url: URL) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int ?? 0
    }
}
