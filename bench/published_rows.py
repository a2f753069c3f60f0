"""Published speeds of AXERA's AX650N and AX8850, for published_speeds.py.

`native`: AXERA's benchmark of ax-llm on the AX650N's own board and its model pages. `pi5`: a card
in a Raspberry Pi 5, from M5Stack's pages of the LLM-8850, Sipeed's of the Maix4-HAT and people who
measured theirs. TTFT is that of 128 tokens, where a page says so.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    model: str
    geometry: str  # of `axollama-sim build --geometry`
    weights: str
    profile: str
    tokens_per_s: object  # a number, or the lowest and the highest published
    ttft_ms: float = 0  # 0: not published, or not for how many tokens
    causes: dict = dataclasses.field(default_factory=dict)  # of "tokens/s", "TTFT ms"
    source_of_constants: bool = False


_FIXED = ("small layers are mostly the fixed 0.457 ms, which was measured over PCIe, with the way "
          "to the card")
_CALLS = ("small layers are mostly calls, and the older ax-llm of these figures makes fewer, on "
          "shorter caches")
_WIDE = "by what was published this one reads its memory at 19 GB/s, not at 25"
_NARROW = "narrow layers use the NPU's arithmetic worse; those of larger models fit"

ROWS = [
    Row("Qwen3-0.6B", "qwen3-0.6b", "s8", "pi5", (12.9, 14.5), source_of_constants=True),
    Row("Qwen3-1.7B", "qwen3-1.7b", "s8", "pi5", 7.38),
    Row("Qwen3-4B", "qwen3-4b", "s8", "pi5", 4.5),
    Row("Qwen2.5-0.5B", "qwen2.5-0.5b", "s4", "pi5", (27, 28), 188,
        {"tokens/s": _CALLS, "TTFT ms": _NARROW}),
    Row("Qwen2.5-1.5B", "qwen2.5-1.5b", "s4", "pi5", 15),
    Row("DeepSeek-R1-Distill-Qwen-1.5B", "qwen2.5-1.5b", "s4", "pi5", (13.3, 13.7)),
    Row("InternVL2-1B (its Qwen2-0.5B)", "qwen2.5-0.5b", "s8", "pi5", 29,
        causes={"tokens/s": _CALLS}),
    Row("MiniCPM4-0.5B", "minicpm4-0.5b", "s8", "pi5", 21),
    Row("SmolLM2-360M", "smollm2-360m", "s8", "pi5", 20.8, causes={"tokens/s": _CALLS}),
    Row("Qwen3-0.6B", "qwen3-0.6b", "s8", "native", (15.7, 20), source_of_constants=True),
    Row("Qwen3-1.7B", "qwen3-1.7b", "s8", "native", 7.4, causes={"tokens/s":
        "the same speed was published for the Pi 5, where each call takes longer: not the best the "
        "board does"}),
    Row("Qwen2.5-0.5B", "qwen2.5-0.5b", "s8", "native", (29, 32), 124,
        {"tokens/s": _FIXED, "TTFT ms": _NARROW}),
    Row("Qwen2.5-1.5B", "qwen2.5-1.5b", "s8", "native", (11, 11.5), 230),
    Row("DeepSeek-R1-Distill-Qwen-1.5B", "qwen2.5-1.5b", "s4", "native", (17.7, 19)),
    Row("Qwen2.5-3B", "qwen2.5-3b", "s8", "native", (5.8, 6.2), 420),
    Row("Qwen2.5-7B", "qwen2.5-7b", "s8", "native", 2.6, causes={"tokens/s": _WIDE}),
    Row("Qwen2.5-7B", "qwen2.5-7b", "s4", "native", 4.8),
    Row("Llama-3.2-1B", "llama-3.2-1b", "s8", "native", 14.2, 183),
    Row("Llama-3.2-3B", "llama-3.2-3b", "s8", "native", 5.5),
    Row("Llama-3-8B", "llama-3-8b", "s8", "native", 2.5),
    Row("TinyLlama-1.1B", "tinyllama-1.1b", "s8", "native", 16.5),
    Row("MiniCPM4-0.5B", "minicpm4-0.5b", "s8", "native", 36, causes={"tokens/s": _FIXED}),
    Row("SmolLM2-360M", "smollm2-360m", "s8", "native", 38.7,
        causes={"tokens/s": _FIXED}),
]
