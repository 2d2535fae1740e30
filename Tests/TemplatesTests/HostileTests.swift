import Foundation
import Testing

@testable import SutureTemplates

/// Templates that would use up the stack, the memory or the time.
@Suite struct HostileTests {
    /// The code of the error that rendering ends with, called from a thread with a small stack.
    private func code(_ source: String, limits: TemplateLimits = .standard) -> TemplateError.Code? {
        final class Box: @unchecked Sendable { var code: TemplateError.Code? }
        let box = Box()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            do throws(TemplateError) {
                _ = try ChatTemplate(source, limits: limits).render(["x": 1])
            } catch {
                box.code = error.code
            }
            done.signal()
        }
        thread.stackSize = 512 * 1024
        thread.start()
        done.wait()
        return box.code
    }

    private var quick: TemplateLimits {
        var limits = TemplateLimits.standard
        limits.steps = 200_000
        limits.memory = 20_000_000
        limits.output = 1_000_000
        return limits
    }

    @Test(arguments: [
        ("{{ " + String(repeating: "(", count: 10_000) + "1" + String(repeating: ")", count: 10_000) + " }}"),
        ("{{ " + String(repeating: "[", count: 10_000) + " }}"),
        ("{{ " + String(repeating: "-", count: 10_000) + "1 }}"),
        ("{{ " + String(repeating: "not ", count: 10_000) + "1 }}"),
        ("{{ 1" + String(repeating: " + 1", count: 10_000) + " }}"),
        ("{{ x" + String(repeating: "|upper", count: 10_000) + " }}"),
        ("{{ x" + String(repeating: ".a", count: 10_000) + " }}"),
        ("{{ x" + String(repeating: " if x else x", count: 10_000) + " }}"),
        (String(repeating: "{% if x %}", count: 10_000)),
        (String(repeating: "{% for a in x %}", count: 10_000)),
        ("{% set " + String(repeating: "(", count: 10_000) + "a = 1 %}"),
        ("{% for i in range(10**9) %}{% endfor %}"),
        ("{{ 'a' * 10**9 }}"), ("{{ [1] * 10**18 }}"), ("{{ 'a'.center(10**12) }}"), ("{{ 'a'|indent(10**12) }}"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
        ("{% macro f(a=f()) %}{% endmacro %}{{ f() }}"),
        ("{% macro f() %}{% call f() %}{% endcall %}{{ caller }}{% endmacro %}{% call f() %}{% endcall %}"),
        ("{% set n = namespace(v=[]) %}{% for i in range(1000) %}{% set n.v = [n.v] %}{% endfor %}"),
        ("{% set n = namespace(v=[1]) %}{% for i in range(90) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v }}"),
        ("{% set n = namespace(v=[1]) %}{% for i in range(90) %}{% set n.v = [n.v, n.v] %}{% endfor %}"
            + "{{ n.v == n.v }}"),
        ("{% set n = namespace(v='a') %}{% for i in range(99) %}{% set n.v = n.v ~ n.v %}{% endfor %}"),
        ("{% set n = namespace(v=[1]) %}{% for i in range(999) %}{% set n.v = n.v|map('upper') %}{% endfor %}"),
        ("{% for i in range(100000) %}{% for i in range(100000) %}{% for i in range(100000) %}"
            + "{% endfor %}{% endfor %}{% endfor %}"),
        ("{% for i in range(100000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}")
    ])
    func bounded(_ source: String) {
        #expect(code(source, limits: quick) == .limit, "\(source.prefix(100))")
    }

    @Test func deepestThatIsAllowed() {
        let depth = 25
        let nested = "{{ " + String(repeating: "(", count: depth) + "1" + String(repeating: ")", count: depth) + " }}"
        #expect(code(nested) == nil)
        let lists = "{{ " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "|tojson }}"
        #expect(code(lists) == nil)
        let blocks = String(repeating: "{% if x %}", count: depth) + String(repeating: "{% endif %}", count: depth)
        #expect(code(blocks) == nil)
    }

    @Test(arguments: [
        "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 2**64 }}", "{{ 9999999999999999999 }}",
        "{{ 3037000500 * 3037000500 }}", "{{ '1e30'|int }}"
    ])
    func overflow(_ source: String) {
        #expect(code(source) == .unsupported)
    }

    @Test func chainsOfNamespacesAreFreed() {
        let chain = """
            {% set n = namespace() %}{% set n.head = n %}
            {% for i in range(50000) %}{% set m = namespace(next=n.head) %}{% set n.head = m %}{% endfor %}
            """
        #expect(code(chain) == nil)
    }

    @Test func anyCutIsAnErrorOrAText() throws {
        for (_, source) in try Goldens.read("models")["templates"].variables {
            let scalars = Array((source.text ?? "").unicodeScalars)
            for count in stride(from: 0, to: scalars.count, by: 23) {
                do {
                    _ = try ChatTemplate(String(scalars: scalars[..<count])).render(["messages": []])
                } catch {
                    #expect(!error.what.isEmpty && (1...max(1, count)).contains(error.line))
                }
            }
        }
    }
}
