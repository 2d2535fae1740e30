import Foundation
import SutureFormats
import SutureTestSupport
import Testing

/// A file or directory that is wrong in one way, from the manifest of `Tests/Goldens/hostile`.
struct HostileCase: Sendable, CustomTestStringConvertible {
    let path: String
    let reader: String
    let code: FormatError.Code

    var testDescription: String { path }

    static let all: [HostileCase] = {
        let url = Goldens.url("hostile/manifest.json")
        guard let manifest = try? JSON.parse(contentsOf: url), let cases = manifest["cases"]?.arrayValue else {
            return []
        }
        return cases.compactMap { entry in
            guard let path = entry["path"]?.stringValue, let reader = entry["reader"]?.stringValue,
                let code = entry["code"]?.stringValue.flatMap(FormatError.Code.init(rawValue:))
            else { return nil }
            return HostileCase(path: path, reader: reader, code: code)
        }
    }()

    func read() throws {
        let url = Goldens.url("hostile").appending(path: path)
        switch reader {
        case "json": _ = try JSON.parse(contentsOf: url)
        case "safetensors": _ = try SafetensorsFile(url)
        case "gguf": _ = try GGUFFile(url)
        case "snapshot": _ = try SnapshotDirectory(url)
        default: Issue.record("no such reader: \(reader)")
        }
    }
}

@Suite("Hostile files")
struct HostileFileTests {
    @Test("the manifest is read as a whole")
    func manifest() throws {
        let manifest = try JSON.parse(contentsOf: Goldens.url("hostile/manifest.json"))
        #expect(manifest["cases"]?.arrayValue?.count == HostileCase.all.count)
        #expect(HostileCase.all.count >= 100)
    }

    @Test("each is refused for its own reason, in one line", arguments: HostileCase.all)
    func refusal(hostile: HostileCase) throws {
        let error = try #require(throws: FormatError.self) { try hostile.read() }
        #expect(error.code == hostile.code, "\(error)")
        #expect(error.kind == .badInput)
        #expect(error.subject != nil, "\(error)")
        #expect(!error.description.contains { $0.isNewline })
        #expect(error.description.utf8.count < 800, "\(error)")
    }
}

/// Mutated files must be refused or read, whatever is in them: a crash fails the run.
@Suite("Mutated files")
struct MutatedFileTests {
    private static let rounds = 2000

    private func mutate(_ original: [UInt8], with generator: inout SplitMix64) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            let position = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: bytes.removeSubrange(position...)
            case 3: bytes.remove(at: position)
            case 4: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: position)
            default: bytes[position] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
            }
        }
        return bytes
    }

    /// Runs `read` on mutations of a file; returns how many were refused.
    private func refusals(of original: URL, seed: UInt64, read: (URL) throws -> Void) throws -> Int {
        let bytes = [UInt8](try Data(contentsOf: original))
        var generator = SplitMix64(state: seed)
        var refused = 0
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "mutated")
            for _ in 0..<Self.rounds {
                try Data(mutate(bytes, with: &generator)).write(to: url)
                do {
                    try read(url)
                } catch let error as FormatError {
                    refused += 1
                    if error.description.contains(where: \.isNewline) { Issue.record("two lines: \(error)") }
                }
            }
        }
        return refused
    }

    @Test("safetensors")
    func safetensors() throws {
        let refused = try refusals(of: Goldens.url("formats/reference.safetensors"), seed: 1) { url in
            let file = try SafetensorsFile(url)
            for tensor in file.tensors { _ = file.digest(of: tensor) }
        }
        #expect(refused > Self.rounds / 2)
    }

    @Test("GGUF")
    func gguf() throws {
        let refused = try refusals(of: Goldens.url("formats/small.gguf"), seed: 2) { url in
            let file = try GGUFFile(url)
            for (_, tensor) in file.tensors { _ = try file.dequantize(tensor) }
        }
        #expect(refused > Self.rounds / 4)
    }

    @Test("JSON")
    func json() throws {
        let refused = try refusals(of: Goldens.url("formats/manifest.json"), seed: 3) { url in
            let json = try JSON.parse(contentsOf: url)
            #expect(try JSON.parse(json.serialized()) == json)
        }
        #expect(refused > Self.rounds / 4)
    }
}
