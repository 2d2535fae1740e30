import Testing

@testable import SutureTemplates

/// Held against transformers and jinja2; `Tests/Goldens/generate/templates.py` wrote what they render.
@Suite struct GoldenTests {
    static let moment = TemplateTime(year: 2026, month: 3, day: 7, hour: 9, minute: 5, second: 2)

    private struct Outcome {
        var text: String?
        var code: TemplateError.Code?
        var error = ""
    }

    private func outcome(_ render: () throws(TemplateError) -> String) -> Outcome {
        do throws(TemplateError) {
            return Outcome(text: try render())
        } catch {
            return Outcome(code: error.code, error: error.description)
        }
    }

    @Test func conversationsOfKnownModels() throws {
        let goldens = try Goldens.read("conversations")
        var templates: [String: ChatTemplate] = [:]
        for (name, source) in try Goldens.read("models")["templates"].variables {
            templates[name] = try ChatTemplate(source.text ?? "")
        }
        #expect(templates.count >= 20)
        var rendered = 0
        var refused = 0
        for entry in goldens["cases"].items {
            let name = entry[0].text ?? ""
            let template = try #require(templates[name])
            let messages = goldens["messages"][entry[1].number ?? -1].items
            let tools = goldens["tools"][entry[2].number ?? -1]
            let extra = goldens["extra"][entry[3].number ?? -1].variables
            let outcome = outcome { () throws(TemplateError) in
                try template.render(
                    messages: messages, tools: tools.items.isEmpty ? nil : tools.items,
                    addGenerationPrompt: entry[4].isTrue, extra: extra, time: Self.moment)
            }
            let expected = entry[5].text
            if let text = outcome.text {
                #expect(text.isSame(expected ?? "(refused)"), "\(name) \(entry[1])")
                rendered += 1
            } else {
                #expect(expected == nil, "\(name) \(entry[1]): \(outcome.error)")
                #expect(outcome.code != .unsupported, "\(name) \(entry[1]): \(outcome.error)")
                refused += 1
            }
        }
        #expect(rendered >= 500)
        #expect(refused >= 100)
    }

    @Test func randomSnippets() throws {
        let goldens = try Goldens.read("snippets")
        let variables = goldens["context"].variables
        var equal = 0
        var unsupported = 0
        for entry in goldens["cases"].items {
            let source = entry[0].text ?? ""
            let expected = entry[1].text
            let outcome = outcome { () throws(TemplateError) in
                try ChatTemplate(source).render(variables, time: Self.moment)
            }
            if let text = outcome.text {
                let isSame = expected.map { $0.isSame(text) } ?? false
                #expect(isSame, "\(source.debugDescription): \(text.debugDescription)")
                equal += 1
            } else if expected != nil {
                #expect(outcome.code == .unsupported, "\(source.debugDescription): \(outcome.error)")
                unsupported += 1
            }
        }
        #expect(equal >= 1000)
        // What jinja2 renders and this interpreter refuses: one in fifty at most.
        #expect(unsupported * 50 <= equal)
    }
}
