import Foundation
import SutureFormats
import SutureTestSupport
import SutureTokenizers
import Testing

@Suite("Writing a GGUF vocabulary as a snapshot")
struct WritingTests {
    @Test("A written snapshot is the one that was checked", arguments: ["gpt2", "llama3", "qwen2"])
    func snapshot(name: String) throws {
        try check(name, Goldens.url("tokenizers/\(name).gguf"))
    }

    @Test("SmolLM2's vocabulary, too", .enabled(if: Goldens.smollm2 != nil, "the model is not set up"))
    func smollm2() throws {
        try check("smollm2", try #require(Goldens.smollm2))
    }

    @Test("A vocabulary over scalars is refused")
    func scalars() throws {
        let tokenizer = try GoldenFile.tokenizer("llama2")
        try withTemporaryDirectory { directory in
            let error = try #require(throws: TokenizerError.self) { try tokenizer.write(toSnapshot: directory) }
            #expect(error.code == .unsupported)
            let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
            #expect(files.isEmpty)
        }
    }

    @Test("A special token may be any of the vocabulary, spelled in its alphabet")
    func special() throws {
        let tokenizer = try Tokenizer(gguf: GGUFFile(Goldens.url("tokenizers/gpt2.gguf")))
        let id = try #require(tokenizer.id(of: " a"))
        try withTemporaryDirectory { directory in
            try tokenizer.write(toSnapshot: directory)
            try Data(#"{"bos_token": "Ġa"}"#.utf8).write(to: directory.appending(path: "tokenizer_config.json"))
            #expect(try Tokenizer(snapshot: directory).roles.beginning == id)
        }
    }

    @Test("A token that is not in the alphabet of bytes is written as it is; one that has two ids is refused")
    func oddTokens() throws {
        let bytes = try [UInt8](Data(contentsOf: Goldens.url("tokenizers/gpt2.gguf")))
        /// The vocabulary with another token of one byte in the place of `old`.
        func tokenizer(_ old: UInt8, _ new: UInt8, in directory: URL) throws -> Tokenizer {
            var bytes = bytes
            let (string, other) = ([1, 0, 0, 0, 0, 0, 0, 0, old] as [UInt8], [1, 0, 0, 0, 0, 0, 0, 0, new] as [UInt8])
            let place = try #require(bytes.indices.first { bytes[$0...].starts(with: string) })
            bytes.replaceSubrange(place..<place + 9, with: other)
            let url = directory.appending(path: "\(old)-\(new).gguf")
            try Data(bytes).write(to: url)
            return try Tokenizer(gguf: GGUFFile(url))
        }
        try withTemporaryDirectory { directory in
            // A letter that no merge needs.
            let letters = (UInt8(ascii: "!")...UInt8(ascii: "~"))
            let letter = try #require(letters.first { (try? tokenizer($0, UInt8(ascii: " "), in: directory)) != nil })
            let spaced = try tokenizer(letter, UInt8(ascii: " "), in: directory)
            let folder = directory.appending(path: "spaced")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try spaced.write(toSnapshot: folder)
            #expect(try Tokenizer(snapshot: folder).encode("a b  c").ids == spaced.encode("a b  c").ids)
            let other = letter == UInt8(ascii: "a") ? UInt8(ascii: "b") : UInt8(ascii: "a")
            let twice = try tokenizer(letter, other, in: directory)
            let error = try #require(throws: TokenizerError.self) { try twice.write(toSnapshot: folder) }
            #expect(error.code == .conflictingTokens)
        }
    }

    private func check(_ name: String, _ gguf: URL) throws {
        let tokenizer = try Tokenizer(gguf: GGUFFile(gguf))
        try withTemporaryDirectory { directory in
            try tokenizer.write(toSnapshot: directory)
            try keep(directory, name)
            let written = try Tokenizer(snapshot: directory)
            #expect(written.addedTokens == tokenizer.addedTokens)
            #expect(written.roles == tokenizer.roles)
            for index in 0..<500 {
                let text = HostileStrings.string(index)
                let expected = tokenizer.encode(text, specials: .asConfigured)
                #expect(written.encode(text, specials: .asConfigured) == expected)
            }
            #expect(throws: FormatError.self) { try tokenizer.write(toSnapshot: directory) }

            // `tokenizers_written.py` had the reference load a file with this digest.
            let digest = try Digest.sha256(contentsOf: directory.appending(path: "tokenizer.json"))
            let checked = try GoldenFile.json("tokenizers/written.json")[ByteString(name)]
            #expect(checked?.stringValue == digest)
        }
    }

    /// Leaves what was written where `tokenizers_written.py` can check it.
    private func keep(_ directory: URL, _ name: String) throws {
        guard let root = ProcessInfo.processInfo.environment["SUTURE_KEEP_SNAPSHOTS"] else { return }
        let kept = URL(filePath: root).appending(path: name)
        try? FileManager.default.removeItem(at: kept)
        try FileManager.default.createDirectory(at: URL(filePath: root), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: directory, to: kept)
    }
}
