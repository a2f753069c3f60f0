"""Holds a value against a pattern that is written as JSON; test_requests.py says for what.

A pattern is a value that must be equal, but for these:

  "<any>" "<int>" "<number>" "<bool>" "<text>"   anything, or anything of that type
  "<some text>"              text that is not empty
  "<time>" "<digest>"        RFC 3339 with nanoseconds; 64 hexadecimal digits
  "<re:EXPRESSION>"          text in which the expression is found
  "<is:NAME>"                what NAME was before; the first one says what it is
  {"key?": PATTERN}          the key may be missing
  {"<more>": true, ...}      there may be other keys, and only then
  [..., {"<some>": PATTERN}, ...]   one or more elements, as many as match
  {"<has>": PATTERN}         a list with such an element
"""
import re

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
DIGEST = re.compile(r"[0-9a-f]{64}")


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


KINDS = {
    "<any>": lambda value: True,
    "<int>": lambda value: is_number(value) and isinstance(value, int),
    "<number>": is_number,
    "<bool>": lambda value: isinstance(value, bool),
    "<text>": lambda value: isinstance(value, str),
    "<some text>": lambda value: isinstance(value, str) and value != "",
    "<time>": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
    "<digest>": lambda value: isinstance(value, str) and DIGEST.fullmatch(value) is not None,
}


def difference(pattern, value, names, path="body"):
    """What is wrong with `value`, in one line, or None. `names` holds what "<is:NAME>" stands for."""
    if isinstance(pattern, str):
        return text_difference(pattern, value, names, path)
    if isinstance(pattern, dict) and list(pattern) == ["<has>"]:
        if isinstance(value, list) and any(
                difference(pattern["<has>"], one, names, path) is None for one in value):
            return None
        return f"{path}: no element is {pattern['<has>']!r}, it is {value!r}"
    if isinstance(pattern, dict) and isinstance(value, dict):
        return object_difference(pattern, value, names, path)
    if isinstance(pattern, list) and isinstance(value, list):
        return list_difference(pattern, value, names, path)
    same = type(pattern) is type(value) and pattern == value
    return None if same else f"{path}: should be {pattern!r}, is {value!r}"


def text_difference(pattern, value, names, path):
    if pattern.startswith("<is:"):
        named = names.setdefault(pattern[len("<is:"):-1], value)
        good = type(named) is type(value) and named == value
        pattern = f"{pattern} ({named!r})"
    elif pattern.startswith("<re:"):
        good = isinstance(value, str) and re.search(pattern[len("<re:"):-1], value)
    elif pattern in KINDS:
        good = KINDS[pattern](value)
    else:
        good = pattern == value
    return None if good else f"{path}: should be {pattern!r}, is {value!r}"


def object_difference(pattern, value, names, path):
    known = set()
    for key, wanted in pattern.items():
        name = key.removesuffix("?")
        known.add(name)
        if key == "<more>":
            continue
        if name in value:
            wrong = difference(wanted, value[name], names, f"{path}.{name}")
            if wrong:
                return wrong
        elif name == key:
            return f"{path}: {key} is missing in {value!r}"
    more = sorted(set(value) - known)
    return f"{path}: there should be no {more[0]}" if more and "<more>" not in pattern else None


def list_difference(pattern, value, names, path):
    place = 0
    for wanted in pattern:
        several = isinstance(wanted, dict) and list(wanted) == ["<some>"]
        wrong = f"{path}: ends after {len(value)} elements"
        if place < len(value):
            one = wanted["<some>"] if several else wanted
            wrong = difference(one, value[place], names, f"{path}.{place}")
        if wrong:
            return wrong
        place += 1
        while several and place < len(value) and not difference(one, value[place], names, path):
            place += 1
    return f"{path}: should end before {value[place]!r}" if place < len(value) else None


def filled(pattern, names):
    """A request in which each "<is:NAME>" is what NAME is."""
    if isinstance(pattern, dict):
        return {key: filled(value, names) for key, value in pattern.items()}
    if isinstance(pattern, list):
        return [filled(value, names) for value in pattern]
    if isinstance(pattern, str) and pattern.startswith("<is:"):
        return names[pattern[len("<is:"):-1]]
    return pattern
