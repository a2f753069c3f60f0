#include "sim/build/description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

auto Bad(const Gguf& gguf, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", gguf.path().string(), what));
}

// rows == 0: a vector of cols values.
WeightRule Vector(std::string weight, std::string tensor, uint64_t size,
                  RowOrder order = RowOrder::kPlain) {
  return {std::move(weight), std::move(tensor), 0, size, order, {}};
}
WeightRule Matrix(std::string weight, std::string tensor, uint64_t rows, uint64_t cols,
                  RowOrder order = RowOrder::kPlain) {
  return {std::move(weight), std::move(tensor), rows, cols, order, {}};
}

// What the card would refuse is refused before hours of work.
Status CheckProgram(const Gguf& gguf, spec::Program program) {
  program.context = 1;  // the builder's choice, not the model's
  const auto read = spec::ParseProgram(spec::WriteProgram(program));
  return read ? Status() : Bad(gguf, "cannot be run: " + read.error().message);
}

Status CheckRules(const Gguf& gguf, const FileDescription& file, std::set<std::string>* used) {
  for (const WeightRule& rule : file.rules) {
    if (!rule.values.empty()) continue;
    const GgufTensor* tensor = gguf.FindTensor(rule.tensor);
    if (!tensor) return Bad(gguf, fmt::format("has no tensor \"{}\"", rule.tensor));
    const std::vector<uint64_t> want =
        rule.rows ? std::vector<uint64_t>{rule.cols, rule.rows} : std::vector<uint64_t>{rule.cols};
    if (tensor->dims != want) {
      return Bad(gguf, fmt::format("has tensor \"{}\" as [{}], its settings need [{}]", rule.tensor,
                                   fmt::join(tensor->dims, ", "), fmt::join(want, ", ")));
    }
    used->insert(rule.tensor);
  }
  return {};
}

// Whether the file's own factors (Granite, MiniCPM) are read; without them all are 1.
enum class Scales { kNone, kOptional, kNeeded };

// One decoder: RMS norms, gated feed-forward, RoPE. What differs is here, the rest in the file.
struct Architecture {
  std::string_view name;        // general.architecture
  std::string_view model_type;  // of the file names, as Hugging Face and the vendor call it
  RowOrder order;
  bool qk_norm = false;
  Scales scales = Scales::kNone;
  bool gemma = false;  // post norms, GELU, scaled embedding, sliding windows
};
// llama: Llama 1 to 3, SmolLM2, TinyLlama, Mistral. Sources: transformers' models of these names,
// and what llama.cpp's converter makes of them (it adds 1 to Gemma's norms).
constexpr Architecture kArchitectures[] = {
    {"llama", "llama", RowOrder::kInterleavedPairs},
    {"qwen2", "qwen2", RowOrder::kPlain},
    {"qwen3", "qwen3", RowOrder::kPlain, true},
    {"gemma3", "gemma3_text", RowOrder::kPlain, true, Scales::kNone, true},
    {"granite", "granite", RowOrder::kInterleavedPairs, false, Scales::kOptional},
    {"minicpm", "minicpm", RowOrder::kInterleavedPairs, false, Scales::kNeeded},
};

// Fills the description of one file; the parts follow the order in which a reader meets them.
class Describer {
 public:
  Describer(const Gguf& gguf, const Architecture& architecture)
      : gguf_(gguf), a_(architecture), arch_(architecture.name) {}

  Result<Description> Run() {
    d_.model_type = a_.model_type;
    AX_RETURN_IF_ERROR(Refusals());
    AX_RETURN_IF_ERROR(Sizes());
    AX_RETURN_IF_ERROR(Rope());
    AX_RETURN_IF_ERROR(ReadScales());
    if (a_.gemma) AX_RETURN_IF_ERROR(Gemma());
    for (uint32_t i = 0; i < layers_; ++i) d_.layers.push_back(Layer(i));
    AX_RETURN_IF_ERROR(Post());
    return std::move(d_);
  }

 private:
  std::string Key(std::string_view name) const { return fmt::format("{}.{}", arch_, name); }

  Status Refusals() {
    AX_ASSIGN_OR_RETURN(const uint32_t experts, gguf_.Uint(Key("expert_count"), 0));
    if (experts > 0) return Bad(gguf_, "is a mixture of experts, which is not built yet");
    for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"}) {
      AX_ASSIGN_OR_RETURN(const double value, gguf_.Float(Key(cap), 0.0));
      if (value != 0.0) return Bad(gguf_, fmt::format("has {}, which is not built yet", Key(cap)));
    }
    AX_ASSIGN_OR_RETURN(const bool rope, gguf_.Bool(Key("rope.scaling.finetuned"), true));
    if (!rope && a_.name == "granite") return Bad(gguf_, "has no RoPE, which is not built yet");
    return {};
  }

  Status Sizes() {
    AX_ASSIGN_OR_RETURN(layers_, gguf_.Uint(Key("block_count")));
    AX_ASSIGN_OR_RETURN(d_.hidden, gguf_.Uint(Key("embedding_length")));
    AX_ASSIGN_OR_RETURN(d_.trained_context, gguf_.Uint(Key("context_length"), 0));
    if (layers_ == 0 || layers_ > 4096 || d_.hidden == 0) {
      return Bad(gguf_, fmt::format("has {} layers of width {}", layers_, d_.hidden));
    }
    p_.kind = spec::Kind::kLayer;
    p_.hidden = d_.hidden;
    AX_ASSIGN_OR_RETURN(const double eps, gguf_.Float(Key("attention.layer_norm_rms_epsilon")));
    p_.norm_eps = static_cast<float>(eps);
    AX_ASSIGN_OR_RETURN(p_.heads, gguf_.Uint(Key("attention.head_count")));
    AX_ASSIGN_OR_RETURN(p_.kv_heads, gguf_.Uint(Key("attention.head_count_kv"), p_.heads));
    AX_ASSIGN_OR_RETURN(p_.ffn, gguf_.Uint(Key("feed_forward_length")));
    if (p_.heads == 0) return Bad(gguf_, "has no attention heads");
    AX_ASSIGN_OR_RETURN(p_.head_dim, gguf_.Uint(Key("attention.key_length"), d_.hidden / p_.heads));
    AX_ASSIGN_OR_RETURN(const uint32_t value_dim,
                        gguf_.Uint(Key("attention.value_length"), p_.head_dim));
    if (p_.head_dim == 0 || p_.head_dim > 4096 || p_.kv_heads == 0 || p_.heads % p_.kv_heads != 0) {
      return Bad(gguf_, fmt::format("has {} heads of {} values that share {} KV heads", p_.heads,
                                    p_.head_dim, p_.kv_heads));
    }
    if (value_dim != p_.head_dim) {
      return Bad(gguf_, fmt::format("has keys of {} and values of {}, which must be equal",
                                    p_.head_dim, value_dim));
    }
    p_.attention_scale = 1.0f / std::sqrt(static_cast<float>(p_.head_dim));
    p_.qkv_bias = gguf_.FindTensor("blk.0.attn_q.bias") != nullptr;
    p_.qk_norm = a_.qk_norm;
    return {};
  }

  // Scaling by one factor ("linear") and Llama 3's factor for each pair, which the converter has
  // worked out, are what rope_factors can say.
  Status Rope() {
    AX_ASSIGN_OR_RETURN(p_.rope_dims, gguf_.Uint(Key("rope.dimension_count"), p_.head_dim));
    if (p_.rope_dims % 2 != 0 || p_.rope_dims > p_.head_dim) {
      return Bad(gguf_, fmt::format("turns {} of the {} values of a head by RoPE", p_.rope_dims,
                                    p_.head_dim));
    }
    AX_ASSIGN_OR_RETURN(p_.rope_theta, gguf_.Float(Key("rope.freq_base"), 10000.0));
    AX_ASSIGN_OR_RETURN(const std::string kind, gguf_.Text(Key("rope.scaling.type"), "linear"));
    AX_ASSIGN_OR_RETURN(const double old_key, gguf_.Float(Key("rope.scale_linear"), 1.0));
    AX_ASSIGN_OR_RETURN(double factor, gguf_.Float(Key("rope.scaling.factor"), old_key));
    if (kind == "none" || factor == 0.0) factor = 1.0;
    const bool per_pair = gguf_.FindTensor("rope_freqs.weight") != nullptr;
    if ((kind != "none" && kind != "linear") || !(factor > 0.0) || (per_pair && factor != 1.0)) {
      return Bad(gguf_, fmt::format("scales RoPE by \"{}\", factor {}, which is not built yet",
                                    kind, factor));
    }
    if (per_pair) rope_.push_back(Vector("rope_factors", "rope_freqs.weight", p_.rope_dims / 2));
    if (factor != 1.0) {
      WeightRule rule = Vector("rope_factors", "", p_.rope_dims / 2);
      rule.values.assign(rule.cols, static_cast<float>(factor));
      rope_.push_back(std::move(rule));
    }
    return {};
  }

  Status ReadScales() {
    if (a_.scales == Scales::kNone) return {};
    const auto scale = [&](std::string_view name, bool needed, float* out) -> Status {
      if (!needed && !gguf_.Find(Key(name))) return {};
      AX_ASSIGN_OR_RETURN(const double value, gguf_.Float(Key(name)));
      if (!std::isfinite(value) || (needed && value == 0.0)) {
        return Bad(gguf_, fmt::format("has {} = {}", Key(name), value));
      }
      if (value != 0.0) *out = static_cast<float>(value);  // 0: as if it were absent
      return {};
    };
    const bool all = a_.scales == Scales::kNeeded;
    float divisor = 1.0f;
    AX_RETURN_IF_ERROR(scale("logit_scale", true, &divisor));
    AX_RETURN_IF_ERROR(scale("embedding_scale", all, &d_.embedding_scale));
    AX_RETURN_IF_ERROR(scale("residual_scale", all, &p_.residual_scale));
    AX_RETURN_IF_ERROR(scale("attention.scale", false, &p_.attention_scale));
    d_.post.program.logit_scale = 1.0f / divisor;
    return {};
  }

  Status Gemma() {
    constexpr uint32_t kLayersOf27B = 62;
    p_.activation = spec::Activation::kGeluTanh;
    p_.post_norms = true;
    d_.embedding_scale = std::sqrt(static_cast<float>(d_.hidden));
    if (layers_ == kLayersOf27B) {  // the one size whose heads are narrower than its scale says
      p_.attention_scale = 1.0f / std::sqrt(static_cast<float>(d_.hidden / p_.heads));
    }
    AX_ASSIGN_OR_RETURN(window_, gguf_.Uint(Key("attention.sliding_window"), 0));
    AX_ASSIGN_OR_RETURN(period_, gguf_.Uint(Key("attention.sliding_window_pattern"), 6));
    AX_ASSIGN_OR_RETURN(local_theta_, gguf_.Float(Key("rope.freq_base_swa"), 10000.0));
    if (period_ == 0) return Bad(gguf_, "has a sliding window pattern of 0 layers");
    return {};
  }

  FileDescription Layer(uint32_t i) const {
    const uint64_t q_rows = uint64_t{p_.heads} * p_.head_dim;
    const uint64_t kv_rows = uint64_t{p_.kv_heads} * p_.head_dim;
    const uint64_t hidden = d_.hidden;
    const std::string block = fmt::format("blk.{}.", i);
    FileDescription layer{p_,
                          {Vector("attn_norm", block + "attn_norm.weight", hidden),
                           Matrix("q", block + "attn_q.weight", q_rows, hidden, a_.order),
                           Matrix("k", block + "attn_k.weight", kv_rows, hidden, a_.order),
                           Matrix("v", block + "attn_v.weight", kv_rows, hidden),
                           Matrix("o", block + "attn_output.weight", hidden, q_rows),
                           Vector("ffn_norm", block + "ffn_norm.weight", hidden),
                           Matrix("gate", block + "ffn_gate.weight", p_.ffn, hidden),
                           Matrix("up", block + "ffn_up.weight", p_.ffn, hidden),
                           Matrix("down", block + "ffn_down.weight", hidden, p_.ffn)}};
    const auto add = [&](WeightRule rule) { layer.rules.push_back(std::move(rule)); };
    if (p_.qkv_bias) {
      add(Vector("q_bias", block + "attn_q.bias", q_rows, a_.order));
      add(Vector("k_bias", block + "attn_k.bias", kv_rows, a_.order));
      add(Vector("v_bias", block + "attn_v.bias", kv_rows));
    }
    if (p_.qk_norm) {
      add(Vector("q_norm", block + "attn_q_norm.weight", p_.head_dim));
      add(Vector("k_norm", block + "attn_k_norm.weight", p_.head_dim));
    }
    if (p_.post_norms) {
      add(Vector("attn_post_norm", block + "post_attention_norm.weight", hidden));
      add(Vector("ffn_post_norm", block + "post_ffw_norm.weight", hidden));
    }
    if (window_ != 0 && i % period_ != period_ - 1) {  // a local layer: RoPE of its own, unscaled
      layer.program.sliding_window = window_;
      layer.program.rope_theta = local_theta_;
    } else {
      layer.rules.insert(layer.rules.end(), rope_.begin(), rope_.end());
    }
    return layer;
  }

  Status Post() {
    d_.embedding = "token_embd.weight";
    const GgufTensor* embedding = gguf_.FindTensor(d_.embedding);
    if (!embedding) return Bad(gguf_, "has no tensor \"token_embd.weight\"");
    if (embedding->dims.size() != 2 || embedding->cols() != d_.hidden ||
        embedding->rows() > UINT32_MAX) {
      return Bad(gguf_,
                 fmt::format("has tensor \"token_embd.weight\" as [{}], its settings need [{}, "
                             "vocabulary]",
                             fmt::join(embedding->dims, ", "), d_.hidden));
    }
    d_.vocab = static_cast<uint32_t>(embedding->rows());
    spec::Program& post = d_.post.program;
    post.kind = spec::Kind::kPost;
    post.hidden = d_.hidden;
    post.norm_eps = p_.norm_eps;
    post.vocab = d_.vocab;
    // A model without a head of its own uses the embedding for both.
    const char* head = gguf_.FindTensor("output.weight") ? "output.weight" : "token_embd.weight";
    d_.post.rules = {Vector("norm", "output_norm.weight", d_.hidden),
                     Matrix("head", head, d_.vocab, d_.hidden)};
    return {};
  }

  const Gguf& gguf_;
  const Architecture& a_;
  const std::string arch_;
  Description d_;
  spec::Program p_;  // of a layer without sliding window
  std::vector<WeightRule> rope_;
  uint32_t layers_ = 0;
  uint32_t window_ = 0;  // of local layers; 0: there are none
  uint32_t period_ = 1;  // every so many layers, the last is global
  double local_theta_ = 0;
};

}  // namespace

Result<Description> Describe(const Gguf& gguf) {
  AX_ASSIGN_OR_RETURN(const uint32_t splits, gguf.Uint("split.count", 1));
  if (splits > 1) {
    return Bad(gguf,
               fmt::format("is one of {} parts: join them with llama-gguf-split --merge", splits));
  }
  AX_ASSIGN_OR_RETURN(const std::string arch, gguf.Text("general.architecture"));
  const auto* known = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                   [&](const Architecture& a) { return a.name == arch; });
  if (known == std::end(kArchitectures)) {
    return Bad(gguf, fmt::format("has the architecture \"{}\", which is not built yet: llama, "
                                 "qwen2, qwen3, gemma3, granite and minicpm are",
                                 arch));
  }
  AX_ASSIGN_OR_RETURN(Description d, Describer(gguf, *known).Run());
  std::set<std::string> used = {d.embedding};
  for (const FileDescription& layer : d.layers) {
    AX_RETURN_IF_ERROR(CheckProgram(gguf, layer.program));
    AX_RETURN_IF_ERROR(CheckRules(gguf, layer, &used));
  }
  AX_RETURN_IF_ERROR(CheckProgram(gguf, d.post.program));
  AX_RETURN_IF_ERROR(CheckRules(gguf, d.post, &used));
  for (const auto& [name, tensor] : gguf.tensors()) {
    if (used.find(std::string(name)) == used.end()) {
      return Bad(gguf, fmt::format("has a tensor \"{}\", which {} models do not use", name, arch));
    }
    d.parameters += tensor.rows() * tensor.cols();
  }
  return d;
}

}  // namespace axsim::build
