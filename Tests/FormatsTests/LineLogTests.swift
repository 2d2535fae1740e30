import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@Suite("Logs of lines")
struct LineLogTests {
    private struct NoLog: Error {}

    private let first = Array("first".utf8)

    private func text(_ url: URL) throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }

    /// Opens a log whose first line is "first", and whose others are single letters.
    private func open(_ url: URL) throws -> LineLog {
        try LineLog(url, firstLine: first) { lines in
            guard lines.first == first, lines.dropFirst().allSatisfy({ $0.count == 1 }) else { throw NoLog() }
        }
    }

    @Test(
        "grow by whole lines, and a torn one is cut off",
        arguments: [("", ""), ("", "fir"), ("first\n", ""), ("first\n", "xyz"), ("first\na\nb\n", "{\"x\":")])
    func torn(_ whole: String, _ rest: String) throws {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "log")
            try Data((whole + rest).utf8).write(to: url)
            let expected = whole.isEmpty ? "first\n" : whole
            do {
                let log = try open(url)
                #expect(log.lines.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined() == expected)
                #expect(try text(url) == expected)
                try log.append(Array("d".utf8))
            }
            #expect(try text(url) == expected + "d\n")
            #expect(try open(url).lines.last == Array("d".utf8))
        }
    }

    @Test(
        "a file that is no such log is left as it is",
        arguments: ["{\"version\": 1}", "a note\nwithout an end", "\n", "firstly", "first\nxyz\nb\n", "first\n\nc"])
    func other(_ content: String) throws {
        try withQuickDirectory { directory in
            let (url, link) = (directory.appending(path: "file"), directory.appending(path: "link"))
            try Data(content.utf8).write(to: url)
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: url)
            for place in [url, link] {
                #expect(throws: NoLog.self) { try open(place) }
                #expect(try text(url) == content)
            }
        }
    }

    @Test("belong to one writer at a time, and are made where none is")
    func busy() throws {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "log")
            do {
                let log = try open(url)
                let error = #expect(throws: FormatError.self) { try open(url) }
                #expect(error?.code == .busy)
                try log.append(Array("x".utf8))
            }
            #expect(try open(url).lines == [first, Array("x".utf8)])
            func code(_ url: URL) -> FormatError.Code? { #expect(throws: FormatError.self) { try open(url) }?.code }
            #expect(code(directory.appending(path: "none/log")) == .badPlace)
            #expect(code(directory) == .badPlace)
            let pipe = directory.appending(path: "pipe")
            #expect(mkfifo(pipe.path, 0o600) == 0)
            #expect(code(pipe) == .notARegularFile)
        }
    }
}
