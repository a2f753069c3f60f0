#include "sim/build/gguf_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "sim/build/gguf_tokenizer.h"

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

constexpr TensorNames kNames = {.embedding = "token_embd",
                                .norm = "output_norm",
                                .head = "output",
                                .layer = "blk.",
                                .attn_norm = "attn_norm",
                                .q = "attn_q",
                                .k = "attn_k",
                                .v = "attn_v",
                                .o = "attn_output",
                                .q_norm = "attn_q_norm",
                                .k_norm = "attn_k_norm",
                                .attn_post_norm = "post_attention_norm",
                                .ffn_norm = "ffn_norm",
                                .gate = "ffn_gate",
                                .up = "ffn_up",
                                .down = "ffn_down",
                                .ffn_post_norm = "post_ffw_norm"};

auto Bad(const Gguf& gguf, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", gguf.path().string(), what));
}

// Fills the facts of one file; the parts follow the order in which a reader meets them.
class Reader {
 public:
  Reader(const Gguf& gguf, const Architecture& architecture)
      : gguf_(gguf), a_(architecture), arch_(architecture.gguf) {}

  Result<ModelFacts> Run() {
    facts_.architecture = arch_;
    facts_.model_type = a_.model_type;
    facts_.names = kNames;
    facts_.order = a_.gguf_order;
    facts_.own_head = gguf_.FindTensor("output.weight") != nullptr;
    const auto name = gguf_.Text("general.name", "");
    facts_.name = name && !name->empty() ? *name : gguf_.path().stem().string();
    AX_RETURN_IF_ERROR(Refusals());
    AX_RETURN_IF_ERROR(Sizes());
    AX_RETURN_IF_ERROR(Rope());
    AX_RETURN_IF_ERROR(Scales());
    if (a_.gemma) AX_RETURN_IF_ERROR(Gemma());
    return std::move(facts_);
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
    if (!rope && arch_ == "granite") return Bad(gguf_, "has no RoPE, which is not built yet");
    return {};
  }

  Status Sizes() {
    spec::Program& p = facts_.layer;
    AX_ASSIGN_OR_RETURN(facts_.layers, gguf_.Uint(Key("block_count")));
    AX_ASSIGN_OR_RETURN(p.hidden, gguf_.Uint(Key("embedding_length")));
    if (facts_.layers == 0 || facts_.layers > kMaxLayers || p.hidden == 0) {
      return Bad(gguf_, fmt::format("has {} layers of width {}", facts_.layers, p.hidden));
    }
    AX_ASSIGN_OR_RETURN(facts_.trained_context, gguf_.Uint(Key("context_length"), 0));
    AX_ASSIGN_OR_RETURN(const double eps, gguf_.Float(Key("attention.layer_norm_rms_epsilon")));
    p.norm_eps = static_cast<float>(eps);
    AX_ASSIGN_OR_RETURN(p.heads, gguf_.Uint(Key("attention.head_count")));
    AX_ASSIGN_OR_RETURN(p.kv_heads, gguf_.Uint(Key("attention.head_count_kv"), p.heads));
    AX_ASSIGN_OR_RETURN(p.ffn, gguf_.Uint(Key("feed_forward_length")));
    if (p.heads == 0) return Bad(gguf_, "has no attention heads");
    AX_ASSIGN_OR_RETURN(p.head_dim, gguf_.Uint(Key("attention.key_length"), p.hidden / p.heads));
    AX_ASSIGN_OR_RETURN(const uint32_t value_dim,
                        gguf_.Uint(Key("attention.value_length"), p.head_dim));
    if (value_dim != p.head_dim) {
      return Bad(gguf_, fmt::format("has keys of {} and values of {}, which must be equal",
                                    p.head_dim, value_dim));
    }
    p.attention_scale = 1.0f / std::sqrt(static_cast<float>(p.head_dim));
    p.qkv_bias = gguf_.FindTensor("blk.0.attn_q.bias") != nullptr;
    p.qk_norm = a_.qk_norm;
    return {};
  }

  // Scaling by one factor ("linear") and Llama 3's factor for each pair, which the converter has
  // worked out, are what rope_factors can say.
  Status Rope() {
    AttentionFacts& rope = facts_.global;
    AX_ASSIGN_OR_RETURN(facts_.layer.rope_dims,
                        gguf_.Uint(Key("rope.dimension_count"), facts_.layer.head_dim));
    AX_ASSIGN_OR_RETURN(rope.rope_theta, gguf_.Float(Key("rope.freq_base"), 10000.0));
    AX_ASSIGN_OR_RETURN(const std::string kind, gguf_.Text(Key("rope.scaling.type"), "linear"));
    AX_ASSIGN_OR_RETURN(const double old_key, gguf_.Float(Key("rope.scale_linear"), 1.0));
    AX_ASSIGN_OR_RETURN(double factor, gguf_.Float(Key("rope.scaling.factor"), old_key));
    if (kind == "none" || factor == 0.0) factor = 1.0;
    const bool per_pair = gguf_.FindTensor("rope_freqs.weight") != nullptr;
    if ((kind != "none" && kind != "linear") || !(factor > 0.0) || (per_pair && factor != 1.0)) {
      return Bad(gguf_, fmt::format("scales RoPE by \"{}\", factor {}, which is not built yet",
                                    kind, factor));
    }
    if (per_pair) rope.rope_factors_tensor = "rope_freqs.weight";
    rope.rope_factor = factor;
    return {};
  }

  // Granite and MiniCPM have factors of their own; Granite's may be left out, and are 1 then.
  Status Scales() {
    const bool all = arch_ == "minicpm";
    if (!all && arch_ != "granite") return {};
    const auto scale = [&](std::string_view name, bool needed, float* out) -> Status {
      if (!needed && !gguf_.Find(Key(name))) return {};
      AX_ASSIGN_OR_RETURN(const double value, gguf_.Float(Key(name)));
      if (!std::isfinite(value) || (needed && value == 0.0)) {
        return Bad(gguf_, fmt::format("has {} = {}", Key(name), value));
      }
      if (value != 0.0) *out = static_cast<float>(value);  // 0: as if it were absent
      return {};
    };
    AX_RETURN_IF_ERROR(scale("logit_scale", true, &facts_.logit_divisor));
    AX_RETURN_IF_ERROR(scale("embedding_scale", all, &facts_.embedding_scale));
    AX_RETURN_IF_ERROR(scale("residual_scale", all, &facts_.layer.residual_scale));
    return scale("attention.scale", false, &facts_.layer.attention_scale);
  }

  Status Gemma() {
    constexpr uint32_t kLayersOf27B = 62;
    spec::Program& p = facts_.layer;
    p.activation = spec::Activation::kGeluTanh;
    p.post_norms = true;
    facts_.embedding_scale = std::sqrt(static_cast<float>(p.hidden));
    if (facts_.layers == kLayersOf27B) {  // the one size with heads narrower than its scale says
      p.attention_scale = 1.0f / std::sqrt(static_cast<float>(p.hidden / p.heads));
    }
    AX_ASSIGN_OR_RETURN(facts_.local.window, gguf_.Uint(Key("attention.sliding_window"), 0));
    AX_ASSIGN_OR_RETURN(const uint32_t period,
                        gguf_.Uint(Key("attention.sliding_window_pattern"), 6));
    // A local layer has a RoPE of its own, unscaled.
    AX_ASSIGN_OR_RETURN(facts_.local.rope_theta, gguf_.Float(Key("rope.freq_base_swa"), 10000.0));
    if (period == 0) return Bad(gguf_, "has a sliding window pattern of 0 layers");
    for (uint32_t i = 0; i < facts_.layers && facts_.local.window != 0; ++i) {
      facts_.is_local.push_back(i % period != period - 1);
    }
    return {};
  }

  const Gguf& gguf_;
  const Architecture& a_;
  const std::string arch_;
  ModelFacts facts_;
};

}  // namespace

Result<GgufSource> GgufSource::Open(const std::filesystem::path& path) {
  AX_ASSIGN_OR_RETURN(Gguf gguf, Gguf::Open(path));
  return GgufSource(std::move(gguf));
}

Result<ModelFacts> GgufSource::Facts() const {
  AX_ASSIGN_OR_RETURN(const uint32_t splits, gguf_.Uint("split.count", 1));
  if (splits > 1) {
    return Bad(gguf_,
               fmt::format("is one of {} parts: join them with llama-gguf-split --merge", splits));
  }
  AX_ASSIGN_OR_RETURN(const std::string arch, gguf_.Text("general.architecture"));
  const auto* known =
      std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                   [&](const Architecture& a) { return !arch.empty() && a.gguf == arch; });
  if (known == std::end(kArchitectures)) {
    return Bad(gguf_, fmt::format("has the architecture \"{}\", which is not built yet: llama, "
                                  "qwen2, qwen3, gemma3, granite and minicpm are",
                                  arch));
  }
  return Reader(gguf_, *known).Run();
}

Result<TokenizerFiles> GgufSource::Tokenizer(uint32_t vocab) const {
  AX_ASSIGN_OR_RETURN(const TokenizerFacts facts, TokenizerOf(gguf_, vocab));
  return MakeTokenizer(gguf_.path(), facts);
}

}  // namespace axsim::build
