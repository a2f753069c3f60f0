#!/bin/sh
# Makes a stock Ollama (0.12 or later) serve a model of axollama under its own port, as a remote
# model: it lists and shows the model itself and forwards generate and chat, and what it translates
# to these, to axollama. Embeddings it does not forward.
#
#   remote-model.sh MODEL [NAME]      NAME: what Ollama shall call it; default: MODEL
#
# OLLAMA_HOST is that Ollama (default 127.0.0.1:11434), AXOLLAMA_SERVER is axollama as Ollama reaches
# it (default http://127.0.0.1:11500). Once, Ollama must be told that it may go there; for the host
# 127.0.0.1 its service needs OLLAMA_REMOTES=127.0.0.1,ollama.com (no spaces, no port):
#   sudo systemctl edit ollama      and there   [Service]
#                                               Environment=OLLAMA_REMOTES=127.0.0.1,ollama.com
# Running this again brings what has changed. `ollama rm NAME` takes the entry away, no model.
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  sed -n '2,/^set -eu/s/^#\( \|$\)//p' "$0" >&2
  exit 2
fi
exec python3 - "$1" "${2:-$1}" "${OLLAMA_HOST:-127.0.0.1:11434}" \
  "${AXOLLAMA_SERVER:-http://127.0.0.1:11500}" <<'PYTHON'
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

model, name, ollama, ours = sys.argv[1:]


def url_of(text):
    url = text if "://" in text else "http://" + text
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.replace("0.0.0.0", "127.0.0.1")
    if parts.port is None and "://" not in text:
        host += ":11434"
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def fail(text):
    sys.exit(f"error: {text}")


def post(base, path, body):
    """The status and the object of the answer."""
    request = urllib.request.Request(base + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    # Both are at hand, and a proxy of the environment is for the internet.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=600) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            fail(f"{base}{path}: status {error.code}")
    except (OSError, ValueError) as error:
        fail(f"{base}{path}: {getattr(error, 'reason', error)}. Is the server running?")


ollama, ours = url_of(ollama), url_of(ours)
status, card = post(ours, "/api/show", {"model": model})
if status != 200:
    fail(f"{ours}: {card.get('error', status)}")
if card.get("remote_host"):
    fail(f"{ours} has {model} from {card['remote_host']} itself")
info, details = card["model_info"], card["details"]
family = info["general.architecture"]
described = {
    "capabilities": card["capabilities"],
    "model_family": details["family"],
    "parameter_size": details["parameter_size"],
    "quantization_level": details["quantization_level"],
    "base_name": info.get("general.basename", family),
    "context_length": info.get(f"{family}.context_length"),
    "embedding_length": info.get(f"{family}.embedding_length"),
}
status, made = post(ollama, "/api/create", {
    "model": name, "from": model, "remote_host": ours, "stream": False,
    "info": {key: value for key, value in described.items() if value is not None}})
if status != 200 or made.get("status") != "success":
    fail(f"{ollama}: {made.get('error', made)}")
# An empty prompt only loads the model, and shows whether Ollama may go there.
status, tried = post(ollama, "/api/generate", {"model": name, "prompt": "", "stream": False})
if status == 400 and "cannot run this remote model" in tried.get("error", ""):
    host = urllib.parse.urlsplit(ours).hostname
    fail(f"{name} is made, but Ollama may not go to {host}: set OLLAMA_REMOTES={host},ollama.com "
         "for its service (systemctl edit ollama) and restart it")
if status != 200:
    fail(f"{name} is made, but does not answer: {tried.get('error', status)}")
print(f"{name} is served by {ollama} from {ours}")
PYTHON
