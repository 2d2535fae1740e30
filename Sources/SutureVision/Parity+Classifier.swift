import Foundation
import SutureFormats
import SutureModels
import SutureTensor

extension Parity {
    /// Holds a classifier, and the preparation of its pictures, against what another implementation computed.
    ///
    /// The golden is a safetensors file: for each picture P it has the bytes of its PNG or JPEG file, `P.file [n]` (U8), and
    /// `P.logits [classes]` (F32).
    public init(_ classifier: ImageClassifier, golden url: URL) throws {
        let golden = try SafetensorsFile(url)
        func bytes(_ name: String, _ type: StorageType, _ expected: String) throws -> MappedBytes {
            guard let entry = golden[name], entry.type == type, entry.shape.count == 1 else {
                throw ModelError(
                    .badWeights, "the golden lacks a tensor", subject: "\(golden.file.name): \(name)",
                    expected: expected, found: golden[name].map { "\($0.type.rawValue)\($0.shape)" })
            }
            return golden.bytes(of: entry)
        }
        let pictures = golden.tensors.map(\.name).filter { $0.hasSuffix(".file") }.map { String($0.dropLast(5)) }
            .sorted()
        guard !pictures.isEmpty else {
            throw ModelError(
                .unsupported, "this file holds no pictures", subject: url.relativePath,
                expected: "tensors such as a.file and a.logits")
        }
        let classes = classifier.architecture.classes.count
        self.init(
            try pictures.map { name in
                let picture = try bytes("\(name).file", .uint8, "U8[n]").withUnsafeBytes {
                    try Picture(decoding: $0, name: name)
                }
                let image = ImageSet(
                    pixels: try Tensor(
                        picture.pixels, shape: [1, picture.channels, picture.height, picture.width]), labels: [0],
                    classes: ["0"])
                let prepared = try image.fitted(classifier.architecture.fit ?? .none).matched(
                    to: classifier.architecture)
                let found = try classifier.scores(of: prepared.pixels).elements(as: Float.self)
                let logits = try bytes("\(name).logits", .float32, "F32[\(classes)]").withUnsafeBytes { bytes in
                    (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
                }
                guard logits.count == classes else {
                    throw ModelError(
                        .badWeights, "the golden has another shape", subject: "\(name).logits",
                        expected: "[\(classes)]", found: "[\(logits.count)]")
                }
                // NaN compares false with everything and must not pass for small.
                let differences = zip(found, logits).map { abs(Double($0) - Double($1)) }
                let largest = differences.contains(where: \.isNaN) ? .infinity : differences.max() ?? 0
                return Comparison(prompt: name, tokens: 0, largestDifference: largest, logits: classes)
            })
    }
}
