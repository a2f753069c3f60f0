// What a source says about its model, in the words of spec::Program: the numbers of its settings,
// and what its tensors are called. GGUF files and Hugging Face folders fill this in, each from
// keys of its own; what follows from it (description.h) is the same for both.
// Owner: plain values. Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/spec/program.h"

namespace axsim::build {

inline constexpr uint32_t kMaxLayers = 4096;

// How the rows of q and k lie in the source. RoPE turns pairs of rows: the program pairs
// (i, i + rope_dims / 2), as Hugging Face's models do; llama.cpp's converter stores some
// architectures with pairs (2i, 2i + 1).
enum class RowOrder { kPlain, kInterleavedPairs };

// One decoder: RMS norms, gated feed-forward, RoPE. What differs is here, the rest in the file.
struct Architecture {
  std::string_view gguf;          // general.architecture; "": none of its own
  std::string_view hugging_face;  // "architectures" of config.json; "": not built from there
  std::string_view model_type;    // of the file names, as Hugging Face and the vendor call it
  RowOrder gguf_order;
  bool qk_norm = false;
  bool gemma = false;  // post norms, GELU, scaled embedding, sliding windows
};
// llama: Llama 1 to 3, SmolLM2, TinyLlama; in a GGUF, Mistral too. Sources: transformers' models of
// these names, and what llama.cpp's converter makes of them (it adds 1 to Gemma's norms).
inline constexpr Architecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", "llama", RowOrder::kInterleavedPairs},
    {"", "MistralForCausalLM", "mistral", RowOrder::kPlain},
    {"qwen2", "Qwen2ForCausalLM", "qwen2", RowOrder::kPlain},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", RowOrder::kPlain, true},
    {"gemma3", "Gemma3ForCausalLM", "gemma3_text", RowOrder::kPlain, true, true},
    {"granite", "GraniteForCausalLM", "granite", RowOrder::kInterleavedPairs},
    {"minicpm", "MiniCPMForCausalLM", "minicpm", RowOrder::kInterleavedPairs},
};

// Names of tensors. Those of a layer follow `layer` + its index + "."; a weight's ends in
// ".weight", a bias's in ".bias".
struct TensorNames {
  std::string_view embedding, norm, head;
  std::string_view layer;
  std::string_view attn_norm, q, k, v, o, q_norm, k_norm, attn_post_norm;
  std::string_view ffn_norm, gate, up, down, ffn_post_norm;
};

// Llama 3's scaling of RoPE: waves longer than `original` / `low` positions are stretched by
// `factor`, those shorter than `original` / `high` kept, those between blended.
struct Llama3Rope {
  double factor = 1, low = 1, high = 4, original = 8192;
};

// How far a layer's rows look back, and how RoPE turns them: the angle of a pair is divided by one
// factor for all pairs, by that of a tensor [rope_dims / 2], or as Llama 3 does it.
struct AttentionFacts {
  uint32_t window = 0;  // spec::Program::sliding_window
  double rope_theta = 10000.0;
  double rope_factor = 1.0;
  std::string rope_factors_tensor;  // "": none
  std::optional<Llama3Rope> llama3;
};

struct ModelFacts {
  std::string name;          // of the model, for people
  std::string architecture;  // as the source calls it, for errors
  std::string model_type;
  TensorNames names;
  RowOrder order = RowOrder::kPlain;  // of q and k
  uint32_t layers = 0;                // 1 to kMaxLayers
  uint32_t trained_context = 0;       // 0: the source does not say
  spec::Program layer;                // without what AttentionFacts hold
  AttentionFacts global, local;
  std::vector<bool> is_local;  // [layers], or empty: all are global
  float embedding_scale = 1.0f;
  float logit_divisor = 1.0f;
  float norm_offset = 0.0f;     // added to the values of every norm
  bool own_head = false;        // else the embedding is the head too
  std::set<std::string> spare;  // tensors that are there and not needed
};

}  // namespace axsim::build
