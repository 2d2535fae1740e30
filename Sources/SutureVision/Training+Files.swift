import Foundation
import SutureFormats
import SutureModels
import SutureTensor

// A training's files are the snapshot of its classifier, and beside it `training.json` (plan, history, digest of the
// images) and, until it is done, `training.safetensors` (the momentum of each parameter).
extension Training {
    private struct State: Codable {
        var plan: TrainingPlan
        var step: Int
        var history: [EpochRecord]
        var sums: Sums
        /// SHA-256 over the pixels and over the labels.
        var images: [String]
    }

    private static let stateName = "training.json"
    private static let momentumName = "training.safetensors"

    /// Writes the classifier as it is now, and what it takes to go on from here.
    ///
    /// - Throws: `FormatError` if something is there already, or if the files cannot be written.
    public func write(to url: URL, overwriting: Bool = false) throws {
        let state = State(plan: plan, step: step, history: history, sums: sums, images: try Self.digests(images))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let json = try encoder.encode(state)
        let momentum = try isDone ? nil : optimizer.momentum()
        try classifier().write(to: url, overwriting: overwriting) { directory in
            try AtomicFile.write(Array(json), to: directory.appending(path: Self.stateName))
            guard let momentum else { return }
            let sources = zip(names, momentum).map { SafetensorsSource($0, $1) }
            try SafetensorsWriter.write(sources, to: directory.appending(path: Self.momentumName))
        }
    }

    /// How a training was done or is going on, by its files.
    public static func plan(of url: URL) throws -> TrainingPlan { try state(url).plan }

    /// A training that goes on from its files, on the same images.
    ///
    /// - Throws: ``VisionError`` with code `badState` for files that do not fit together or belong to other images.
    public convenience init(
        resuming url: URL, on images: ImageSet, corruption: Change? = nil, device: Device = .cpu
    ) throws {
        let state = try Self.state(url)
        guard try state.images == Self.digests(images) else {
            throw VisionError(
                .badState, "this training was begun on other images", subject: url.relativePath,
                hint: "give it the same data in the same order")
        }
        try self.init(ImageClassifier.load(url, device: device), on: images, plan: state.plan, corruption: corruption)
        guard (0...totalSteps).contains(state.step), state.history.count == state.step / stepsPerEpoch else {
            throw VisionError(
                .badState, "the steps do not fit the plan", subject: url.appending(path: Self.stateName).relativePath,
                expected: "0...\(totalSteps)", found: "\(state.step)")
        }
        if state.step > 0, plan.momentum > 0, state.step < totalSteps {
            try optimizer.setMomentum(momentum(url.appending(path: Self.momentumName)))
        }
        resume(step: state.step, history: state.history, sums: state.sums)
    }

    private func momentum(_ url: URL) throws -> [SutureTensor.Tensor] {
        let file = try SafetensorsFile(url)
        return try zip(names, optimizer.parameters).map { name, parameter in
            guard let entry = file[name], entry.type == .float32, entry.shape == parameter.shape else {
                throw VisionError(
                    .badState, "the momentum does not fit the network", subject: "\(url.relativePath): \(name)",
                    expected: "F32\(parameter.shape)", found: file[name].map { "\($0.type.rawValue)\($0.shape)" })
            }
            let numbers = file.bytes(of: entry).withUnsafeBytes { bytes in
                (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
            return try Tensor(numbers, shape: entry.shape, device: parameter.device)
        }
    }

    private static func state(_ url: URL) throws -> State {
        let file = url.appending(path: stateName)
        let mapped = try MappedFile(file)
        let bytes = withExtendedLifetime(mapped) { Data(mapped.bytes) }
        do {
            return try JSONDecoder().decode(State.self, from: bytes)
        } catch {
            throw VisionError(
                .badState, "this is not the state of a training", subject: file.relativePath,
                hint: "name a directory that a training wrote")
        }
    }

    private static func digests(_ images: ImageSet) throws -> [String] {
        let pixels: [UInt8] = try images.pixels.elements()
        let labels = images.labels.flatMap { label in withUnsafeBytes(of: Int64(label).littleEndian, Array.init) }
        return [
            pixels.withUnsafeBytes { Digest.tensor(type: .uint8, shape: images.pixels.shape, bytes: $0) },
            labels.withUnsafeBytes { Digest.tensor(type: .int64, shape: [images.count], bytes: $0) }
        ]
    }
}
