#!/usr/bin/env python3
"""Compares the replies of a real Ollama with ours, request by request.

    compare_ollama.py THEIRS OURS GGUF [FILE...]

THEIRS and OURS are URLs of empty servers: an Ollama with an inference engine (v0.24.0 is the last
that `go install` gives one), its cloud switched off (OLLAMA_NO_CLOUD=1), and `axollama serve` on the
simulated card. Both get the model GGUF as
smollm2:135m, and as `able` with a template that knows tools and thinking. Then the requests of
tests/golden/requests and of compare_requests.json ("more") are sent to both, one after another, or
those of the named files only.

Ours must have the same status, the same Content-Type, the same text of an error, and every key of
theirs with a value of the same type. Other keys may be there, other words of a model as well. What
differs on purpose is in compare_requests.json with its reason. The last line counts; the exit code
is 1 when something else differs, or a purpose is no longer one.
"""
import argparse
import hashlib
import http.client
import json
import os
import re
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")
sys.path.insert(0, GOLDEN)
from patterns import TIME  # noqa: E402  (its folder is known only now)

LIMIT = 600  # seconds for one answer


class Reply:
    """A status, the type of the content, and its parts: one, or as many as there are lines."""

    def __init__(self, response):
        self.status = response.status
        self.content_type = response.headers.get("Content-Type", "").split(";")[0]
        text = response.read().decode(errors="replace")
        self.parts = [text] if text else []
        if self.content_type == "application/json":
            self.parts = [json.loads(text)] if text else []
        elif self.content_type == "application/x-ndjson":
            self.parts = [json.loads(line) for line in text.splitlines()]
        elif self.content_type == "text/event-stream":
            self.parts = [json.loads(line.removeprefix("data: ")) for line in text.splitlines()
                          if line.startswith("data: {")]


def send(url, request, headers=None):
    host = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(host.hostname, host.port, timeout=LIMIT)
    try:
        body = json.dumps(request["body"]) if "body" in request else request.get("text")
        connection.request(request["method"], request["path"], body,
                           {**(headers or {}), **request.get("headers", {})})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def upload(url, path):
    """Makes the two models, as `ollama create` does."""
    with open(path, "rb") as file:
        digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    if send(url, {"method": "HEAD", "path": f"/api/blobs/{digest}"}).status != 200:
        with open(path, "rb") as file:
            send(url, {"method": "POST", "path": f"/api/blobs/{digest}", "text": file})
    with open(os.path.join(HERE, "compare_template.txt")) as file:
        template = file.read()
    # For requests that do not say how much they want, and for a machine that does other things.
    few = {"num_predict": 4, "temperature": 0, "num_thread": 1}
    for body in ({"model": "smollm2:135m", "files": {os.path.basename(path): digest},
                  "parameters": few},
                 {"model": "able", "from": "smollm2:135m", "template": template}):
        reply = send(url, {"method": "POST", "path": "/api/create", "body": body})
        if not reply.parts or reply.parts[-1] != {"status": "success"}:
            sys.exit(f"error: {url} could not make {body['model']}: {reply.parts[-1:]}")


def kind(value):
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "time" if TIME.fullmatch(value) else "text"
    return "list" if isinstance(value, list) else "object"


def merged(values):
    """One value with every key that any of them has."""
    objects = [value for value in values if isinstance(value, dict)]
    if not objects:
        lists = [one for value in values if isinstance(value, list) for one in value]
        return lists if isinstance(values[0], list) else values[0]
    keys = {key: None for one in objects for key in one}
    return {key: merged([one[key] for one in objects if key in one]) for key in keys}


def differences(theirs, ours, path, free):
    """Keys of theirs that ours lacks or has with another type. `free` are paths that vary."""
    if re.fullmatch(free, path):
        return []
    if kind(theirs) != kind(ours):
        return [f"{path} is {kind(theirs)} there and {kind(ours)} here"]
    if isinstance(theirs, list):
        if not theirs or not ours:
            return [] if bool(theirs) == bool(ours) else [f"{path} is empty on one side"]
        return differences(merged(theirs), merged(ours), path + "[]", free)
    if not isinstance(theirs, dict):
        return []
    out = []
    for key, value in theirs.items():
        if key in ours:
            out += differences(value, ours[key], f"{path}.{key}", free)
        elif not re.fullmatch(free, f"{path}.{key}"):
            out.append(f"{path}.{key} is missing here")
    return out


def error_text(reply):
    last = reply.parts[-1] if reply.parts else None
    error = last.get("error") if isinstance(last, dict) else None
    return error.get("message") if isinstance(error, dict) else error


def compare(theirs, ours, free):
    if theirs.status != ours.status:
        return [f"status {theirs.status} there ({error_text(theirs)!r}) and {ours.status} here "
                f"({error_text(ours)!r})"]
    out = []
    if theirs.content_type != ours.content_type:
        out.append(f"{theirs.content_type!r} there and {ours.content_type!r} here")
    if error_text(theirs) != error_text(ours):
        out.append(f"{error_text(theirs)!r} there and {error_text(ours)!r} here")
    done = [[[part for part in reply.parts if isinstance(part, dict) and part.get("done") is last]
             for last in (False, True, None)] for reply in (theirs, ours)]
    names = ("a part", "the last part", "the answer")
    for name, their_parts, our_parts in zip(names, *done):
        if bool(their_parts) != bool(our_parts):
            out.append(f"{name} is on one side only")
        elif their_parts:
            out += differences(merged(their_parts), merged(our_parts), "", free)
    return out


def sequences():
    """(name, headers, requests) of each file."""
    folder = os.path.join(GOLDEN, "requests")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as file:
            sequence = json.load(file)
        yield name.removesuffix(".json"), sequence.get("headers"), [
            step["request"] for step in sequence["steps"]]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("theirs", "ours", "gguf"):
        options.add_argument(name)
    options.add_argument("files", nargs="*")
    options = options.parse_args()
    with open(os.path.join(HERE, "compare_requests.json")) as file:
        own = json.load(file)
    reasons = own["deliberate"]
    free = "|".join(own["free"])
    for url in (options.theirs, options.ours):
        upload(url, options.gguf)
    counts = {"equal": 0, "deliberate": 0, "different": 0}
    unused = set(reasons)
    for name, headers, requests in [*sequences(), ("more", None, own["requests"])]:
        if options.files and name not in options.files:
            unused -= {step for step in reasons if step.startswith(name + " ")}
            continue
        for number, request in enumerate(requests, 1):
            step = f"{name} {number}"
            found = compare(send(options.theirs, request, headers),
                            send(options.ours, request, headers), free)
            verdict = "equal" if not found else "deliberate" if step in reasons else "different"
            unused.discard(step if found else None)
            counts[verdict] += 1
            if verdict != "equal":
                print(f"{verdict}: {step}, {request['method']} {request['path']}: "
                      f"{reasons.get(step, '')}")
                print("".join(f"    {one}\n" for one in found), end="", flush=True)
    for step in sorted(unused):
        print(f"no difference any more: {step}: {reasons[step]}")
    print(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    return 1 if counts["different"] or unused else 0


if __name__ == "__main__":
    sys.exit(main())
