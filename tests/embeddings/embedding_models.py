"""Bundles for embeddings: one that is built, and others that take its post model."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import BUILD, LONG, MODELS, copy_model, link_folder  # noqa: E402

GET_MODEL = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scripts/get_model.sh")
POST = "llama_post.axmodel"


def build(folder, *options):
    """SmolLM2 for embeddings, of the file that ./test has brought."""
    done = subprocess.run([GET_MODEL, BUILD, folder, "--embedding", *options], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=LONG, check=False)
    assert done.returncode == 0, done.stderr


def _with_post_model(source, target, built):
    """The layers of a model for text, with the post model of one for embeddings: a norm, which is
    the same whatever the layers' weights are."""
    copy_model(target, source)
    with open(os.path.join(source, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    for name in ("config.json", POST):
        os.remove(os.path.join(target, name))
    with open(os.path.join(target, "config.json"), "w", encoding="utf-8") as file:
        json.dump({**config, "is_embedding": True}, file)
    os.link(os.path.join(built, POST), os.path.join(target, POST))


@contextlib.contextmanager
def embedding_models():
    """A model root with smollm2:embed (s8) and, of the same model, embed-bf16, embed-chunk32 (chunks
    of 32 and a context of 1024) and embed-single (all in one file)."""
    with tempfile.TemporaryDirectory(prefix="axmodels", dir=link_folder()) as root:
        place = os.path.join(root, "smollm2")
        built = os.path.join(place, "embed")
        build(built)
        build(os.path.join(place, "embed-single"), "--layout", "single")
        for name in ("bf16", "chunk32"):
            _with_post_model(os.path.join(MODELS, "smollm2", name),
                             os.path.join(place, f"embed-{name}"), built)
        yield root
