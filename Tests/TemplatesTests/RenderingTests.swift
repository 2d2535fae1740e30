import Testing

@testable import SutureTemplates

@Suite struct RenderingTests {
    private func render(_ source: String, _ variables: [String: TemplateValue] = [:]) throws -> String {
        try ChatTemplate(source).render(
            variables, time: TemplateTime(year: 2024, month: 2, day: 29, hour: 13, minute: 5, second: 9))
    }

    @Test func values() throws {
        let value: TemplateValue = ["a": [1, 2.5, true, nil, "it's"], "b": ["c": "\n"]]
        #expect(try render("{{ v }}", ["v": value]) == #"{'a': [1, 2.5, True, None, "it's"], 'b': {'c': '\n'}}"#)
        #expect(
            try render("{{ v | tojson }}", ["v": value])
                == #"{"a": [1, 2.5, true, null, "it's"], "b": {"c": "\n"}}"#)
        #expect(try render("[{{ v }}{{ w }}]", ["v": .undefined]) == "[]")
    }

    @Test func equalityIsByCodePoints() throws {
        #expect(try render("{{ 'e\u{301}' == '\u{e9}' }} {{ 'e\u{301}'|length }}") == "False 2")
        #expect(try render("{{ {'e\u{301}': 1, '\u{e9}': 2}|length }}") == "2")
        #expect(try render("{{ '\r\n'|length }} {{ 'a\\r\\nb'.split('\\n') }}") == #"1 ['a\r', 'b']"#)
    }

    @Test(arguments: [
        (1e16, "1e+16"), (1e15, "1000000000000000.0"), (0.0001, "0.0001"), (0.00001, "1e-05"), (-0.0, "-0.0"),
        (123_456_789.125, "123456789.125"), (Double.leastNonzeroMagnitude, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (.infinity, "inf"), (.nan, "nan"), (100, "100.0"), (1.5e22, "1.5e+22"),
        (9_999_999_999_999_998, "9999999999999998.0")
    ])
    func floats(_ number: Double, _ text: String) {
        #expect(number.pythonDescription == text)
    }

    @Test func times() throws {
        #expect(
            try render("{{ strftime_now('%d %b %Y, %A %B %-d %H:%M:%S %j %I%p %y%%') }}")
                == "29 Feb 2024, Thursday February 29 13:05:09 060 01PM 24%")
        #expect(throws: TemplateError.self) { try render("{{ strftime_now('%Q') }}") }
    }
}
