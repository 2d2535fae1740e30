import Foundation
import SutureFormats
import SutureTestSupport
import SutureTokenizers

/// What the reference answers, as `tokenizers_goldens.py` wrote it.
struct GoldenFile {
    let vocabularySize: Int
    let encoded: [String]
    let decoded: [String]
    let vectors: [Vector]

    struct Vector {
        let text: String
        let ids: [Int]
        let offsets: [Range<Int>]
        let configured: [Int]
        let decoded: String
        let withoutSpecials: String
    }

    static let block = 50

    init(_ name: String) throws {
        let json = JSONField(try Self.json("tokenizers/\(name).golden.json"), source: name)
        vocabularySize = try json.optional("vocabularySize")?.int ?? 0
        encoded = try json.require("encoded").array.map { try $0.string }
        decoded = try json.optional("decoded")?.array.map { try $0.string } ?? []
        vectors = try json.optional("vectors")?.array.map(Vector.init) ?? []
    }

    static func json(_ path: String) throws -> JSON {
        try JSON.parse(Array(try Data(contentsOf: Goldens.url(path))))
    }

    static func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(tokenizerJSON: Goldens.url("tokenizers/\(name).json"))
    }

    /// Tokenizers that the golden script made, one for each kind of component.
    static let names = [
        "gpt2", "gpt2-prefix", "llama3", "qwen2", "smollm", "added", "llama2", "metaspace", "metaspace-always",
        "codegen", "gpt-neox", "starcoder", "behind", "gemma"
    ]
}

extension GoldenFile.Vector {
    init(_ json: JSONField) throws {
        text = try json.require("text").string
        ids = try json.require("ids").array.map { try $0.int }
        offsets = try json.require("offsets").array.blocks(of: 2).map { pair in
            try pair[pair.startIndex].int..<pair[pair.startIndex + 1].int
        }
        configured = try json.require("configured").array.map { try $0.int }
        decoded = try json.require("decoded").string
        withoutSpecials = try json.require("withoutSpecials").string
    }
}

/// Blocks of strings whose hash is not the reference's.
func mismatchedBlocks(_ expected: [String], count: Int, _ add: (Int, inout ValueHash) -> Void) -> [Int] {
    expected.indices.filter { block in
        var hash = ValueHash()
        let first = block * GoldenFile.block
        for index in first..<min(first + GoldenFile.block, count) { add(index, &hash) }
        return hash.hex != expected[block]
    }
}

/// Exact equality; `==` of strings would take canonically equivalent ones for equal.
func isSame(_ a: String, _ b: String) -> Bool {
    a.utf8.elementsEqual(b.utf8)
}
