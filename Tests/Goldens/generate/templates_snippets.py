"""Random template snippets over the grammar that chat templates use."""

CONTEXT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What's \"2+2\"?\n", "n": 3},
        {"role": "assistant", "content": " 4 ", "tool_calls": [{"name": "add", "arguments": {"a": 2, "b": [1, None]}}]},
        {"role": "user", "content": "Größe \u4f60\u597d \U0001f600 <b>"},
    ],
    "n": 3, "zero": 0, "neg": -7, "x": 2.5, "big": 1e20, "s": "Hello, World", "empty": "", "sp": "  a b\tc \n", "u": "\u00e9\u00df\u01c6",
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}], "d": {"b": 1, "a": 2, "C": {"x": [1, 2]}},
    "none": None, "t": True, "f": False, "words": ["alpha", "beta", "", "gamma delta"],
}

TEXTS = ["''", "'a'", "'ab'", "\"it's\"", "'\\n'", "' x '", "'a,b,,c'", "'\\u00e9'", "'%s-%s'", "'{}{}'", "'A b-c'", "'12'", "'-3.5'", "'é'"]
INTS = ["0", "1", "2", "3", "-1", "-2", "7", "10", "100"]
FLOATS = ["0.5", "1.0", "2.5", "-1.5", "1e3", "3.14159", "1e16", "1e-7"]
NAMES = list(CONTEXT) + ["missing", "loop", "ns", "item", "v"]
ROLES = ["'system'", "'user'", "'assistant'", "'tool'"]
STRING_CALLS = ["strip()", "lstrip()", "rstrip()", "upper()", "lower()", "title()", "capitalize()", "split()", "split(',')", "split(' ', 1)",
    "rsplit(',', 1)", "splitlines()", "startswith('a')", "endswith('c')", "startswith(('H','a'))", "replace('a','b')", "replace('','-')", "replace('a','b',1)",
    "find('a')", "rfind('a')", "count('a')", "index('a')", "strip('ab')", "lstrip('H')", "rstrip('.\\n')", "isdigit()", "isalpha()", "isspace()",
    "isupper()", "islower()", "isalnum()", "join(ls)", "join('xyz')", "zfill(5)", "center(9)", "ljust(6)", "rjust(6,'*')", "partition(',')", "rpartition(' ')",
    "removeprefix('He')", "removesuffix('ld')", "format(1, n)", "append(1)", "nope()", "__class__", "items()", "get('a')"]
DICT_CALLS = ["items()", "keys()", "values()", "get('a')", "get('zz')", "get('zz', 5)", "copy()", "update(l)", "a", "zz", "pop('a')", "items()|list", "keys()|list"]
LIST_CALLS = ["index(1)", "count(1)", "append(2)", "copy()", "pop()", "sort()", "0", "1", "9"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "mapping", "sequence", "iterable", "boolean", "true", "false", "odd", "even",
    "lower", "upper", "callable", "divisibleby 3", "divisibleby(2)", "equalto 3", "eq(n)", "ne 1", "lt 3", "gt(2)", "ge 3", "le 3", "in [1, 2, 3]", "in l", "sameas none", "sameas true",
    "unknowntest", "equalto('a')", "eq"]
FILTERS = ["trim", "upper", "lower", "title", "capitalize", "length", "count", "first", "last", "join", "join(',')", "join(', ', attribute='role')", "replace('a','b')", "replace('a','b',1)",
    "default('z')", "default('z', true)", "d(1)", "list", "tojson", "tojson(indent=2)", "tojson(indent=4)", "tojson(separators=(',', ':'))", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)",
    "int", "int(9)", "float", "string", "safe", "e", "escape", "items|list", "items", "dictsort", "dictsort(by='value')", "dictsort(reverse=true)", "selectattr('role')|list", "selectattr('role','equalto','user')|list",
    "selectattr('n','defined')|list|length", "rejectattr('role','eq','user')|map(attribute='content')|list", "rejectattr('n')|list", "select|list", "select('string')|list", "reject('none')|list", "reject|list",
    "select('gt', 1)|list", "map('upper')|list", "map(attribute='role')|list", "map(attribute='n', default=0)|list", "map('string')|join('-')", "map('default', 'x')|list", "map(attribute='content')|join", "sort", "sort(reverse=true)",
    "sort(case_sensitive=true)", "sort(attribute='role')", "unique|list", "unique(attribute='role')|list", "unique(case_sensitive=true)|list", "reverse", "reverse|list", "sum", "sum(start=2)", "sum(attribute='n')", "min", "max", "min(attribute='role')",
    "round", "round(1)", "round(2,'ceil')", "round(0,'floor')", "abs", "indent", "indent(2)", "indent(2, true)", "indent(2, first=true, blank=true)", "batch(2)|list", "batch(3,'x')|list", "slice(2)|list", "slice(3, 0)|list",
    "wordcount", "format(1, 2)", "format('a')", "center(12)", "truncate(5)", "truncate(6, true, '')", "truncate(3, leeway=0)", "attr('a')", "trim('a')", "unknownfilter", "join(1)", "first|upper", "list|length", "map('int')|list", "map('length')|list",
    "length(1)", "replace('a')", "tojson(x=1)", "xmlattr", "random"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "+", "~", "==", "and", "or", "in"]


class Snippets:
    def __init__(self, rng):
        self.rng = rng

    def pick(self, items):
        return self.rng.choice(items)

    def chance(self, p):
        return self.rng.random() < p

    def atom(self):
        r = self.rng.random()
        if r < 0.16: return self.pick(TEXTS)
        if r < 0.28: return self.pick(INTS)
        if r < 0.34: return self.pick(FLOATS)
        if r < 0.40: return self.pick(["true", "false", "none", "True", "None", "False"])
        if r < 0.70: return self.pick(NAMES)
        if r < 0.78: return self.pick(["messages[0]", "messages[-1]['content']", "messages[1].content", "messages[2].tool_calls[0].arguments", "messages[2]['tool_calls']", "d.C.x", "d['a']", "messages[9]", "d.zz", "l[1]", "s[0]", "words[-1]"])
        if r < 0.83: return "[" + ", ".join(self.atom() for _ in range(self.rng.randint(0, 3))) + "]"
        if r < 0.86: return "(" + ", ".join(self.atom() for _ in range(self.rng.randint(0, 3))) + self.pick([")", ",)"])
        if r < 0.90: return "{" + ", ".join(self.pick(TEXTS + INTS) + ": " + self.atom() for _ in range(self.rng.randint(0, 2))) + "}"
        if r < 0.94: return self.pick(["range(3)", "range(1, 6, 2)", "range(5, 0, -2)", "range(n)|list", "dict(a=1, b=n)", "dict(d, z=1)", "namespace(a=1).a", "range(0)"])
        return self.pick(["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.previtem", "loop.nextitem", "loop.cycle('a','b')", "loop.depth", "loop.changed(1)", "ns.a", "item.role", "item['content']"])

    def expr(self, depth=0):
        r = self.rng.random()
        if depth > 3 or r < 0.22: return self.atom()
        if r < 0.36: return self.wrap(self.expr(depth + 1)) + "|" + self.pick(FILTERS)
        if r < 0.44: return self.wrap(self.expr(depth + 1)) + "." + self.pick(STRING_CALLS)
        if r < 0.47: return self.pick(["d", "messages[0]", "messages[2].tool_calls[0]", "{'a': 1}"]) + "." + self.pick(DICT_CALLS)
        if r < 0.49: return self.pick(["l", "ls", "[1, 1]", "(1, 2)", "mixed"]) + "." + self.pick(LIST_CALLS)
        if r < 0.56: return self.wrap(self.expr(depth + 1)) + self.slice()
        if r < 0.62: return self.wrap(self.expr(depth + 1)) + " is " + self.pick(["", "", "not "]) + self.pick(TESTS)
        if r < 0.84: return self.expr(depth + 1) + " " + self.pick(BINARY) + " " + self.expr(depth + 1)
        if r < 0.88: return self.pick(["not ", "-", "+", "not not ", "- -"]) + self.expr(depth + 1)
        if r < 0.94:
            test = self.wrap(self.expr(depth + 1)) if self.chance(0.8) else self.expr(depth + 1)
            return self.wrap(self.expr(depth + 1)) + " if " + test + self.pick([" else " + self.expr(depth + 1), ""])
        if r < 0.96: return self.expr(depth + 1) + self.pick(["|", " | "]) + self.pick(FILTERS)
        return "(" + self.expr(depth + 1) + ")"

    def wrap(self, text):
        return text if self.chance(0.15) or text.isidentifier() else "(" + text + ")"

    def slice(self):
        def part(): return self.pick(["", "", "0", "1", "2", "-1", "-2", "9", "-9", "n"])
        return self.pick(["[" + self.pick(["0", "1", "-1", "-2", "9", "'a'", "'role'", "n", "x", "true"]) + "]", "[" + part() + ":" + part() + "]", "[" + part() + ":" + part() + ":" + self.pick(["1", "-1", "2", "-2", "0", ""]) + "]"])

    def text(self):
        return self.pick(["", "", " ", "\n", "  \n  ", "text", " a ", "\n\n", "x\n", "\t", "a\n  ", "{ }", "\r\n", "é\n", "%}", "}}", "{", "\n  "])

    def open(self): return self.pick(["{%", "{%", "{%", "{%-", "{%+"])
    def close(self): return self.pick(["%}", "%}", "%}", "-%}", "+%}"])
    def tag(self, body): return self.open() + self.pick([" ", " ", "", "\n "]) + body + self.pick([" ", " ", "\n"]) + self.close()
    def output(self): return self.pick(["{{", "{{", "{{-"]) + " " + self.expr() + " " + self.pick(["}}", "}}", "-}}"])

    def block(self, depth=0):
        r = self.rng.random()
        inner = lambda: self.body(depth + 1)
        if depth > 2 or r < 0.36: return self.output()
        if r < 0.50:
            parts = self.tag("if " + self.expr(1)) + inner()
            if self.chance(0.3): parts += self.tag("elif " + self.expr(1)) + inner()
            if self.chance(0.4): parts += self.tag("else") + inner()
            return parts + self.tag("endif")
        if r < 0.66:
            target, items = self.pick([("item", "messages"), ("item", "l"), ("v", "ls"), ("k, v", "d.items()"), ("k, v", "d|dictsort"), ("v", "range(4)"), ("v", "s"), ("v", "d"), ("a, b", "[(1, 2), (3, 4)]"), ("v", "messages[1:]"), ("v", "messages[::-1]"), ("v", "missing"), ("v", "l|select('gt', 1)"), ("v", self.expr(2))])
            head = "for " + target + " in " + items
            if self.chance(0.25): head += " if " + self.expr(2)
            parts = self.tag(head) + inner()
            if self.chance(0.15): parts += self.tag("if " + self.expr(2)) + self.tag(self.pick(["break", "continue"])) + self.tag("endif") + inner()
            if self.chance(0.15): parts += self.tag("else") + inner()
            return parts + self.tag("endfor")
        if r < 0.76: return self.tag("set " + self.pick(["v", "item", "n", "ns", "a, b"]) + " = " + self.expr(1))
        if r < 0.80: return self.tag("set ns = namespace(a=" + self.expr(2) + ")") + inner() + self.tag("set ns.a = " + self.expr(2)) + "{{ ns.a }}"
        if r < 0.84: return self.tag("set v" + self.pick(["", " | upper", " | trim"])) + inner() + self.tag("endset") + "{{ v }}"
        if r < 0.89:
            args = self.pick(["", "a", "a, b=2", "a=1, b=n", "a, b=a"])
            use = self.pick(["a", "b", "varargs", "kwargs", "a ~ b", "caller()", "n", "v"])
            call = self.pick(["m()", "m(1)", "m(1, 2)", "m(a=3)", "m(b=5, a=6)", "m(1, 2, 3)", "m(1, c=2)", "m(*l)", "m(**d)"])
            parts = self.tag("macro m(" + args + ")") + inner() + "{{ " + use + " }}" + self.tag("endmacro")
            if self.chance(0.2): return parts + self.tag("call " + call) + inner() + self.tag("endcall")
            return parts + "{{ " + call + " }}"
        if r < 0.92: return self.tag("filter " + self.pick(["upper", "trim", "replace('a','b')", "indent(2)|upper", "length"])) + inner() + self.tag("endfilter")
        if r < 0.94: return self.tag("with v = " + self.expr(2)) + inner() + self.tag("endwith")
        if r < 0.96: return self.tag("generation") + inner() + self.tag("endgeneration")
        if r < 0.98: return self.pick(["{#", "{#-"]) + self.text() + "c" + self.pick(["#}", "-#}", "+#}"])
        return self.pick(["{% raw %}", "{%- raw -%}", "{%+ raw %}"]) + self.text() + "{{ x }}" + self.text() + self.pick(["{% endraw %}", "{%- endraw -%}", "{%+ endraw +%}"])

    def body(self, depth=0):
        parts = ""
        for _ in range(self.rng.randint(1, 2)):
            parts += self.text() + self.block(depth)
        return parts + self.text()

    def template(self):
        if self.chance(0.45): return "{{ " + self.expr() + " }}"
        text = self.body()
        if self.chance(0.02):
            at = self.rng.randint(0, len(text))
            text = text[:at] + self.pick(["{", "}", "%", "'", "(", "]", "{{", "%}", "endif"]) + text[at:]
        return text
