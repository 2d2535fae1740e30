import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureSubspaces

@Suite("Steering vectors: how they are found, and what they do as patches")
struct SteeringTests {
    /// Families without a bias, with one, and with attention and MLP side by side.
    static let families = ["llama", "llama-bf16", "gpt2", "gptj", "gpt-neox", "qwen2", "starcoder2", "phi", "gemma"]

    static func checkpoint(_ name: String) throws -> Checkpoint { try Checkpoint(Goldens.url("models/\(name)")) }

    static func texts(_ count: Int, seed: UInt64) -> [(positive: [Int], negative: [Int])] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            let text = (0..<5 + random.below(4)).map { _ in random.below(90) }
            return (text + [3, random.below(90)], text + [4, random.below(90), random.below(90)])
        }
    }

    static func vectors(_ architecture: Architecture, seed: UInt64, scale: Float = 0.5) -> [Steering.Vector] {
        var random = SeededGenerator(seed: seed)
        return (0..<architecture.layers).map { layer in
            .init(
                layer: layer,
                values: (0..<architecture.width).map { _ in scale * Float(random.below(2001) - 1000) / 1000 })
        }
    }

    private static func patch(_ checkpoint: Checkpoint, _ seed: UInt64 = 1) throws -> (Patch, Steering) {
        let architecture = try Architecture(checkpoint)
        let steering = try Steering(vectors(architecture, seed: seed), for: architecture)
        return (try steering.patch(of: checkpoint, method: .init(name: "test")), steering)
    }

    private static func logits(_ model: LanguageModel) throws -> [Float] {
        try model.run([[5, 60, 23, 7, 42], [81, 2, 33]], logits: .last).logits.floats()
    }

    private static func load(_ checkpoint: Checkpoint, _ patches: [AppliedPatch]) throws -> LanguageModel {
        try LanguageModel.load(checkpoint, replacing: PatchedCheckpoint(checkpoint).adding(patches).data)
    }

    private static func farthest(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
    }

    // MARK: - Extraction

    /// Rows as arrays of float64, by runs of one text each.
    private func rows(_ model: LanguageModel, _ texts: [[Int]], _ layer: Int) throws -> [[Double]] {
        try texts.map { text in
            let run = try model.run([text], capturing: [.residual(layer + 1)], logits: .all)
            return try run[.residual(layer + 1)].selected(0, 0).selected(0, text.count - 1).elements(as: Double.self)
        }
    }

    /// The first eigenvector of the rows' scatter matrix, by power iteration.
    private func principal(_ rows: [[Double]]) -> [Double] {
        var vector = rows[0].indices.map { sin(Double($0) + 1) }
        for _ in 0..<3000 {
            let along = rows.map { row in zip(row, vector).reduce(0) { $0 + $1.0 * $1.1 } }
            var next = [Double](repeating: 0, count: vector.count)
            for (row, weight) in zip(rows, along) { for index in next.indices { next[index] += weight * row[index] } }
            let norm = next.reduce(0) { $0 + $1 * $1 }.squareRoot()
            vector = next.map { $0 / norm }
        }
        return vector
    }

    @Test("a vector is what its formula says, computed in another way", arguments: Steering.Method.allCases)
    func formulas(_ method: Steering.Method) throws {
        let model = try LanguageModel.load(Self.checkpoint("llama"))
        let pairs = Self.texts(7, seed: 3)
        let steering = try Steering(pairs, of: model, by: method, layers: [0, 2])
        #expect(steering.vectors.map(\.layer) == [0, 2])
        for vector in steering.vectors {
            let positive = try rows(model, pairs.map(\.positive), vector.layer)
            let negative = try rows(model, pairs.map(\.negative), vector.layer)
            let differences = zip(positive, negative).map { zip($0, $1).map { $0 - $1 } }
            let mean = differences[0].indices.map { index in
                differences.reduce(0) { $0 + $1[index] } / Double(differences.count)
            }
            var expected: [Double]
            switch method {
            case .mean: expected = mean
            case .pca: expected = principal(differences.map { zip($0, mean).map { $0 - $1 } })
            case .pcaCenter:
                expected = principal(
                    zip(positive, negative).flatMap { a, b in
                        let middle = zip(a, b).map { ($0 + $1) / 2 }
                        return [zip(a, middle).map { $0 - $1 }, zip(b, middle).map { $0 - $1 }]
                    })
            }
            if method != .mean {
                let larger = zip(positive, negative).count { a, b in
                    zip(zip(a, b), expected).reduce(0) { $0 + ($1.0.0 - $1.0.1) * $1.1 } > 0
                }
                if 2 * larger < pairs.count { expected = expected.map { -$0 } }
            }
            #expect(zip(vector.values, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 }, "layer \(vector.layer)")
        }
    }

    @Test("layers are those of a method's source, and pairs that do not differ are refused")
    func requests() throws {
        let model = try LanguageModel.load(Self.checkpoint("llama"))
        let layers = model.architecture.layers
        #expect(Steering.layers(for: .mean, of: model) == [layers / 2])
        #expect(Steering.layers(for: .pca, of: model) == Array(1..<layers))
        let same = [(positive: [1, 2, 3], negative: [1, 2, 3]), (positive: [4, 5], negative: [4, 5])]
        for method in Steering.Method.allCases {
            let error = #expect(throws: SubspaceError.self) { try Steering(same, of: model, by: method) }
            #expect(error?.code == .badRequest)
            #expect(throws: SubspaceError.self) { try Steering([], of: model, by: method) }
            #expect(throws: ModelError.self) {
                try Steering(Self.texts(3, seed: 1), of: model, by: method, layers: [layers])
            }
        }
        // Of one pair nothing is left when it is centered.
        #expect(throws: SubspaceError.self) { try Steering(Self.texts(1, seed: 1), of: model, by: .pca) }
    }

    // MARK: - Laws

    @Test("the patch adds the vectors behind their layers, at its scale, and at scale 0 nothing", arguments: families)
    func adds(_ name: String) throws {
        let checkpoint = try Self.checkpoint(name)
        let (patch, steering) = try Self.patch(checkpoint)
        let base = try LanguageModel.load(checkpoint)
        let clean = try Self.logits(base)
        #expect(try Self.logits(Self.load(checkpoint, [AppliedPatch(patch, scale: 0)])) == clean)
        // Of 16-bit biases the sum is rounded.
        let isRounded = name == "phi" || name == "starcoder2"
        for scale in [1, -0.75] {
            let steered = try Self.logits(Self.load(checkpoint, [AppliedPatch(patch, scale: scale)]))
            let changes = try steering.vectors.map {
                Intervention(.residual($0.layer + 1), .add(try Tensor($0.values) * scale))
            }
            let expected = try Self.logits(base.intervening(changes))
            let size = expected.map(abs).max() ?? 0
            #expect(Self.farthest(steered, expected) < (isRounded ? 1e-2 : 1e-4) * max(1, size), "scale \(scale)")
            #expect(Self.farthest(steered, clean) > 1e-3)
        }
    }

    @Test("taken off, the model is the base to the bit; two vectors add up in any order", arguments: families)
    func stack(_ name: String) throws {
        let checkpoint = try Self.checkpoint(name)
        let ((first, one), (second, other)) = (try Self.patch(checkpoint, 1), try Self.patch(checkpoint, 2))
        let both = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(first), AppliedPatch(second, scale: 0.5)])
        let clean = try Self.logits(LanguageModel.load(checkpoint))
        let removed = try both.removing(first.id).removing(second.id)
        #expect(try Self.logits(LanguageModel.load(checkpoint, replacing: removed.data)) == clean)
        let together = try Self.logits(LanguageModel.load(checkpoint, replacing: both.data))
        let reversed = try Self.load(checkpoint, [AppliedPatch(second, scale: 0.5), AppliedPatch(first)])
        #expect(try Self.logits(reversed) == together)
        let combined = try Combination([AppliedPatch(first), AppliedPatch(second, scale: 0.5)], .sum).patch
        #expect(try Self.logits(Self.load(checkpoint, [AppliedPatch(combined)])) == together)
        let sums = try Steering(combined, of: Architecture(checkpoint), source: "sum")
        for (vector, (a, b)) in zip(sums.vectors, zip(one.vectors, other.vectors)) {
            #expect(vector.values == zip(a.values, b.values).map { Float(Double($0) + 0.5 * Double($1)) })
        }
        // Also where a loaded model takes them up, as a server does.
        let base = try LanguageModel.load(checkpoint)
        let served = try base.replacing(Set(both.touched.keys.map(\.string)), of: checkpoint) {
            try both.data(for: $0, current: $1)
        }
        #expect(try Self.logits(served) == together)
        let changed = try base.differences(from: served)
        #expect(changed.count == one.vectors.count)
        #expect(try Self.logits(served.taking(changed, from: base)) == clean)
    }

    @Test("files without a place for the bias are refused, others get it and give it back to the bit")
    func files() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "steer-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        let llama = try Self.checkpoint("llama")
        let added = try PatchedCheckpoint(llama).adding([AppliedPatch(Self.patch(llama).0)])
        try added.check()
        for work in [{ _ = try added.write(to: directory) }, { _ = try added.plan() }] {
            let error = #expect(throws: PatchError.self) { try work() }
            #expect(error?.code == .noPlace && error?.hint?.contains("controlvector") == true)
        }
        #expect(!FileManager.default.fileExists(atPath: directory.path))
        let gpt2 = try Self.checkpoint("gpt2")
        let (patch, _) = try Self.patch(gpt2)
        try PatchedCheckpoint(gpt2).adding([AppliedPatch(patch)]).write(to: directory)
        let written = try Checkpoint(directory)
        let expected = try Self.logits(Self.load(gpt2, [AppliedPatch(patch)]))
        #expect(try Self.logits(LanguageModel.load(written)) == expected)
        let back = directory.appendingPathExtension("base")
        defer { try? FileManager.default.removeItem(at: back) }
        try PatchedCheckpoint(written).removing(patch.id).write(to: back)
        let (a, b) = [back, Goldens.url("models/gpt2")].map {
            try? Data(contentsOf: $0.appending(path: "model.safetensors"))
        }
        .reduce(into: (Data?.none, Data?.none)) { $0 = ($0.1, $1) }
        #expect(a != nil && a == b)
    }

    @Test("a bias that the model does not have fits where it has a place, and nowhere else")
    func places() throws {
        let (llama, gpt2) = (try Self.checkpoint("llama"), try Self.checkpoint("gpt2"))
        let (patch, _) = try Self.patch(llama)
        for other in [gpt2, try Self.checkpoint("llama-bias")] {
            let error = #expect(throws: PatchError.self) {
                try PatchedCheckpoint(other).adding([AppliedPatch(patch)])
            }
            #expect(error?.code == .wrongBase)
        }
        #expect(throws: PatchError.self) {
            try Patch(
                [.dense("model.layers.0.self_attn.q_proj.bias", [1], shape: [1])], of: llama, method: .init(name: "a"))
        }
        #expect(throws: PatchError.self) {
            try Patch(
                [.dense("model.layers.9.mlp.down_proj.bias", [1], shape: [1])], of: llama, method: .init(name: "a"))
        }
        let error = #expect(throws: SubspaceError.self) {
            try Steering(
                Patch(
                    [.rows([0], of: "model.layers.0.mlp.down_proj.weight", adding: [Float](repeating: 1, count: 48))],
                    of: llama, method: .init(name: "a")), of: Architecture(llama), source: "rows.fix")
        }
        #expect(error?.problem.contains("no steering vector") == true)
    }

    @Test("where a norm or a factor lies between MLP and stream, a bias is refused")
    func indirect() throws {
        var architecture = try Architecture(Self.checkpoint("llama"))
        architecture.residualScale = 0.5
        let error = #expect(throws: ModelError.self) { try architecture.outputBias(ofLayer: 0) }
        #expect(error?.code == .unsupported && error?.hint?.contains("--steer") == true)
        let width = architecture.width
        #expect(throws: ModelError.self) {
            try Steering([.init(layer: 0, values: [Float](repeating: 1, count: width))], for: architecture)
        }
    }

    // MARK: - Pairs of texts

    @Test("pairs are read in both of their forms, and have the answers that the model gives")
    func pairs() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "pairs-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: url) }
        func write(_ text: String) throws { try Data(text.utf8).write(to: url) }
        try write(#"{"positive": "a", "negative": "b"}"# + "\n\n" + #"{"positive": "c", "negative": "d"}"#)
        #expect(try ContrastPair.isContrast(url))
        let pairs = try ContrastPair.read(url)
        #expect(pairs == [.init(positive: "a", negative: "b"), .init(positive: "c", negative: "d")])
        try write(#"{"base": "b", "source": {"text": "a", "label": "A"}, "answer": " x", "other": " y"}"#)
        #expect(try !ContrastPair.isContrast(url))
        #expect(try ContrastPair.read(url) == [pairs[0]])
        for (text, says) in [
            ("", "no pairs"), (#"{"positive": "a"}"#, "negative"), (#"{"positive": 1, "negative": "b"}"#, "line 1"),
            ("{}", "line 1"), ("[1]", "line 1")
        ] {
            try write(text)
            let error = #expect(throws: (any Error).self) { try ContrastPair.read(url) }
            #expect("\(error.map { "\($0)" } ?? "")".contains(says), "\(text): \(String(describing: error))")
        }
        let directory = FileManager.default.temporaryDirectory.appending(path: "steer-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        try TinySnapshot.write(to: directory)
        let checkpoint = try Checkpoint(directory)
        let (model, tokenizer) = (try LanguageModel.load(checkpoint), try Tokenizer(checkpoint))
        let texts = [ContrastPair(positive: "abc", negative: "xyz"), ContrastPair(positive: "q", negative: "q")]
        let answered = try texts.answered(by: model, tokenizer)
        let pair = try #require(answered.first)
        #expect(answered.count == 1 && pair.baseLabel == "negative" && pair.sourceLabel == "positive")
        #expect(pair.base == tokenizer.encode("xyz").ids && pair.source == tokenizer.encode("abc").ids)
        let (behind, after) = (try model.run([pair.base]), try model.run([pair.source]))
        #expect(try behind.logits.argmax(1).ints() == [pair.answer])
        #expect(try after.logits.argmax(1).ints() == [pair.other])
        #expect(pair.target == pair.other)
        #expect(throws: SubspaceError.self) { try [texts[1]].answered(by: model, tokenizer) }
    }
}
