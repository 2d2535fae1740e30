import Foundation
import SutureFormats
import Testing

@testable import SutureReports

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// What a strict reader finds in a page.
private final class Page: NSObject, XMLParserDelegate {
    private(set) var elements: [String] = []
    private(set) var attributes: [String] = []
    private(set) var sources: [String] = []
    private(set) var text = ""
    private(set) var json = ""
    private var isScript = false

    init(_ html: String) throws {
        super.init()
        let parser = XMLParser(data: Data(html.utf8))
        parser.delegate = self
        try #require(parser.parse(), "not well-formed: \(parser.parserError.map { "\($0)" } ?? "?")")
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        elements.append(name)
        self.attributes += attributes.keys
        sources += [attributes["src"]].compactMap(\.self)
        isScript = name == "script"
    }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        isScript = false
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        if isScript { json += string } else { text += string }
    }
}

@Suite("An HTML report")
struct HTMLTests {
    @Test(
        "takes hostile text for text, in every place",
        arguments: [
            "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</style></title></script>", "]]>",
            "<!--", "&lt;b&gt;", "' onload='x", "a\u{0}b\u{1B}[31m\u{7F}\u{85}", "\u{202E}gpj.exe\u{2066}",
            "\u{FFFF}\u{FFFE}\u{1FFFE}", "\n", "\t \r\n", "", "🧑‍🚀 नमस्ते 漢字", String(repeating: "x", count: 5000)
        ])
    func hostile(text: String) throws {
        let html = try Samples.report(text).html()
        let page = try Page(html)
        let harmless = try Page(try Samples.report("harmless").html())
        #expect(Set(page.elements).isSubset(of: harmless.elements + ["del"]))
        #expect(page.elements.filter { $0 == "script" || $0 == "style" }.count == 2)
        #expect(page.attributes.allSatisfy { !$0.hasPrefix("on") })
        #expect(html.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\t" || !$0.isHidden })
    }

    @Test("shows what has no shape of its own")
    func visible() throws {
        let page = try Page(try Samples.report("a b\n\u{202E}\u{1B}").html())
        #expect(page.text.contains("a·b⏎‹U+202E›␛"))
    }

    @Test("embeds exactly the JSON of the report")
    func embedded() throws {
        let report = try Samples.report("</script>\u{2028}\u{FFFF}😀&")
        let json = try Page(report.html()).json
        #expect(!json.contains("<"))
        let embedded = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary
        let original = try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? NSDictionary
        #expect(embedded != nil && embedded == original)
    }

    @Test("fetches nothing and runs nothing")
    func selfContained() throws {
        let html = try Samples.report("x").html()
        let page = try Page(html)
        #expect(!page.attributes.contains("href"))
        // The bytes of a picture are in the page.
        #expect(page.sources == ["data:image/png;base64,iVA="])
        #expect(!html.contains("url(") && !html.contains("@import"))
        #expect(page.elements.filter { $0 == "script" }.count == 1)
    }

    @Test("names every drawing, and gives its values as a table")
    func accessible() throws {
        let html = try Samples.report("x").html()
        let page = try Page(html)
        #expect(page.elements.filter { $0 == "figure" }.count == 6)
        #expect(page.elements.filter { $0 == "details" }.count == 6)
        let drawings = html.components(separatedBy: "role=\"img\"").dropFirst()
        #expect(!drawings.isEmpty)
        #expect(drawings.allSatisfy { $0.hasPrefix(" aria-label=\"") })
        #expect(drawings.allSatisfy { $0.split(separator: ">", maxSplits: 1).last?.hasPrefix("<title") ?? false })
    }

    @Test(
        "draws every kind of value, or says that there is none",
        arguments: [
            [], [0], [1], [3, 3, 3], [.nan], [.infinity, -.infinity], [.nan, 1, 2], [-1, 0, 1], [1e308, -1e308],
            [.leastNonzeroMagnitude, .leastNormalMagnitude], [1e15, 1e15 + 1], [.greatestFiniteMagnitude, 1e-300]
        ])
    func values(_ values: [Double]) throws {
        let report = try Report(
            title: "values", schema: "suture.test/1", data: values.isEmpty ? [:] : ["first": values[0]],
            blocks: Samples.charts(values))
        let html = report.html()
        let page = try Page(html)
        #expect(page.text.contains("Nothing to show.") == values.isEmpty)
        for place in [" x=", " y=", " width=", " height=", " x1=", " x2=", " y1=", " y2="] {
            #expect(
                !html.contains("\(place)\"nan") && !html.contains("\(place)\"inf") && !html.contains("\(place)\"-inf"))
        }
        #expect(!report.markdown().isEmpty && !report.terminal().isEmpty)
        #expect(!report.terminal(isUnicode: false).isEmpty)
    }
}
