import Foundation
import SutureCore
import SutureFormats
import SutureTestSupport
import Testing

@Suite("Files")
struct AtomicFileTests {
    private struct Interruption: Error {}

    @Test("a file is not replaced unless asked")
    func overwriting() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "file")
            try AtomicFile.write([1], to: url)
            let error = try #require(throws: FormatError.self) { try AtomicFile.write([2], to: url) }
            #expect(error.code == .alreadyExists && error.kind == .refused)
            #expect(try Data(contentsOf: url) == Data([1]))
            try AtomicFile.write([3], to: url, overwriting: true)
            #expect(try Data(contentsOf: url) == Data([3]))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["file"])
        }
    }

    @Test("an interrupted writing leaves the old state", arguments: [false, true])
    func interruption(existed: Bool) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "file")
            if existed { try AtomicFile.write([1], to: url) }
            #expect(throws: Interruption.self) {
                try AtomicFile.write(to: url, overwriting: true) { file in
                    try [UInt8](repeating: 7, count: 1 << 20).withUnsafeBytes { try file.append($0) }
                    throw Interruption()
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == (existed ? ["file"] : []))
            if existed { #expect(try Data(contentsOf: url) == Data([1])) }
        }
    }

    @Test("a file that appears while another is written is not replaced")
    func race() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "file")
            let error = try #require(throws: FormatError.self) {
                try AtomicFile.write(to: url) { _ in try Data([9]).write(to: url) }
            }
            #expect(error.code == .alreadyExists)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["file"])
            #expect(try Data(contentsOf: url) == Data([9]))
        }
    }

    @Test("small and large pieces arrive in order")
    func pieces() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "file")
            var expected: [UInt8] = []
            try AtomicFile.write(to: url) { file in
                for size in [1, 100_000, 3, 200_000, 0, 400_000, 5] {
                    let piece = (0..<size).map { UInt8(truncatingIfNeeded: $0 + size) }
                    expected += piece
                    try piece.withUnsafeBytes { try file.append($0) }
                }
            }
            #expect(try [UInt8](Data(contentsOf: url)) == expected)
        }
    }

    @Test("a directory that is not there is an error")
    func noDirectory() throws {
        try withTemporaryDirectory { directory in
            let error = try #require(throws: FormatError.self) {
                try AtomicFile.write([1], to: directory.appending(path: "missing/file"))
            }
            #expect(error.code == .badPlace && error.kind == .usage)
        }
    }

    @Test("only regular files are mapped")
    func mapping() throws {
        try withTemporaryDirectory { directory in
            func code(_ url: URL) throws -> FormatError.Code {
                try #require(throws: FormatError.self) { try MappedFile(url) }.code
            }
            #expect(try code(directory) == .notARegularFile)
            #expect(try code(directory.appending(path: "missing")) == .missingFile)
            let pipe = directory.appending(path: "pipe")
            #expect(mkfifo(pipe.path, 0o600) == 0)
            #expect(try code(pipe) == .notARegularFile)
            let empty = directory.appending(path: "empty")
            try AtomicFile.write([], to: empty)
            #expect(try MappedFile(empty).bytes.isEmpty)
        }
    }

    @Test("temporary directories of many at one place do not take one another for leftovers")
    func temporaryDirectories() throws {
        try withQuickDirectory { parent in
            let seen = try Parallel.map(Array(0..<400), threads: 8) { number in
                try TemporaryDirectory.use(in: parent) { directory in
                    let file = directory.appending(path: "own")
                    try Data("\(number)".utf8).write(to: file)
                    return try String(contentsOf: file, encoding: .utf8) == "\(number)"
                }
            }
            #expect(seen == Array(repeating: true, count: 400))
            #expect(try FileManager.default.contentsOfDirectory(atPath: parent.path) == [])
        }
    }
}
