#!/usr/bin/env python3
"""Gives a stock Ollama (0.30 or later) a model of axollama as one of its own, which its llama-server
runs: axollama-llama-server, installed as PREFIX/lib/ollama/llama-server.

    llama-server-model.py MODEL [NAME]      NAME: what Ollama shall call it; default: MODEL

AXOLLAMA_SERVER is axollama (default http://127.0.0.1:11500), OLLAMA_MODELS Ollama's store (default
~/.ollama/models; the service of Ollama's installer has /usr/share/ollama/.ollama/models). What is
written there is a GGUF file of some kilobytes that describes the model and names it, and a manifest;
`ollama rm NAME` removes both. Run it again when the model has changed.
"""
import hashlib
import json
import os
import re
import struct
import sys
import tempfile
import urllib.error
import urllib.request

STRING, UINT32, BOOL, ARRAY = 8, 4, 7, 9
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


def fail(text):
    sys.exit(f"error: {text}")


def show(server, model):
    request = urllib.request.Request(server + "/api/show", json.dumps({"model": model}).encode(),
                                     {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        try:
            said = json.load(error)["error"]
        except (KeyError, TypeError, ValueError):
            said = f"status {error.code}, and no words of axollama's"
        fail(f"{server}: {said}")
    except (OSError, ValueError) as error:
        fail(f"{server}: {getattr(error, 'reason', error)}. Is axollama serve running there?")


# --- the GGUF file: entries and no tensors ---

def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, value):
    if isinstance(value, bool):
        return text(key) + struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return text(key) + struct.pack("<II", UINT32, value)
    if isinstance(value, str):
        return text(key) + struct.pack("<I", STRING) + text(value)
    return (text(key) + struct.pack("<IIQ", ARRAY, STRING, len(value))
            + b"".join(text(item) for item in value))


def gguf(model, card):
    info = card["model_info"]
    family = info["general.architecture"]
    # The first one is what axollama-llama-server looks for.
    entries = {"axollama.model": model, "general.architecture": family, "general.type": "model"}
    for key, value in info.items():
        # 32 bits are what Ollama reads of sizes; fractions are of no use without weights.
        if key.startswith(family + ".") and isinstance(value, int) and 0 <= value < 1 << 32:
            entries[key] = value
    entries.setdefault(f"{family}.block_count", 1)
    entries.setdefault(f"{family}.attention.head_count", 1)
    if "embedding" in card["capabilities"]:
        entries[f"{family}.pooling_type"] = 3  # of the last token
    # axollama makes the tokens; Ollama only wants to see that there are some.
    entries["tokenizer.ggml.model"] = "gpt2"
    entries["tokenizer.ggml.tokens"] = ["<none>"]
    entries["tokenizer.ggml.add_bos_token"] = False
    # Ollama renders Go templates itself. A model's own Jinja one stays with axollama, which
    # Ollama asks to apply it as soon as it sees that there is one.
    if card.get("template") and not is_go_template(card):
        entries["tokenizer.chat_template"] = card["template"]
    return (b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries))
            + b"".join(entry(key, value) for key, value in entries.items()))


def is_go_template(card):
    return 'TEMPLATE' in re.findall(r"^([A-Z]+) ", card.get("modelfile", ""), re.M)


def parameters(card):
    """What is set for the model: Ollama sends its own defaults for what is not."""
    out = {}
    for line in card.get("parameters", "").splitlines():
        key, _, value = line.partition(" ")
        try:
            value = json.loads(value)
        except ValueError:
            value = value.strip()
        if key == "stop":
            out.setdefault(key, []).append(value)
        else:
            out[key] = value
    return out


# --- Ollama's store ---

def put(folder, name, data):
    """Writes a file whole or not at all. Root does it as the owner of the store: Ollama's user must
    be able to read what is there, and to remove it."""
    made = []
    there = folder = os.path.abspath(folder)
    while not os.path.isdir(there):
        made.append(there)
        there = os.path.dirname(there)
    owner = os.stat(there)
    for path in reversed(made):
        os.mkdir(path, 0o755)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.replace(file.name, os.path.join(folder, name))
        except BaseException:
            os.unlink(file.name)
            raise


def put_blob(store, kind, data):
    digest = hashlib.sha256(data).hexdigest()
    put(os.path.join(store, "blobs"), "sha256-" + digest, data)
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}


def install(store, name, model, card):
    model_name, _, tag = name.partition(":")
    parts = ["registry.ollama.ai", "library", model_name, tag or "latest"]
    if not all(PART.fullmatch(part) for part in parts):
        fail(f"{name} is no name of the form MODEL[:TAG]")
    details, info = card["details"], card["model_info"]
    family = info["general.architecture"]
    kind = "application/vnd.ollama.image."
    layers = [put_blob(store, kind + "model", gguf(model, card))]
    if is_go_template(card):
        layers.append(put_blob(store, kind + "template", card["template"].encode()))
    if card.get("system"):
        layers.append(put_blob(store, kind + "system", card["system"].encode()))
    set_for_it = parameters(card)
    if set_for_it:
        layers.append(put_blob(store, kind + "params", json.dumps(set_for_it).encode()))
    config = {
        "model_format": "gguf", "model_family": family, "model_families": [family],
        "model_type": details["parameter_size"], "file_type": details["quantization_level"],
        "capabilities": card["capabilities"], "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": put_blob(store, "application/vnd.docker.container.image.v1+json",
                           json.dumps(config).encode()),
        "layers": layers}
    put(os.path.join(store, "manifests", *parts[:-1]), parts[-1], json.dumps(manifest).encode())


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    model, name = sys.argv[1], sys.argv[-1]
    server = os.environ.get("AXOLLAMA_SERVER") or "http://127.0.0.1:11500"
    if "://" not in server:
        server = "http://" + server
    store = os.environ.get("OLLAMA_MODELS") or os.path.expanduser("~/.ollama/models")
    if not os.path.isdir(store):
        fail(f"there is no folder {store}: OLLAMA_MODELS must name the store of the Ollama that is "
             "meant")
    try:
        install(store, name, model, show(server.rstrip("/"), model))
    except OSError as error:
        fail(error)
    print(f"{name} is in {store}")


if __name__ == "__main__":
    main()
