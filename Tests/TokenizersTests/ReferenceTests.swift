import SutureFormats
import SutureTestSupport
import SutureTokenizers
import Testing

/// Ids, offsets and texts against `tokenizers` and SentencePiece.
@Suite("Agreement with the reference")
struct ReferenceTests {
    @Test("12,000 hostile strings have the same ids and offsets", arguments: GoldenFile.names)
    func hostileStrings(name: String) throws {
        try checkEncoding(GoldenFile.tokenizer(name), GoldenFile(name))
    }

    @Test("1,000 random sequences of ids have the same text", arguments: GoldenFile.names)
    func randomIDs(name: String) throws {
        try checkDecoding(GoldenFile.tokenizer(name), GoldenFile(name))
    }

    @Test("Readable vectors are the same, with configured specials too", arguments: GoldenFile.names)
    func vectors(name: String) throws {
        try checkVectors(GoldenFile.tokenizer(name), GoldenFile(name))
    }

    @Test("SmolLM2's real vocabulary", .enabled(if: Goldens.smollm2 != nil, "the model is not set up"))
    func smollm2() throws {
        let tokenizer = try Tokenizer(gguf: GGUFFile(try #require(Goldens.smollm2)))
        let golden = try GoldenFile("smollm2")
        try checkEncoding(tokenizer, golden)
        try checkDecoding(tokenizer, golden)
        try checkVectors(tokenizer, golden)
        let roles = tokenizer.roles
        #expect([roles.beginning, roles.end, roles.unknown, roles.padding] == [1, 2, 0, 2])
    }

    @Test("SmolLM2 as transformers loads it", .enabled(if: Goldens.smollm2 != nil, "the model is not set up"))
    func smollm2Transformers() throws {
        let tokenizer = try Tokenizer(gguf: GGUFFile(try #require(Goldens.smollm2)))
        let vectors = JSONField(try GoldenFile.json("tokenizers/smollm2-transformers.json"), source: "vectors")
        for vector in try vectors.require("vectors").array {
            let text = try vector.require("text").string
            #expect(try tokenizer.encode(text).ids == vector.require("ids").array.map { try $0.int })
        }
    }

    @Test("A vocabulary with scores has the ids of SentencePiece")
    func sentencePiece() throws {
        let tokenizer = try Tokenizer(gguf: GGUFFile(Goldens.url("tokenizers/sentencepiece.gguf")))
        let golden = try GoldenFile("sentencepiece")
        let wrong = mismatchedBlocks(golden.encoded, count: HostileStrings.count) { index, hash in
            let text = HostileStrings.string(index)
            let hasControl = ["<s>", "</s>", "<unk>"].contains { text.utf8.contains($0.utf8) }
            if !hasControl { add(tokenizer.encode(text).ids, to: &hash) }
        }
        #expect(golden.encoded.count == 240)
        #expect(wrong.isEmpty)
        #expect(tokenizer.encode("a", specials: .asConfigured).ids.first == 1)
    }

    @Test("A GGUF vocabulary has the ids of the same tokenizer.json", arguments: ["gpt2", "llama3", "qwen2"])
    func gguf(name: String) throws {
        let tokenizer = try Tokenizer(gguf: GGUFFile(Goldens.url("tokenizers/\(name).gguf")))
        let other = try GoldenFile.tokenizer(name)
        for index in 0..<1_000 {
            let text = HostileStrings.string(index)
            #expect(tokenizer.encode(text).ids == other.encode(text).ids)
        }
    }

    private func checkEncoding(_ tokenizer: Tokenizer, _ golden: GoldenFile) throws {
        #expect(tokenizer.vocabularySize == golden.vocabularySize)
        #expect(golden.encoded.count == 240)
        let wrong = mismatchedBlocks(golden.encoded, count: HostileStrings.count) { index, hash in
            let encoding = tokenizer.encode(HostileStrings.string(index))
            hash.add(encoding.ids.count)
            for (id, range) in zip(encoding.ids, encoding.offsets) {
                hash.add(id)
                hash.add(range.lowerBound)
                hash.add(range.upperBound)
            }
        }
        #expect(wrong.isEmpty, "\(wrong.count) of 240 blocks differ")
    }

    private func checkDecoding(_ tokenizer: Tokenizer, _ golden: GoldenFile) throws {
        #expect(golden.decoded.count == 20)
        let wrong = mismatchedBlocks(golden.decoded, count: 1_000) { index, hash in
            var random = SplitMix64(state: UInt64(99 + index))
            let ids = (0..<1 + random.below(20)).map { _ in random.below(golden.vocabularySize) }
            for skippingSpecials in [false, true] {
                add(tokenizer.decode(ids, skippingSpecials: skippingSpecials).utf8.map(Int.init), to: &hash)
            }
        }
        #expect(wrong.isEmpty, "\(wrong.count) of 20 blocks differ")
    }

    private func checkVectors(_ tokenizer: Tokenizer, _ golden: GoldenFile) throws {
        #expect(golden.vectors.count == 40)
        for vector in golden.vectors {
            let encoding = tokenizer.encode(vector.text)
            #expect(encoding.ids == vector.ids, "\(vector.text.debugDescription)")
            #expect(encoding.offsets == vector.offsets, "\(vector.text.debugDescription)")
            #expect(tokenizer.encode(vector.text, specials: .asConfigured).ids == vector.configured)
            #expect(isSame(tokenizer.decode(vector.ids), vector.decoded))
            #expect(isSame(tokenizer.decode(vector.ids, skippingSpecials: true), vector.withoutSpecials))
        }
    }

    private func add(_ values: [Int], to hash: inout ValueHash) {
        hash.add(values.count)
        for value in values { hash.add(value) }
    }
}
