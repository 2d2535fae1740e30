import Testing

@testable import SutureTemplates

/// Errors name their line, in one line.
@Suite struct ErrorTests {
    private func error(_ source: String, _ variables: [String: TemplateValue] = [:]) -> TemplateError? {
        do throws(TemplateError) {
            _ = try ChatTemplate(source).render(variables)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ("a\n{{ b.c }}", 2, TemplateError.Code.undefined), ("a\n\n{% foo %}", 3, .syntax), ("{{ 1\n+ }}", 2, .syntax),
        ("\n{{ 1 | nothing }}", 2, .unsupported), ("\n{% include 'a' %}", 2, .unsupported),
        ("{# a\n b #}\n{{ raise_exception('no') }}", 3, .raised), ("{% if 1 %}\n{{ 1 / 0 }}{% endif %}", 2, .value),
        ("{% for i in [] recursive %}{% endfor %}", 1, .unsupported), ("a\n{{ 'b }}", 2, .syntax),
        ("{% raw %}\n{{", 1, .syntax), ("{% for i in [1] %}\n\n{{ [].append(i) }}{% endfor %}", 3, .undefined),
        ("{% break %}", 1, .syntax), ("\n{{ x is odd }}", 2, .undefined), ("{% set n = namespace(_a=1) %}", 1, .value)
    ])
    func lineAndCode(_ source: String, _ line: Int, _ code: TemplateError.Code) {
        let error = error(source)
        #expect(error?.line == line)
        #expect(error?.code == code, "\(source): \(String(describing: error))")
    }

    @Test func oneLineThatSaysWhatToDo() {
        let error = error("\n{{ raise_exception('Roles must\nalternate') }}")
        let text = """
            line 2 of the chat template: the template refuses these messages: Roles must alternate; \
            change the messages to what this model's template accepts
            """
        #expect(error?.description == text)
    }
}
