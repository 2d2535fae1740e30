import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureSubspaces
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@Suite("Facts, patches and rank-1 edits, on tiny models")
struct FactTests {
    /// Prompts of several lengths; subject and answer differ in every pair.
    static func pairs(_ count: Int, seed: UInt64) -> [TokenizedPair] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            let length = 6 + index % 3
            let base = (0..<length).map { _ in random.below(96) }
            let source = (0..<length + 1).map { _ in random.below(96) }
            return TokenizedPair(
                base: base, source: source, answer: random.below(48), other: 48 + random.below(48),
                baseRoles: ["subject": 2], sourceRoles: ["subject": 3])
        }
    }

    static func texts() -> [[Int]] {
        var random = SeededGenerator(seed: 5)
        return (0..<60).map { _ in (0..<8).map { _ in random.below(96) } }
    }

    @Test(
        "directions lower the margin, and the study's patches and edits are those of whole runs",
        arguments: SubspaceTests.models)
    func study(name: String) throws {
        let model = try SubspaceTests.model(name)
        let pairs = Self.pairs(5, seed: 1)
        var study = FactStudy()
        study.layers = [1]
        study.steps = 20
        study.rate = 0.05
        let report = try study.run(model, pairs, texts: Self.texts(), modelName: name)
        let row = try #require(report.rows.first)
        #expect(report.rows.count == 1 && row.layer == 1)
        func fldd(_ kind: FactReport.Kind) throws -> Double { try #require(row.effects[kind]).fldd.value }
        func lowered(_ kind: FactReport.Kind) throws -> Double { try fldd(kind) * report.cleanDifference }
        #expect(try lowered(.direction) > lowered(.whole))
        #expect(try lowered(.direction) > lowered(.row) - 1e-6)
        #expect(try lowered(.direction) > 0)
        #expect(abs(row.rowNorm * row.rowNorm + row.nullNorm * row.nullNorm - 1) < 0.1)
        #expect(try #require(row.effects[.rome]).rewrite.value > 0)
        // The whole MLP, by full runs of each prompt alone.
        let site = Site.mlpHidden(1)
        var clean = 0.0
        var patched = 0.0
        for pair in pairs {
            let value = try model.run([pair.source], capturing: [site])[site].narrowed(1, 3..<4)
            func difference(_ changes: [Intervention]) throws -> Double {
                let logits = try model.run([pair.base], changes).logits.squeezed(0)
                return try logits.selected(0, pair.answer).item() - logits.selected(0, pair.other).item()
            }
            clean += try difference([])
            patched += try difference([Intervention(site, at: .at([2]), .replace(value))])
        }
        #expect(abs(try fldd(.whole) - (1 - patched / clean)) < 1e-4)
    }

    @Test(
        "an edit as a patch of the weights is the edit, whichever way the projection is stored",
        arguments: SubspaceTests.models)
    func patch(name: String) throws {
        let url = Goldens.url("models/\(name)")
        let checkpoint = try Checkpoint(url)
        let model = try LanguageModel.load(url)
        let random = try RandomSource(seed: 3)
        let edit = RankOneEdit(
            layer: 1, write: try random.normal([model.architecture.width]) * 0.1,
            read: try random.normal([model.architecture.hiddenWidth]) * 0.1)
        let patch = try edit.patch(of: checkpoint, model.architecture)
        #expect(patch.edits.map(\.kind) == [.lowRank])
        let stack = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)])
        let patched = try LanguageModel.load(checkpoint) { try stack.data(for: $0, current: $1) }
        let edited = try model.editing(edit.neuronEdits)
        let prompt = [[3, 14, 15, 92, 6]]
        let (a, b) = (try patched.run(prompt).logits, try edited.run(prompt).logits)
        #expect(try (a - b).abs().max().item() < 1e-5)
        #expect(try (a - model.run(prompt).logits).abs().max().item() > 1e-3)
    }

    @Test("a patch and the rank-1 edit made of it agree at its token; a moment is a mean of squares")
    func equal() throws {
        let model = try SubspaceTests.model("gpt2")
        let texts = Self.texts()
        let layer = 1
        let site = Site.mlpHidden(layer)
        let moment = try #require(try model.keyMoments(texts, layers: [layer])[layer])
        let values = try Tensor.concatenated(
            texts.map { try model.run([$0], capturing: [site])[site].squeezed(0) }, 0)
        let expected = try values.transposed().matmul(values) / Double(values.shape[0])
        #expect(try (moment.to(.float32) - expected).abs().max().item() < 1e-5)

        let memory = try LinearMemory(layer: layer, writing: #require(try model.writing(site)), moment: moment)
        let pair = Self.pairs(1, seed: 4)[0]
        let base = try model.run([pair.base], capturing: [site])[site].squeezed(0)
        let source = try model.run([pair.source], capturing: [site])[site].squeezed(0).selected(0, 3)
        let direction = try RandomSource(seed: 6).normal([base.shape[1]])
        let edit = try memory.edit(direction: direction, base: base.selected(0, 2), source: source)
        let unit = try direction / direction.norm()
        let patched = try base.selected(0, 2) + unit * (unit * (source - base.selected(0, 2))).sum()
        let out = Site.mlpOut(layer)
        let wanted = try model.run(
            [pair.base], [Intervention(site, at: .at([2]), .replace(patched.reshaped([1, 1, -1])))], capturing: [out])[
                out]
        let found = try model.editing(edit.neuronEdits).run([pair.base], capturing: [out])[out]
        #expect(try (wanted - found).selected(1, 2).abs().max().item() < 1e-4)
    }

    @Test("facts of both of ROME's files are read; the prompts that lead to the answer are used")
    func files() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "facts.json")
            func read(_ text: String) throws -> FactualPairs {
                try Data(text.utf8).write(to: url)
                return try FactualPairs(contentsOf: url)
            }
            let tokenizer = try Tokenizer(tokenizerJSON: Goldens.url("tokenizers/gpt2.json"))
            let known =
                #"{"subject": "Ann", "attribute": "Rome", "template": "{} lives", "prompt": "Ann lives in", "relation_id": "P1"}"#
            let other =
                #"{"subject": "Bob", "attribute": "Oslo", "template": "{} lives", "prompt": "Bob lives in", "relation_id": "P1"}"#
            let odd =
                #"{"subject": "Cid", "attribute": "Bern", "template": "{} is at", "prompt": "Cid is at", "relation_id": "P1"}"#
            let rewrite =
                #"{"requested_rewrite": {"prompt": "{} speaks", "relation_id": "P2", "subject": "Dan", "target_true": {"str": "Dutch"}}}"#
            let texts = try read("[\(known), \(other), \(odd), \(rewrite)]").prompts(tokenizer).map {
                tokenizer.decode($0)
            }
            #expect(texts == ["Ann lives in", "Bob lives in", "Cid lives in", "Dan speaks"])
            let without = known.replacing("Ann lives in", with: "She lives in")
            for bad in ["[]", "{}", #"[{"subject": "Ann"}]"#, "[\(without)]"] {
                #expect(throws: (any Error).self) { try read(bad) }
            }
        }
    }

    @Test(
        "facts that a real model knows are found; a patch turns them where the whole MLP does not, and its edit does the same",
        .enabled(if: Goldens.smollm2 != nil, "SmolLM2 is not set up: run Scripts/setup"))
    func real() throws {
        let checkpoint = try Checkpoint(#require(Goldens.smollm2))
        let (model, tokenizer) = (try LanguageModel.load(checkpoint), try Tokenizer(checkpoint))
        let capitals = [("France", "Paris"), ("Italy", "Rome"), ("Japan", "Tokyo"), ("Atlantis", "Nowhere")]
        let facts = try withTemporaryDirectory { directory in
            let url = directory.appending(path: "facts.json")
            let entries = capitals.map { country, city in
                #"{"subject": "\#(country)", "attribute": "\#(city)", "relation_id": "P36", "#
                    + #""prompt": "The capital of \#(country) is the city of"}"#
            }
            try Data("[\(entries.joined(separator: ","))]".utf8).write(to: url)
            return try FactualPairs(contentsOf: url)
        }
        let pairs = try facts.known(to: model, tokenizer, perRelation: 2)
        // Nobody knows the capital of Atlantis.
        #expect(pairs.count == 2)
        #expect(pairs.allSatisfy { tokenizer.decode([$0.answer]) != " Nowhere" && $0.answer != $0.other })
        var study = FactStudy()
        study.layers = [10]
        study.steps = 12
        study.rate = 0.03
        study.valueSteps = 2
        let report = try study.run(model, pairs, texts: facts.prompts(tokenizer), modelName: "SmolLM2")
        let effects = try #require(report.rows.first).effects
        func fldd(_ kind: FactReport.Kind) throws -> Double { try #require(effects[kind]).fldd.value }
        let (direction, edit) = (try fldd(.direction), try fldd(.edit))
        let (row, whole) = (try fldd(.row), try fldd(.whole))
        #expect(direction > 0.3 && direction > whole && direction > row)
        #expect(abs(edit - direction) < 0.2 * direction)
    }
}
