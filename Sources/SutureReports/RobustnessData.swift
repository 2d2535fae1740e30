import Foundation
import SutureFormats
import SutureVision

/// What the JSON says.
struct RobustnessData: Codable, Sendable {
    struct Result: Codable, Sendable {
        /// Of the signatures; none for the classifier as it is.
        var scale: Double?
        var clean: Accuracy
        var corrupted: [Row]
        var meanCorruptionError: Double
        /// Of the mean corruption error.
        var interval: [Double]
        var relativeMeanCorruptionError: Double?
    }
    struct Accuracy: Codable, Sendable {
        var right, images: Int
        var accuracy: Double
        var interval: [Double]
        /// Whether each image was told right, as bits in base64, the first image in the highest bit.
        var rightBits: String

        init(_ evaluation: Evaluation, _ isRight: [Bool]) {
            (right, images, accuracy) = (evaluation.right, evaluation.count, evaluation.accuracy)
            interval = [evaluation.interval.low, evaluation.interval.high]
            var bytes = [UInt8](repeating: 0, count: (isRight.count + 7) / 8)
            for (image, isRight) in isRight.enumerated() where isRight { bytes[image / 8] |= 128 >> UInt8(image % 8) }
            rightBits = Data(bytes).base64EncodedString()
        }

        /// The bits as truth values; nil where they are not those of so many images with so many right answers.
        var isRight: [Bool]? {
            guard let bytes = Data(base64Encoded: rightBits).map(Array.init) else { return nil }
            if bytes.isEmpty { return [] }
            guard bytes.count == (images + 7) / 8 else { return nil }
            let values = (0..<images).map { bytes[$0 / 8] & 128 >> UInt8($0 % 8) != 0 }
            return values.count(where: \.self) == right ? values : nil
        }
    }
    struct Row: Codable, Sendable {
        var corruption: String
        var severity: Int
        var result: Accuracy
    }
    var signatures: [String]
    var before: Result
    var after: [Result]
    var baseline: Result?

    /// What was compared. Of which class an image was taken for which, the JSON keeps no more than whether it was right.
    func comparison(source: String) throws -> RobustnessComparison {
        func told(_ found: Accuracy) throws -> (evaluation: Evaluation, isRight: [Bool]) {
            guard (0...1 << 32).contains(found.images), (0...found.images).contains(found.right),
                let isRight = found.isRight
            else {
                throw FormatError(
                    .wrongJSONType, "not a count of right answers", subject: source,
                    found: "\(found.right) of \(found.images)")
            }
            return (Evaluation(confusion: [[found.right, found.images - found.right], [0, 0]], loss: 0), isRight)
        }
        func robustness(_ result: Result) throws -> Robustness {
            let rows = try result.corrupted.map { row -> Robustness.Row in
                guard let kind = Corruption.Kind(rawValue: row.corruption), (1...5).contains(row.severity) else {
                    throw FormatError(
                        .wrongJSONType, "there is no such corruption", subject: source,
                        found: "\(row.corruption):\(row.severity)")
                }
                let (evaluation, isRight) = try told(row.result)
                return .init(
                    corruption: Corruption(kind, severity: row.severity), evaluation: evaluation, isRight: isRight)
            }
            let (evaluation, isRight) = try told(result.clean)
            return Robustness(clean: evaluation, corrupted: rows, isRight: isRight)
        }
        let (first, others) = (try robustness(before), try after.map { ($0.scale ?? 1, try robustness($0)) })
        let base = try baseline.map(robustness)
        // Rows of one are held against those of another by their places.
        let places = first.corrupted.map(\.corruption)
        guard (others.map(\.1) + [base].compactMap(\.self)).allSatisfy({ $0.corrupted.map(\.corruption) == places })
        else {
            throw FormatError(.wrongJSONType, "the classifiers were tested on different corruptions", subject: source)
        }
        return RobustnessComparison(before: first, after: others, baseline: base, signatures: signatures)
    }

    init(_ comparison: RobustnessComparison) {
        func result(_ robustness: Robustness, scale: Double? = nil) -> Result {
            Result(
                scale: scale, clean: Accuracy(robustness.clean, robustness.isRight),
                corrupted: robustness.corrupted.map {
                    Row(
                        corruption: $0.corruption.kind.rawValue, severity: $0.corruption.severity,
                        result: Accuracy($0.evaluation, $0.isRight))
                },
                meanCorruptionError: robustness.meanCorruptionError,
                interval: [1 - robustness.accuracy().high, 1 - robustness.accuracy().low],
                relativeMeanCorruptionError: comparison.baseline.flatMap(robustness.meanCorruptionError(relativeTo:)))
        }
        signatures = comparison.signatures
        before = result(comparison.before)
        after = comparison.after.map { result($0.robustness, scale: $0.scale) }
        baseline = comparison.baseline.map { result($0) }
    }
}
