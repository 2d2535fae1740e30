import Foundation
import SutureFormats
import SutureTensor

/// A model's forward pass held against what another implementation computed.
///
/// The golden is a safetensors file. For each prompt P it has `P.ids [T]` and one or more of
/// `P.logits [T, vocabulary]` or `[vocabulary]` (last position), `P.columns.logits [T, columns]` with the
/// vocabulary entries named once in `columns`, `P.last.ids` and `P.last.logits [n]` (last position), and
/// `P.greedy [n]`, the tokens that greedy decoding adds.
public struct Parity: Sendable, Codable {
    /// What was compared for one prompt.
    public struct Comparison: Sendable, Codable {
        /// Its name, or that of a picture.
        public var prompt: String
        /// 0 for a picture.
        public var tokens: Int
        /// The largest |logit - golden logit|, and how many logits were compared.
        public var largestDifference: Double
        public var logits: Int
        /// How many tokens of the golden greedy continuation came out the same, of how many.
        public var sameTokens: Int?
        public var greedyTokens: Int?

        package init(prompt: String, tokens: Int, largestDifference: Double, logits: Int) {
            (self.prompt, self.tokens) = (prompt, tokens)
            (self.largestDifference, self.logits) = (largestDifference, logits)
        }
    }

    public var comparisons: [Comparison]

    package init(_ comparisons: [Comparison]) { self.comparisons = comparisons }

    /// The largest difference of all.
    public var largestDifference: Double { comparisons.map(\.largestDifference).max() ?? 0 }

    /// Whether every greedy continuation came out the same.
    public var hasSameTokens: Bool { comparisons.allSatisfy { $0.sameTokens == $0.greedyTokens } }

    /// Runs every prompt of a golden.
    public init(_ model: LanguageModel, golden url: URL) throws {
        let golden = try Golden(url)
        comparisons = try golden.prompts.map { try Self.compare(model, golden, $0) }
        guard !comparisons.isEmpty else {
            throw ModelError(
                .unsupported, "this file holds no prompts", subject: url.relativePath,
                expected: "tensors such as a.ids and a.logits")
        }
    }

    private static func compare(_ model: LanguageModel, _ golden: Golden, _ prompt: String) throws -> Comparison {
        let ids = try golden.ints("\(prompt).ids")
        let all = try model.run([ids], logits: .all).logits.squeezed(0)
        let last = try all.selected(0, ids.count - 1)
        var comparison = Comparison(prompt: prompt, tokens: ids.count, largestDifference: 0, logits: 0)
        func compare(_ name: String, _ found: @autoclosure () throws -> Tensor) throws {
            guard let expected = try golden.floats(name) else { return }
            let found = try found()
            guard found.shape == expected.shape else {
                throw ModelError(
                    .badWeights, "the golden has another shape", subject: name, expected: "\(found.shape)",
                    found: "\(expected.shape)")
            }
            let difference = try (found - expected.to(model.device)).abs().max().item()
            // NaN compares false with everything and must not pass for small.
            comparison.largestDifference = difference.isNaN ? .infinity : max(comparison.largestDifference, difference)
            comparison.logits += expected.count
        }
        try compare("\(prompt).logits", golden.rank("\(prompt).logits") == 1 ? last : all)
        try compare("\(prompt).columns.logits", all.indexSelected(1, at: golden.ints("columns")))
        try compare("\(prompt).last.logits", last.indexSelected(0, at: golden.ints("\(prompt).last.ids")))
        if golden.rank("\(prompt).greedy") == 1 {
            let expected = try golden.ints("\(prompt).greedy")
            let found = try model.generate(ids, limit: expected.count)
            comparison.greedyTokens = expected.count
            comparison.sameTokens = zip(expected, found).count { $0 == $1 }
        }
        return comparison
    }

    private struct Golden {
        let file: SafetensorsFile

        init(_ url: URL) throws { file = try SafetensorsFile(url) }

        var prompts: [String] {
            let names = Set(file.tensors.map(\.name))
            return names.filter { $0.hasSuffix(".ids") && file[$0]?.shape.count == 1 }.map { String($0.dropLast(4)) }
                .filter { prompt in
                    ["logits", "columns.logits"].contains { names.contains("\(prompt).\($0)") }
                        && !prompt.hasSuffix(".last")
                }
                .sorted()
        }

        func rank(_ name: String) -> Int? { file[name]?.shape.count }

        func floats(_ name: String) throws -> Tensor? {
            guard let entry = file[name] else { return nil }
            return try Tensor(elements(name, entry, .float32, as: Float.self), shape: entry.shape)
        }

        func ints(_ name: String) throws -> [Int] {
            guard let entry = file[name] else {
                throw ModelError(.badWeights, "the golden lacks a tensor", subject: "\(file.file.name): \(name)")
            }
            return try elements(name, entry, .int64, as: Int.self)
        }

        private func elements<Element: BitwiseCopyable>(
            _ name: String, _ entry: SafetensorsFile.Tensor, _ type: StorageType, as: Element.Type
        ) throws -> [Element] {
            guard entry.type == type else {
                throw ModelError(
                    .badWeights, "the golden has another type", subject: "\(file.file.name): \(name)",
                    expected: type.rawValue,
                    found: entry.type.rawValue)
            }
            let width = MemoryLayout<Element>.size
            return file.bytes(of: entry).withUnsafeBytes { bytes in
                (0..<bytes.count / width).map { bytes.loadUnaligned(fromByteOffset: $0 * width, as: Element.self) }
            }
        }
    }
}
