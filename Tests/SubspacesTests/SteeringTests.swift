import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureTestSupport
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

    private static func vectors(_ architecture: Architecture, seed: UInt64, scale: Float = 0.5) -> [Steering.Vector] {
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

    // MARK: - Control vectors

    private static func file(_ write: (URL) throws -> Void) throws -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "vector-\(UUID().uuidString).gguf")
        try write(url)
        return url
    }

    @Test("a control vector comes back equal to the bit", arguments: ["llama", "gpt2", "gpt-neox"])
    func exchange(_ name: String) throws {
        let checkpoint = try Self.checkpoint(name)
        let architecture = try Architecture(checkpoint)
        let steering = try Steering(Array(Self.vectors(architecture, seed: 4).dropFirst()), for: architecture)
        let patch = try steering.patch(of: checkpoint, method: .init(name: "test"))
        let url = try Self.file { try steering.writeControlVector(to: $0, base: checkpoint) }
        defer { try? FileManager.default.removeItem(at: url) }
        let read = try Steering(controlVector: url, for: architecture)
        #expect(read.vectors == steering.vectors)
        #expect(try read.patch(of: checkpoint, method: .importing(url)).id == patch.id)
        let file = try GGUFFile(url)
        #expect(try file.string("general.architecture") == "controlvector")
        #expect(try file.int("controlvector.layer_count") == steering.vectors.count)
        #expect(file.tensors.map(\.key.string) == steering.vectors.map { "direction.\($0.layer)" })
        let first = try Steering(Self.vectors(architecture, seed: 4), for: architecture)
        let error = #expect(throws: SubspaceError.self) { try first.writeControlVector(to: url, base: checkpoint) }
        #expect(error?.problem.contains("first layer") == true)
    }

    /// What is wrong with a file, and what the error says of it.
    static let broken: [(String, String, [(String, [Int], Float)], String)] = [
        ("llama", "direction", [("direction.1", [64], 1)], "no control vector"),
        ("controlvector", "none", [], "no vectors"),
        ("controlvector", "zero", [("direction.0", [64], 1)], "no direction of a layer"),
        ("controlvector", "name", [("direction.1.5", [64], 1)], "no direction of a layer"),
        ("controlvector", "digits", [("direction.01", [64], 1)], "no direction of a layer"),
        ("controlvector", "minus", [("direction.-1", [64], 1)], "no direction of a layer"),
        ("controlvector", "other", [("token_embd.weight", [64], 1)], "no direction of a layer"),
        ("controlvector", "layer", [("direction.99", [64], 1)], "no such layer"),
        ("controlvector", "width", [("direction.1", [63], 1)], "does not fit the model"),
        ("controlvector", "matrix", [("direction.1", [2, 32], 1)], "float32 vector"),
        ("controlvector", "nan", [("direction.1", [64], .nan)], "not finite")
    ]

    @Test("files that are no control vector of this model are refused with what is wrong", arguments: broken.indices)
    func refused(_ index: Int) throws {
        let architecture = try Architecture(Self.checkpoint("llama"))
        let (kind, _, tensors, says) = Self.broken[index]
        let url = try Self.file { url in
            try GGUFWriter.write(
                [("general.architecture", .string(kind))],
                tensors.map { name, shape, value in
                    let shape = shape == [64] ? [architecture.width] : shape
                    return .init(name, shape, [Float](repeating: value, count: shape.reduce(1, *)))
                }, to: url)
        }
        defer { try? FileManager.default.removeItem(at: url) }
        let error = #expect(throws: (any Error).self) { try Steering(controlVector: url, for: architecture) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(says), "\(String(describing: error))")
    }

    @Test("an absent tensor that is not zeros is refused in a patch file")
    func hostile() throws {
        let zeros = BaseTensorText.zeros(width: 4)
        for (text, isGood) in [
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "F32", "shape": [4]}"#, true),
            (
                #"{"absent": true, "digest": "sha256:\#(String(repeating: "0", count: 64))", "dtype": "F32", "shape": [4]}"#,
                false
            ),
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "BF16", "shape": [4]}"#, false),
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "F32", "shape": [2, 2]}"#, false),
            (#"{"absent": true, "digest": "\#(zeros)", "dtype": "F32", "shape": [1099511627776]}"#, false),
            (#"{"absent": 1, "digest": "\#(zeros)", "dtype": "F32", "shape": [4]}"#, false)
        ] {
            let manifest =
                #"{"schema": "suture.patch/1", "base": {"tensors": {"a": \#(text)}}, "edits": [], "method": {"name": "a", "version": "1", "options": {}, "seed": null}, "results": null, "tool": "a", "created": "a", "parents": [], "id": "\#(zeros)"}"#
            let url = try Self.file {
                try SafetensorsWriter.write([], metadata: ["suture": ByteString(manifest)], to: $0)
            }
            defer { try? FileManager.default.removeItem(at: url) }
            let error = #expect(throws: (any Error).self) { try Patch(contentsOf: url) }
            // A good one is refused for having no edits.
            #expect((error as? PatchError)?.code == (isGood ? .emptyPatch : .malformedManifest) || !isGood)
        }
    }
}

private enum BaseTensorText {
    static func zeros(width: Int) -> String {
        let bytes = [UInt8](repeating: 0, count: 4 * width)
        return "sha256:" + bytes.withUnsafeBytes { Digest.tensor(type: .float32, shape: [width], bytes: $0) }
    }
}
