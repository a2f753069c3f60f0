#include "sim/build/hf_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace axsim::build {
namespace {

using axollama::Result;
using axollama::Status;

constexpr TensorNames kNames = {.embedding = "model.embed_tokens",
                                .norm = "model.norm",
                                .head = "lm_head",
                                .layer = "model.layers.",
                                .attn_norm = "input_layernorm",
                                .q = "self_attn.q_proj",
                                .k = "self_attn.k_proj",
                                .v = "self_attn.v_proj",
                                .o = "self_attn.o_proj",
                                .q_norm = "self_attn.q_norm",
                                .k_norm = "self_attn.k_norm",
                                .attn_post_norm = "",
                                .ffn_norm = "post_attention_layernorm",
                                .gate = "mlp.gate_proj",
                                .up = "mlp.up_proj",
                                .down = "mlp.down_proj",
                                .ffn_post_norm = ""};

constexpr TensorNames GemmaNames() {
  TensorNames names = kNames;
  names.attn_post_norm = "post_attention_layernorm";
  names.ffn_norm = "pre_feedforward_layernorm";
  names.ffn_post_norm = "post_feedforward_layernorm";
  return names;
}

// Settings with which these architectures would compute something else, unless they are absent, 0
// or false.
constexpr std::string_view kUnknownSettings[] = {
    "attn_logit_softcapping", "final_logit_softcapping",    "num_local_experts", "num_experts",
    "n_routed_experts",       "use_bidirectional_attention"};

// Fills the facts; the parts follow the order in which a reader meets them.
class Reader {
 public:
  Reader(const SettingsJson& config, const Architecture& architecture,
         const std::function<bool(std::string_view)>& has_tensor)
      : config_(config), a_(architecture), has_tensor_(has_tensor) {}

  Result<ModelFacts> Run() {
    facts_.architecture = a_.hugging_face;
    facts_.model_type = a_.model_type;
    facts_.names = a_.gemma ? GemmaNames() : kNames;
    AX_RETURN_IF_ERROR(Refusals());
    AX_RETURN_IF_ERROR(Sizes());
    AX_RETURN_IF_ERROR(Activation());
    AX_RETURN_IF_ERROR(Head());
    AX_RETURN_IF_ERROR(Windows());
    AX_RETURN_IF_ERROR(Ropes());
    if (a_.gemma) AX_RETURN_IF_ERROR(Gemma());
    if (a_.model_type == "granite") AX_RETURN_IF_ERROR(Granite());
    if (a_.model_type == "minicpm") AX_RETURN_IF_ERROR(MiniCpm());
    return std::move(facts_);
  }

 private:
  Status Refusals() {
    for (const char* key : {"quantization_config", "compression_config"}) {
      if (!config_.Has(key)) continue;
      AX_ASSIGN_OR_RETURN(const SettingsJson inner, config_.Inner(key));
      AX_ASSIGN_OR_RETURN(const std::string method, inner.Text("quant_method", "an unnamed one"));
      return config_.Bad(
          fmt::format("says that the weights are quantised by \"{}\", which is not built yet: take "
                      "the model they were made from",
                      method));
    }
    for (const std::string_view key : kUnknownSettings) {
      const axollama::json::Value* value = axollama::json::Find(config_.object(), key);
      const bool off = !value || (value->is_bool() && !value->get_bool()) ||
                       (value->is_number() && value->to_number<double>() == 0.0);
      if (!off) return config_.Bad(fmt::format("has \"{}\", which is not built yet", key));
    }
    AX_ASSIGN_OR_RETURN(const double partial, config_.Float("partial_rotary_factor", 1.0));
    if (partial != 1.0) {
      return config_.Bad(
          fmt::format("turns only {} of a head by RoPE, which is not built yet for "
                      "{}",
                      partial, a_.hugging_face));
    }
    return {};
  }

  Status Sizes() {
    spec::Program& p = facts_.layer;
    AX_ASSIGN_OR_RETURN(facts_.layers, config_.Uint("num_hidden_layers"));
    AX_ASSIGN_OR_RETURN(p.hidden, config_.Uint("hidden_size"));
    if (facts_.layers == 0 || facts_.layers > kMaxLayers || p.hidden == 0) {
      return config_.Bad(fmt::format("has {} layers of width {}", facts_.layers, p.hidden));
    }
    AX_ASSIGN_OR_RETURN(facts_.trained_context, config_.Uint("max_position_embeddings", 0));
    AX_ASSIGN_OR_RETURN(const double eps, config_.Float("rms_norm_eps"));
    p.norm_eps = static_cast<float>(eps);
    AX_ASSIGN_OR_RETURN(p.heads, config_.Uint("num_attention_heads"));
    AX_ASSIGN_OR_RETURN(p.kv_heads, config_.Uint("num_key_value_heads", p.heads));
    AX_ASSIGN_OR_RETURN(p.ffn, config_.Uint("intermediate_size"));
    if (p.heads == 0) return config_.Bad("has no attention heads");
    // Where heads are no even share of the width, the class has a default of its own.
    const bool stated = a_.gemma || a_.model_type == "qwen3";
    AX_ASSIGN_OR_RETURN(p.head_dim, stated ? config_.Uint("head_dim")
                                           : config_.Uint("head_dim", p.hidden / p.heads));
    p.rope_dims = p.head_dim;
    p.attention_scale = 1.0f / std::sqrt(static_cast<float>(p.head_dim));
    p.qkv_bias = has_tensor_("model.layers.0.self_attn.q_proj.bias");
    p.qk_norm = a_.qk_norm;
    return {};
  }

  Status Activation() {
    const char* key = config_.Has("hidden_activation") ? "hidden_activation" : "hidden_act";
    AX_ASSIGN_OR_RETURN(const std::string name,
                        config_.Text(key, a_.gemma ? "gelu_pytorch_tanh" : "silu"));
    if (name != "silu" && name != "gelu_pytorch_tanh") {
      return config_.Bad(fmt::format("has the activation \"{}\", which is not built yet", name));
    }
    facts_.layer.activation =
        name == "silu" ? spec::Activation::kSilu : spec::Activation::kGeluTanh;
    return {};
  }

  // A tied head may be in the file all the same; it is not looked at then.
  Status Head() {
    const bool has_head = has_tensor_("lm_head.weight");
    AX_ASSIGN_OR_RETURN(const bool tied, config_.Bool("tie_word_embeddings", !has_head));
    facts_.own_head = !tied;
    if (tied && has_head) facts_.spare.insert("lm_head.weight");
    return {};
  }

  // Which layers look back only so far.
  Status Windows() {
    const std::string_view type = a_.model_type;
    if (!a_.gemma && type != "mistral" && type != "qwen2" && type != "qwen3") return {};
    AX_ASSIGN_OR_RETURN(const uint32_t window, config_.Uint("sliding_window", 0));
    AX_ASSIGN_OR_RETURN(const bool used,
                        config_.Bool("use_sliding_window", a_.gemma || type == "mistral"));
    AX_ASSIGN_OR_RETURN(const uint32_t from, config_.Uint("max_window_layers", facts_.layers));
    const char* pattern = config_.Has("_sliding_window_pattern") ? "_sliding_window_pattern"
                                                                 : "sliding_window_pattern";
    AX_ASSIGN_OR_RETURN(const uint32_t period, config_.Uint(pattern, 6));
    AX_ASSIGN_OR_RETURN(const std::vector<std::string> kinds, config_.Texts("layer_types"));
    if (period == 0) return config_.Bad("has a sliding window pattern of 0 layers");
    if (!kinds.empty() && kinds.size() != facts_.layers) {
      return config_.Bad(
          fmt::format("has {} layer_types for {} layers", kinds.size(), facts_.layers));
    }
    for (const std::string& kind : kinds) {
      if (kind != "full_attention" && kind != "sliding_attention") {
        return config_.Bad(fmt::format("has a layer of type \"{}\", which is not built yet", kind));
      }
    }
    if (window == 0 || !used) return {};
    facts_.local.window = window;
    for (uint32_t i = 0; i < facts_.layers; ++i) {
      facts_.is_local.push_back(!kinds.empty()      ? kinds[i] == "sliding_attention"
                                : a_.gemma          ? i % period != period - 1
                                : type == "mistral" ? true
                                                    : i >= from);
    }
    return {};
  }

  // "rope_parameters" of newer folders, for each type of layer where these differ; else
  // "rope_theta" and "rope_scaling".
  Status Ropes() {
    const double theta = a_.gemma ? 1e6 : 10000.0;
    AX_ASSIGN_OR_RETURN(const SettingsJson parameters, config_.Inner("rope_parameters"));
    if (parameters.Has("full_attention") || parameters.Has("sliding_attention")) {
      AX_ASSIGN_OR_RETURN(const SettingsJson full, parameters.Inner("full_attention"));
      AX_ASSIGN_OR_RETURN(const SettingsJson sliding, parameters.Inner("sliding_attention"));
      AX_RETURN_IF_ERROR(Rope(full, theta, &facts_.global));
      return Rope(sliding, 10000.0, &facts_.local);
    }
    AX_ASSIGN_OR_RETURN(const double plain_theta, config_.Float("rope_theta", theta));
    AX_ASSIGN_OR_RETURN(const SettingsJson scaling, config_.Inner("rope_scaling"));
    AX_RETURN_IF_ERROR(
        Rope(config_.Has("rope_parameters") ? parameters : scaling, plain_theta, &facts_.global));
    const uint32_t window = facts_.local.window;
    if (a_.gemma) {
      AX_ASSIGN_OR_RETURN(facts_.local.rope_theta, config_.Float("rope_local_base_freq", 10000.0));
    } else {
      facts_.local = facts_.global;
    }
    facts_.local.window = window;
    return {};
  }

  static Status Rope(const SettingsJson& rope, double theta, AttentionFacts* out) {
    AX_ASSIGN_OR_RETURN(out->rope_theta, rope.Float("rope_theta", theta));
    AX_ASSIGN_OR_RETURN(const std::string old_key, rope.Text("type", "default"));
    AX_ASSIGN_OR_RETURN(const std::string kind, rope.Text("rope_type", old_key));
    AX_ASSIGN_OR_RETURN(const double partial, rope.Float("partial_rotary_factor", 1.0));
    if (kind == "default" && partial == 1.0) return {};
    if ((kind != "linear" && kind != "llama3") || partial != 1.0) {
      return rope.Bad(
          fmt::format("scales RoPE by \"{}\", which is not built yet: linear and "
                      "llama3 are",
                      kind));
    }
    AX_ASSIGN_OR_RETURN(const double factor, rope.Float("factor"));
    if (factor <= 0.0) return rope.Bad(fmt::format("scales RoPE by {}", factor));
    if (kind == "linear") {
      out->rope_factor = factor;
      return {};
    }
    Llama3Rope llama3 = {.factor = factor};
    AX_ASSIGN_OR_RETURN(llama3.low, rope.Float("low_freq_factor"));
    AX_ASSIGN_OR_RETURN(llama3.high, rope.Float("high_freq_factor"));
    AX_ASSIGN_OR_RETURN(llama3.original, rope.Float("original_max_position_embeddings"));
    if (!(llama3.low > 0.0) || !(llama3.high > llama3.low) || !(llama3.original > 0.0)) {
      return rope.Bad(fmt::format("scales RoPE between the factors {} and {} of {} positions",
                                  llama3.low, llama3.high, llama3.original));
    }
    out->llama3 = llama3;
    return {};
  }

  // Gemma's norms hold what is added to 1.
  Status Gemma() {
    spec::Program& p = facts_.layer;
    p.post_norms = true;
    facts_.norm_offset = 1.0f;
    facts_.embedding_scale = std::sqrt(static_cast<float>(p.hidden));
    AX_ASSIGN_OR_RETURN(const float scalar, Scale("query_pre_attn_scalar", p.head_dim));
    p.attention_scale = 1.0f / std::sqrt(scalar);
    return {};
  }

  Status Granite() {
    AX_ASSIGN_OR_RETURN(facts_.embedding_scale, Scale("embedding_multiplier", 1.0));
    AX_ASSIGN_OR_RETURN(facts_.layer.residual_scale, Scale("residual_multiplier", 1.0));
    AX_ASSIGN_OR_RETURN(facts_.layer.attention_scale, Scale("attention_multiplier", 1.0));
    AX_ASSIGN_OR_RETURN(facts_.logit_divisor, Scale("logits_scaling", 1.0));
    return {};
  }

  Status MiniCpm() {
    AX_ASSIGN_OR_RETURN(facts_.embedding_scale, Scale("scale_emb", 1.0));
    AX_ASSIGN_OR_RETURN(const float depth, Scale("scale_depth", 1.0));
    AX_ASSIGN_OR_RETURN(const float base, Scale("dim_model_base", 1.0));
    facts_.layer.residual_scale =
        static_cast<float>(depth / std::sqrt(static_cast<double>(facts_.layers)));
    facts_.logit_divisor = static_cast<float>(facts_.layer.hidden / static_cast<double>(base));
    return {};
  }

  Result<float> Scale(std::string_view key, double otherwise) const {
    AX_ASSIGN_OR_RETURN(const double value, config_.Float(key, otherwise));
    const auto scale = static_cast<float>(value);
    if (!std::isfinite(scale) || scale <= 0.0f) {
      return config_.Bad(fmt::format("has \"{}\" = {}", key, value));
    }
    return scale;
  }

  const SettingsJson& config_;
  const Architecture& a_;
  const std::function<bool(std::string_view)>& has_tensor_;
  ModelFacts facts_;
};

}  // namespace

Result<ModelFacts> FactsOfConfig(const SettingsJson& config,
                                 const std::function<bool(std::string_view)>& has_tensor) {
  AX_ASSIGN_OR_RETURN(const std::vector<std::string> names, config.Texts("architectures"));
  const auto* known = std::find_if(
      std::begin(kArchitectures), std::end(kArchitectures),
      [&](const Architecture& a) { return names.size() == 1 && a.hugging_face == names[0]; });
  if (known == std::end(kArchitectures)) {
    std::vector<std::string_view> built;
    for (const Architecture& a : kArchitectures) built.push_back(a.hugging_face);
    return config.Bad(fmt::format("has the architectures [{}]: one of {} is built",
                                  fmt::join(names, ", "), fmt::join(built, ", ")));
  }
  return Reader(config, *known, has_tensor).Run();
}

}  // namespace axsim::build
