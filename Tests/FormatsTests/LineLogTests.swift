import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@Suite("Logs of lines")
struct LineLogTests {
    private func text(_ url: URL) throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }

    @Test("grow by whole lines, and a torn one is cut off", arguments: ["", "a\n", "a\n\nb\n"], ["", "c", "{\"x\":"])
    func torn(_ whole: String, _ rest: String) throws {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "log")
            try Data((whole + rest).utf8).write(to: url)
            let lines = whole.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { Array($0.utf8) }
            do {
                let log = try LineLog(url)
                #expect(log.lines == lines)
                #expect(try text(url) == whole)
                try log.append(Array("d".utf8))
                try log.append([])
            }
            #expect(try text(url) == whole + "d\n\n")
            #expect(try LineLog(url).lines == lines + [Array("d".utf8), []])
        }
    }

    @Test("belong to one writer at a time, and are made where none is")
    func busy() throws {
        try withQuickDirectory { directory in
            let url = directory.appending(path: "log")
            do {
                let log = try LineLog(url)
                let error = #expect(throws: FormatError.self) { try LineLog(url) }
                #expect(error?.code == .busy)
                try log.append(Array("x".utf8))
            }
            #expect(try LineLog(url).lines == [Array("x".utf8)])
            #expect(throws: FormatError.self) { try LineLog(directory.appending(path: "none/log")) }
            #expect(throws: FormatError.self) { try LineLog(directory) }
        }
    }
}
