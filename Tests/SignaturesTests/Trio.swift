import Foundation
import SutureFormats
import SutureTensor

/// Three small models of one shape, in float32: pretrained, standard and robust.
struct Trio {
    static let shapes: [(name: String, shape: [Int])] = [
        ("features.0.weight", [4, 3, 3, 3]), ("features.0.bias", [4]), ("features.1.weight", [4]),
        ("features.1.running_mean", [4]), ("features.1.running_var", [4]), ("features.1.num_batches_tracked", []),
        ("features.10.weight", [5, 4]),
        ("classifier.weight", [2, 5])
    ]
    var models: [[String: [Float]]]

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        models = (0..<3).map { _ in
            var model: [String: [Float]] = [:]
            for (name, shape) in Self.shapes {
                let lowest = name.hasSuffix("_var") ? 1 : -1000
                model[name] = (0..<shape.reduce(1, *)).map { _ in Float(random.below(2001) + lowest) / 1000 }
            }
            return model
        }
    }

    /// The three as snapshots below a directory; the robust one without a tensor, if that is named.
    func write(to directory: URL, skipping skipped: String? = nil) throws -> [Checkpoint] {
        try zip(["pretrained", "standard", "robust"], models).map { name, model in
            let url = directory.appending(path: name)
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            try Data("{}".utf8).write(to: url.appending(path: "config.json"))
            let sources = Self.shapes.compactMap { tensor, shape -> SafetensorsSource? in
                if name == "robust", tensor == skipped { return nil }
                if tensor.hasSuffix("tracked") {
                    let count = [UInt8](repeating: name == "robust" ? 1 : 0, count: 8)
                    return SafetensorsSource(tensor, .int64, shape, bytes: count)
                }
                let values = model[tensor] ?? []
                return SafetensorsSource(tensor, .float32, shape, bytes: values.withUnsafeBytes { [UInt8]($0) })
            }
            try SafetensorsWriter.write(sources, to: url.appending(path: "model.safetensors"))
            return try Checkpoint(url)
        }
    }

    /// The part of robust - pretrained orthogonal to standard - pretrained, by the formula of the paper's code.
    func rejection(_ tensor: String) -> [Double] {
        let parts = models.map { ($0[tensor] ?? []).map(Double.init) }
        let s = zip(parts[1], parts[0]).map { $0 - $1 }
        let r = zip(parts[2], parts[0]).map { $0 - $1 }
        let square = zip(s, s).reduce(0) { $0 + $1.0 * $1.1 }
        let share = square == 0 ? 0 : zip(r, s).reduce(0) { $0 + $1.0 * $1.1 } / square
        return zip(r, s).map { $0 - share * $1 }
    }
}
