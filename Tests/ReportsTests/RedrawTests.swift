import Foundation
import SutureFormats
import SutureReports
import SutureTestSupport
import Testing

@Suite("Pages drawn from kept results")
struct RedrawTests {
    @Test(
        "a kept result is read whole: its page has the same JSON",
        arguments: [
            "facts-smollm2", "illusion-smollm2", "planted-learned", "starts-smollm2", "circuit-smollm2",
            "signatures-cnn",
            "signatures-cnn-half",
            "signatures-vgg11"
        ])
    func same(name: String) throws {
        let file = Goldens.checkout.appending(path: "Documentation/reports/\(name).json")
        let page = try Report(redrawing: file)
        let (kept, drawn) = (try JSON.parse([UInt8](Data(contentsOf: file)), source: name), page.json)
        #expect(try JSON.parse(Array(drawn.utf8), source: "page") == kept)
        #expect(page.html().hasPrefix("<!DOCTYPE html>"))
    }

    @Test(
        "what is no result is refused in one line",
        arguments: [
            ("{}", "no page can be drawn from this"), ("[1]", "no page can be drawn from this"), ("{", "result.json"),
            (#"{"schema": "suture.train/1"}"#, "schema suture.train/1"),
            (#"{"schema": "suture.facts/1"}"#, "is missing"),
            (#"{"schema": "suture.sweep/1", "model": 3}"#, "wrong type")
        ])
    func refused(text: String, reason: String) throws {
        try withTemporaryDirectory { directory in
            let file = directory.appending(path: "result.json")
            try Data(text.utf8).write(to: file)
            let error = #expect(throws: FormatError.self) { try Report(redrawing: file) }
            let line = error?.description ?? ""
            #expect(line.contains(reason) && !line.contains("\n"))
        }
    }
}
