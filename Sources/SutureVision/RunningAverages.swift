import SutureModels
import SutureTensor

extension ImageClassifier {
    /// The running averages that the batch norms would have of these images alone, under their names.
    ///
    /// One pass, without labels: each batch is normalised by its own statistics, and the averages are the means of these
    /// (of the variances too), each batch counting by its size. `progress` hears after each how many images are done.
    ///
    /// Throws ``VisionError`` with code `mismatch` for a classifier without batch norms or fewer than two images, and a
    /// `ModelError` for images that do not fit the classifier.
    public func runningAverages(
        on images: ImageSet, batchSize: Int = 256, progress: ProgressHandler = { _, _, _ in }
    ) throws -> [String: [Float]] {
        guard architecture.tensors.contains(where: { $0.kind == .variance }) else {
            throw VisionError(.mismatch, "this classifier has no batch norms")
        }
        guard images.count > 1 else {
            throw VisionError(
                .mismatch, "statistics need more images", expected: "2 or more", found: "\(images.count)")
        }
        try requireMemory(for: images, batch: min(batchSize, images.count))
        var tensors = tensors
        // As even as can be: a batch of one image may have no variance.
        let batches = (images.count + batchSize - 1) / batchSize
        for batch in 0..<batches {
            let range = images.count * batch / batches..<images.count * (batch + 1) / batches
            let moved = try Tensor.withoutGradients {
                try architecture.averages(
                    after: images.pixels.narrowed(0, range).to(device), with: tensors,
                    momentum: Double(range.count) / Double(range.upperBound))
            }
            tensors.merge(moved) { $1 }
            progress("averaging over images", range.upperBound, images.count)
        }
        let averages = architecture.tensors.filter { $0.kind == .mean || $0.kind == .variance }
        return try averages.reduce(into: [:]) { all, role in
            all[role.name] = try tensors[role.name]?.elements(as: Float.self)
        }
    }
}
