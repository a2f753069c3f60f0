"""Schemas to be followed: those of the public JSON Schema test suite, and random ones.

The suite comes inside the source package of jsonschema (PyPI), which scripts/test_venv.sh fetches.
"""
import json
import os
import random
import tarfile

DRAFTS = {"draft2020-12": None, "draft7": "http://json-schema.org/draft-07/schema#"}
# Their cases are about other documents, or about what is no rule on the value.
LEFT_OUT = {"vocabulary", "refRemote", "dynamicRef", "unevaluatedItems", "unevaluatedProperties"}


def suite(archive):
    """[(name, schema)] of the required tests of two drafts."""
    found = []
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            parts = member.name.split("/")
            if parts[1:3] != ["json", "tests"] or len(parts) != 5 or parts[3] not in DRAFTS:
                continue
            name, dot = os.path.splitext(parts[4])
            if name in LEFT_OUT or dot != ".json":
                continue
            for case in json.load(tar.extractfile(member)):
                schema = case["schema"]
                if not isinstance(schema, dict):
                    continue
                if DRAFTS[parts[3]]:
                    schema = {"$schema": DRAFTS[parts[3]], **schema}
                found.append((f"{parts[3]}/{name}: {case['description']}", schema))
    return found


def random_schemas(count, seed):
    """[(name, schema)] of what clients ask for: objects in objects, lists, choices, bounds."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        schema = {"type": "object", **_members(rng, 0)}
        if rng.random() < 0.2:
            schema["$defs"] = {"node": {"type": "object", "properties": {
                "name": {"enum": ["a", "b"]}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                "required": ["name", "next"], "additionalProperties": False}}
            schema["properties"]["tree"] = {"$ref": "#/$defs/node"}
        found.append((f"random {number}", schema))
    return found


def _members(rng, depth):
    names = rng.sample(["name", "count", "größe", "a b", "tags", "\"quoted\"", "x", "is_ok", "id", "at"],
                       rng.randint(1, 4))
    required = [name for name in names if rng.random() < 0.6]
    return {"properties": {name: _value(rng, depth + 1) for name in names}, "required": required,
            "additionalProperties": rng.choice([False, False, {"type": "integer"}])}


def _value(rng, depth):
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format",
             "types"]
    if depth < 3:
        kinds += ["array", "array", "object", "tuple", "anyOf", "oneOf", "allOf", "map"]
    kind = rng.choice(kinds)
    if kind == "string":
        least = rng.randint(0, 3)
        return {"type": "string", "minLength": least, "maxLength": least + rng.randint(0, 20)}
    if kind == "integer":
        least = rng.randint(-1000, 1000)
        bound = rng.choice([{}, {"maximum": least + rng.randint(0, 5000)},
                            {"exclusiveMaximum": least + 7}])
        return {"type": "integer", rng.choice(["minimum", "exclusiveMinimum"]): least, **bound}
    if kind == "number":
        return {"type": "number", "minimum": rng.randint(-5, 5) / 4, "maximum": rng.randint(6, 99) / 4}
    if kind == "enum":
        return {"enum": rng.sample(["red", "", "é\n", 1, -2.5, True, None, ["x"], {"k": 0}], 3)}
    if kind == "const":
        return {"const": rng.choice(["fixed", 42, None, {"deep": [1, {"er": True}]}])}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice(["^[A-Z]{2}-[0-9]+$", "^(foo|ba[rz])$", "^a.*z$"])}
    if kind == "format":
        return {"type": "string", "format": rng.choice(["ipv4", "uuid", "date", "email"])}
    if kind == "types":
        return {"type": rng.sample(["string", "integer", "boolean", "null"], 2)}
    if kind == "array":
        least = rng.randint(0, 2)
        return {"type": "array", "items": _value(rng, depth + 1), "minItems": least,
                "maxItems": least + rng.randint(0, 3)}
    if kind == "tuple":
        return {"type": "array", "prefixItems": [_value(rng, depth + 1) for _ in range(2)],
                "items": False, "minItems": 2}
    if kind == "anyOf":
        return {"anyOf": [_value(rng, depth + 1) for _ in range(2)]}
    if kind == "oneOf":
        return {"oneOf": [{"type": "object", "properties": {"kind": {"const": name}, "of": _value(rng, 3)},
                           "required": ["kind"], "additionalProperties": False} for name in ("p", "q")]}
    if kind == "allOf":
        return {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": rng.randint(4, 90)}]}
    if kind == "map":
        return {"type": "object", "additionalProperties": _value(rng, depth + 1),
                "maxProperties": 3}
    if kind == "object":
        return {"type": "object", **_members(rng, depth)}
    return {"type": kind}
