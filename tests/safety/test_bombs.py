"""Small texts that would make a compiler or a template work without end: schemas, grammars, templates."""
import http.client
import json
import socket
import unittest

from harness import LONG, MODEL, Server, children, rss_anon_mb

GROWTH_MB = 200  # of serve, and of the runner beyond what the first grammar took
ONE = {"num_predict": 4, "temperature": 0}
MESSAGES = [{"role": "user", "content": "Hi"}]


def nested(depth, inside, wrap):
    for _ in range(depth):
        inside = wrap(inside)
    return inside


def doubled(levels, wrap):
    """{"l0":{},"l1":wrap(l0)...}: each level names the one before twice."""
    names = {"l0": {"type": "string"}}
    for level in range(1, levels):
        names[f"l{level}"] = wrap({"$ref": f"#/$defs/l{level - 1}"})
    return {"$defs": names, "$ref": f"#/$defs/l{levels - 1}"}


MANY = 10**12
SCHEMAS = {
    "nested objects": nested(60, {"type": "integer"}, lambda inside: {
        "type": "object", "properties": {"a": inside}, "required": ["a"]}),
    "nested arrays": nested(60, {}, lambda inside: {"type": "array", "items": inside}),
    "nested anyOf": nested(60, {"type": "null"}, lambda inside: {"anyOf": [inside, True]}),
    "nested allOf": nested(60, {"type": "null"}, lambda inside: {"allOf": [inside, inside]}
                           if len(str(inside)) < 100_000 else {"allOf": [inside]}),
    "itself": {"$ref": "#"},
    "a circle": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
                 "$ref": "#/$defs/a"},
    "a list of itself": {"type": "array", "items": {"$ref": "#"}, "minItems": 2},
    "doubled anyOf": doubled(40, lambda below: {"anyOf": [below, below]}),
    "doubled allOf": doubled(40, lambda below: {"allOf": [below, below]}),
    "doubled members": doubled(40, lambda below: {
        "type": "object", "properties": {"a": below, "b": below}, "required": ["a", "b"]}),
    "minLength": {"type": "string", "minLength": MANY},
    "maxLength": {"type": "string", "maxLength": MANY},
    "minLength of a million": {"type": "string", "minLength": 1_000_000},
    "minItems": {"type": "array", "items": {"type": "integer"}, "minItems": MANY},
    "maxItems": {"type": "array", "items": {"type": "integer"}, "maxItems": MANY},
    "maxItems of a million": {"type": "array", "items": {"type": "null"}, "maxItems": 1_000_000},
    "items of items": nested(8, {"type": "integer"}, lambda inside: {
        "type": "array", "items": inside, "minItems": 1000, "maxItems": 1000}),
    "minProperties": {"type": "object", "minProperties": MANY},
    "pattern of repeats": {"type": "string", "pattern": nested(6, "a", "({}){{1,1000}}".format)},
    "pattern of stars": {"type": "string", "pattern": nested(40, "a", "({}*)*".format)},
    "nested pattern": {"type": "string", "pattern": "(" * 20_000 + "a" + ")" * 20_000},
    "large classes": {"type": "string", "pattern": r"(\p{L}|\p{N}){1,5000}" * 20},
    "many members": {"type": "object", "properties": {f"m{i}": {"type": "integer"}
                                                      for i in range(20_000)}},
    "many values": {"enum": [f"value {i}" for i in range(50_000)]},
    "many branches": {"anyOf": [{"type": "array", "items": {"const": i}} for i in range(5_000)]},
    "huge bounds": {"type": "integer", "minimum": -10**300, "maximum": 10**300},
    "tiny steps": {"type": "number", "multipleOf": 1e-300, "maximum": 1e300},
}
GRAMMARS = {
    "nested parentheses": "root ::= " + "(" * 60_000 + '"a"' + ")" * 60_000,
    "nested repeats": "root ::= " + nested(12, '"a"', "({}){{1,1000}}".format),
    "a huge repeat": 'root ::= "a"{1000000000}',
    "a range of repeats": 'root ::= "a"{0,1000000000}',
    "rules without end": "root ::= r0\n" + "\n".join(
        f"r{i} ::= r{i + 1} r{i + 1}" for i in range(60)) + '\nr60 ::= "a"',
    "left recursion": 'root ::= root root | ""',
    "a chain of rules": "root ::= r0\n" + "\n".join(
        f"r{i} ::= r{i + 1}" for i in range(20_000)) + '\nr20000 ::= "a"',
    "open": "root ::= " + "[" * 60_000,
    "many choices": "root ::= " + " | ".join(f'"{i}"' for i in range(50_000)),
    "Lark, nested": "%llguidance {}\nstart: " + "(" * 20_000 + '"a"' + ")" * 20_000,
    "Lark, repeats": '%llguidance {}\nstart: (((("a"){1,1000}){1,1000}){1,1000}){1,1000}',
    "Lark, expression": "%llguidance {}\nstart: /" + nested(6, "a", "({}){{1,1000}}".format) + "/",
}
TEMPLATES = {
    "itself": '{{ define "a" }}x{{ template "a" . }}{{ end }}{{ template "a" . }}',
    "itself, twice": '{{ define "a" }}{{ template "a" . }}{{ template "a" . }}{{ end }}'
                     '{{ template "a" . }}',
    "doubled calls": "".join(
        f'{{{{ define "t{i}" }}}}{{{{ template "t{i + 1}" }}}}{{{{ template "t{i + 1}" }}}}{{{{ end }}}}'
        for i in range(60)) + '{{ define "t60" }}x{{ end }}{{ template "t0" }}',
    "doubled text": '{{ $x := "aaaaaaaa" }}' + '{{ $x = printf "%s%s" $x $x }}' * 80 + "{{ $x }}",
    "wide numbers": '{{ printf "%999999999d" 1 }}',
    "wide by argument": '{{ printf "%*d" 2000000000 1 }}',
    "nested conditions": "{{ if true }}" * 20_000 + "x" + "{{ end }}" * 20_000,
    "nested parentheses": "{{ " + "(" * 60_000 + "1" + ")" * 60_000 + " }}",
    "nested loops": "{{ range .Messages }}" + "{{ range $.Messages }}" * 30 + "x" + "{{ end }}" * 31,
    "long": "{{ .Prompt }}" * 500_000,
    "a long pipe": "{{ 1" + " | print" * 100_000 + " }}",
    "many variables": "".join(f"{{{{ $v{i} := {i} }}}}" for i in range(50_000)),
    "a deep path": "{{ ." + ".".join("a" for _ in range(50_000)) + " }}",
    "open": "{{ range .Messages }}{{ range .Messages }}",
    "comparisons": "{{ eq " + "1 " * 100_000 + "}}",
}


class Bombs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.end)
        # The first grammar of a model prepares its tokenizer.
        reply = cls.server.generate("Hi", keep_alive=-1, format="json", options=ONE)
        assert reply.status == 200, reply.text

    def setUp(self):
        self.processes = (self.server.pid, children(self.server.pid))
        self.memory_mb = self.memory()

    def memory(self):
        return [rss_anon_mb(pid) for pid in (self.server.pid, *self.server.runners())]

    def check_unharmed(self):
        """The same processes answer, and hold no more than before."""
        self.assertEqual(self.server.generate("Hi", keep_alive=-1, options={"num_predict": 1}).status, 200)
        self.assertEqual((self.server.pid, children(self.server.pid)), self.processes)
        for before, now in zip(self.memory_mb, self.memory()):
            self.assertLess(now, before + GROWTH_MB)

    def ask(self, route, body):
        """400 with a line that says why, or an answer."""
        reply = self.server.post(route, {"model": MODEL, "stream": False, "options": ONE, **body})
        self.assertIn(reply.status, (200, 400), reply.text[:300])
        if reply.status == 400:
            message = json.loads(reply.body)["error"]
            message = message if isinstance(message, str) else message["message"]
            self.assertTrue(message)
            self.assertNotIn("\n", message)
            self.assertLess(len(message), 1000)
        return reply.status

    def test_schemas(self):
        statuses = {}
        for name, schema in SCHEMAS.items():
            with self.subTest(name=name):
                statuses[name] = self.ask("/api/generate", {"prompt": "Hi", "format": schema})
                self.check_unharmed()
        self.assertEqual(statuses.get("itself"), 400)
        self.assertEqual(statuses.get("nested pattern"), 400)
        # The other ways in lead to the same compiler.
        for name in ("items of items", "pattern of repeats", "doubled members"):
            schema = SCHEMAS[name]
            with self.subTest(name=name):
                self.ask("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 4,
                         "response_format": {"type": "json_schema", "json_schema": {
                             "name": "bomb", "schema": schema}}})
                self.ask("/v1/chat/completions", {
                    "messages": MESSAGES, "max_tokens": 4, "tool_choice": "required",
                    "tools": [{"type": "function", "function": {
                        "name": "bomb", "parameters": {"type": "object", "properties": {
                            "x": schema}, "required": ["x"]}}}]})
                self.check_unharmed()

    def test_grammars(self):
        """What the runner's socket takes, which only its own user reaches."""
        with open(f"/proc/{self.server.runners()[0]}/cmdline") as file:
            words = file.read().split("\0")
        path = words[words.index("--socket") + 1]
        for name, grammar in GRAMMARS.items():
            with self.subTest(name=name):
                connection = http.client.HTTPConnection("runner")
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(LONG)
                try:
                    connection.sock.connect(path)
                    connection.request("POST", "/completion", json.dumps({
                        "prompt": "Hi", "n_predict": 4, "temperature": 0, "grammar": grammar}))
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                    self.assertIn(response.status, (200, 400), str(answer)[:300])
                finally:
                    connection.close()
                self.check_unharmed()

    def test_templates(self):
        for name, template in TEMPLATES.items():
            with self.subTest(name=name):
                self.ask("/api/generate", {"prompt": "Hi", "template": template})
                self.check_unharmed()
        for name in ("itself", "doubled calls", "doubled text"):
            with self.subTest(name=name):
                made = self.server.post("/api/create", {
                    "model": "bomb", "from": MODEL, "stream": False, "template": TEMPLATES[name]})
                self.assertIn(made.status, (200, 400), made.text[:300])
                if made.status == 200:
                    self.assertEqual(self.ask("/api/chat", {"model": "bomb", "messages": MESSAGES}),
                                     400)
                self.check_unharmed()


if __name__ == "__main__":
    unittest.main()
