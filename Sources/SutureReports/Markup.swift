import SutureFormats

/// A piece of HTML. Text and attributes are escaped when it is written, so no string can become markup.
///
/// What is written is also well-formed XML, which lets tests check it strictly.
indirect enum Markup: ExpressibleByStringLiteral {
    case text(String)
    case element(String, [(name: String, value: String)], [Markup])
    /// A JSON document as it stands in a `script` element.
    case json(String)
    /// The style sheet: our own constant, never text from outside.
    case style(String)

    init(stringLiteral value: String) {
        self = .text(value)
    }

    /// A whole document.
    func document() -> String {
        var output = "<!DOCTYPE html>\n"
        write(to: &output)
        return output + "\n"
    }

    private func write(to output: inout String) {
        switch self {
        case .text(let text):
            Self.escape(text, to: &output)
        case .element(let name, let attributes, let children):
            output += "<\(name)"
            for attribute in attributes {
                output += " \(attribute.name)=\""
                Self.escape(attribute.value, to: &output)
                output += "\""
            }
            if Self.voidElements.contains(name) {
                output += "/>"
                return
            }
            output += ">"
            for child in children { child.write(to: &output) }
            output += "</\(name)>"
            if Self.lineElements.contains(name) { output += "\n" }
        case .json(let json):
            output += #"<script type="application/json" id="report-data">"#
            Self.escape(json: json, to: &output)
            output += "</script>\n"
        case .style(let css):
            output += "<style>\n\(css)</style>\n"
        }
    }

    private static let voidElements: Set = ["meta", "br", "img"]
    /// Followed by a line break, for those who read the source.
    private static let lineElements: Set = [
        "head", "title", "header", "section", "figure", "details", "div", "h1", "h2", "p", "tr", "table", "svg", "g",
        "figcaption", "footer", "main"
    ]

    private static func escape(_ text: String, to output: inout String) {
        for scalar in Visible.text(text).unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "\"": output += "&quot;"
            default: output.unicodeScalars.append(scalar)
            }
        }
    }

    /// Writes what could end the element, or is hidden, as JSON's own escapes: it stands only inside strings.
    private static func escape(json: String, to output: inout String) {
        for scalar in json.unicodeScalars {
            let isMarkup = scalar == "<" || scalar == ">" || scalar == "&"
            if isMarkup || (scalar != "\n" && scalar.isHidden) {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                output.unicodeScalars.append(scalar)
            }
        }
    }
}

/// An element: `tag("p", ["class": "note"], "text")`. Attributes keep their order; nil ones are left out.
func tag(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: Markup...) -> Markup {
    tag(name, attributes, children)
}

func tag(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: [Markup]) -> Markup {
    .element(name, attributes.compactMap { key, value in value.map { (key, $0) } }, children)
}
