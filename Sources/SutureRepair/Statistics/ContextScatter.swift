import SutureModels
import SutureTasks
import SutureTensor
import SutureTokenizers

/// How much what the MLP of a layer reads depends on what stands before a request, rather than on the request.
///
/// The pooled scatter within classes (Fisher's discriminant) of what is read where known answers are written, each behind
/// two prompts that ask the same behind different examples:
///
///     W = E[(x - x')(x - x')^T] / 2
///
/// A key that avoids these directions holds for examples that nobody has tried.
enum ContextScatter {
    /// W of a layer, `[d, d]`, float64; nil where the material names no answers behind two prompts.
    static func read(_ material: RepairMaterial, layer: Int) throws -> Tensor? {
        let model = material.model
        let room = model.architecture.contextLength
        let pairs = material.restated.filter {
            $0.0.answer == $0.1.answer && !$0.0.answer.isEmpty && max($0.0.forced.count, $0.1.forced.count) <= room
        }
        guard !pairs.isEmpty else { return nil }
        let width = model.architecture.width
        return try material.tensors(
            StatisticsRequest(
                what: "what layer \(layer) reads of contexts",
                texts: pairs.flatMap { [$0.0.prompt, $0.1.prompt, $0.0.answer] },
                forms: ["scatter": [width, width]], sums: sums(material, pairs, layer)))[0]
    }

    private static func sums(
        _ material: RepairMaterial, _ pairs: [(TokenizedFailure, TokenizedFailure)], _ layer: Int
    ) -> StatisticsRequest.Sums {
        let model = material.model
        let sorted = pairs.sorted { $0.0.forced.count < $1.0.forced.count }
        let (perBatch, perPart) = (8, 24)
        let count = pairs.reduce(0) { $0 + $1.0.answer.count }
        return StatisticsRequest.Sums(parts: (sorted.count + perPart - 1) / perPart) {
            let width = model.architecture.width
            return [try Tensor.zeros([width, width], dtype: .float64, device: model.device)]
        } add: { part, sums in
            let pairs = sorted[part * perPart..<min((part + 1) * perPart, sorted.count)]
            let batches = stride(from: pairs.startIndex, to: pairs.endIndex, by: perBatch).map {
                Array(pairs[$0..<min($0 + perBatch, pairs.endIndex)])
            }
            try Tensor.withoutGradients {
                try model.mlpReadings(
                    layer, of: batches.map { $0.flatMap { [$0.0.forced, $0.1.forced] } }
                ) { batch, input, _ in
                    for (place, pair) in batches[batch].enumerated() {
                        let first = try input.selected(0, 2 * place).narrowed(0, pair.0.places)
                        let second = try input.selected(0, 2 * place + 1).narrowed(0, pair.1.places)
                        let differences = try (first - second).to(.float64)
                        sums[0] = try sums[0] + differences.transposed().matmul(differences)
                    }
                }
                material.progress("reading examples", pairs.endIndex, sorted.count)
            }
        } finish: {
            [try $0[0] / Double(2 * count)]
        }
    }
}

extension Texts {
    /// Answers of our own, each behind two prompts that ask the same behind different examples.
    public static func restated(_ tokenizer: Tokenizer) -> [(TokenizedFailure, TokenizedFailure)] {
        let tasks = examples
        return tasks.indices.compactMap { place in
            func asked(_ distance: Int) throws -> TokenizedFailure {
                let example = tasks[(place + distance) % tasks.count]
                return try TokenizedFailure(Frame.python.failure(tasks[place], after: [example]), tokenizer)
            }
            // Neighbours are alike, those half the list apart are not.
            guard let near = try? asked(1), let far = try? asked(tasks.count / 2), near.answer == far.answer else {
                return nil
            }
            return (near, far)
        }
    }
}
