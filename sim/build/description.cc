#include "sim/build/description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
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
  return {std::move(weight), std::move(tensor), 0, size, order};
}
WeightRule Matrix(std::string weight, std::string tensor, uint64_t rows, uint64_t cols,
                  RowOrder order = RowOrder::kPlain) {
  return {std::move(weight), std::move(tensor), rows, cols, order};
}

Status CheckRules(const Gguf& gguf, const FileDescription& file, std::set<std::string>* used) {
  for (const WeightRule& rule : file.rules) {
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

Status CheckRope(const Gguf& gguf, const std::string& arch) {
  AX_ASSIGN_OR_RETURN(const std::string scaling, gguf.Text(arch + ".rope.scaling.type", "none"));
  AX_ASSIGN_OR_RETURN(const double linear, gguf.Float(arch + ".rope.scale_linear", 1.0));
  if (scaling != "none" || linear != 1.0) {
    return Bad(gguf, fmt::format("scales RoPE (\"{}\"), which is not built yet",
                                 scaling != "none" ? scaling : "linear"));
  }
  return {};
}

// Llama 2 and 3, SmolLM2, TinyLlama, Mistral: RMS norms, gated SiLU, RoPE in pairs (2i, 2i + 1).
Result<Description> DescribeLlama(const Gguf& gguf) {
  const std::string arch = "llama";
  Description d;
  d.model_type = arch;
  AX_RETURN_IF_ERROR(CheckRope(gguf, arch));
  AX_ASSIGN_OR_RETURN(const uint32_t experts, gguf.Uint(arch + ".expert_count", 0));
  if (experts > 0) return Bad(gguf, "is a mixture of experts, which is not built yet");
  AX_ASSIGN_OR_RETURN(const uint32_t layers, gguf.Uint(arch + ".block_count"));
  AX_ASSIGN_OR_RETURN(d.hidden, gguf.Uint(arch + ".embedding_length"));
  AX_ASSIGN_OR_RETURN(d.trained_context, gguf.Uint(arch + ".context_length", 0));
  if (layers == 0 || layers > 4096 || d.hidden == 0) {
    return Bad(gguf, fmt::format("has {} layers of width {}", layers, d.hidden));
  }

  spec::Program layer;
  layer.kind = spec::Kind::kLayer;
  layer.hidden = d.hidden;
  AX_ASSIGN_OR_RETURN(const double eps, gguf.Float(arch + ".attention.layer_norm_rms_epsilon"));
  layer.norm_eps = static_cast<float>(eps);
  AX_ASSIGN_OR_RETURN(layer.heads, gguf.Uint(arch + ".attention.head_count"));
  AX_ASSIGN_OR_RETURN(layer.kv_heads, gguf.Uint(arch + ".attention.head_count_kv", layer.heads));
  AX_ASSIGN_OR_RETURN(layer.ffn, gguf.Uint(arch + ".feed_forward_length"));
  if (layer.heads == 0) return Bad(gguf, "has no attention heads");
  AX_ASSIGN_OR_RETURN(layer.head_dim,
                      gguf.Uint(arch + ".attention.key_length", d.hidden / layer.heads));
  AX_ASSIGN_OR_RETURN(const uint32_t value_dim,
                      gguf.Uint(arch + ".attention.value_length", layer.head_dim));
  if (value_dim != layer.head_dim) {
    return Bad(gguf, fmt::format("has keys of {} and values of {}, which must be equal",
                                 layer.head_dim, value_dim));
  }
  AX_ASSIGN_OR_RETURN(layer.rope_dims, gguf.Uint(arch + ".rope.dimension_count", layer.head_dim));
  AX_ASSIGN_OR_RETURN(layer.rope_theta, gguf.Float(arch + ".rope.freq_base", 10000.0));
  layer.attention_scale = 1.0f / std::sqrt(static_cast<float>(layer.head_dim));
  layer.qkv_bias = gguf.FindTensor("blk.0.attn_q.bias") != nullptr;

  const uint64_t q_rows = uint64_t{layer.heads} * layer.head_dim;
  const uint64_t kv_rows = uint64_t{layer.kv_heads} * layer.head_dim;
  const uint64_t hidden = d.hidden;
  constexpr RowOrder kPairs = RowOrder::kInterleavedPairs;
  for (uint32_t i = 0; i < layers; ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    std::vector<WeightRule> rules = {Vector("attn_norm", block + "attn_norm.weight", hidden),
                                     Matrix("q", block + "attn_q.weight", q_rows, hidden, kPairs),
                                     Matrix("k", block + "attn_k.weight", kv_rows, hidden, kPairs),
                                     Matrix("v", block + "attn_v.weight", kv_rows, hidden),
                                     Matrix("o", block + "attn_output.weight", hidden, q_rows),
                                     Vector("ffn_norm", block + "ffn_norm.weight", hidden),
                                     Matrix("gate", block + "ffn_gate.weight", layer.ffn, hidden),
                                     Matrix("up", block + "ffn_up.weight", layer.ffn, hidden),
                                     Matrix("down", block + "ffn_down.weight", hidden, layer.ffn)};
    if (layer.qkv_bias) {
      rules.push_back(Vector("q_bias", block + "attn_q.bias", q_rows, kPairs));
      rules.push_back(Vector("k_bias", block + "attn_k.bias", kv_rows, kPairs));
      rules.push_back(Vector("v_bias", block + "attn_v.bias", kv_rows));
    }
    if (gguf.FindTensor("rope_freqs.weight")) {
      rules.push_back(Vector("rope_factors", "rope_freqs.weight", layer.rope_dims / 2));
    }
    d.layers.push_back({layer, std::move(rules)});
  }

  d.embedding = "token_embd.weight";
  const GgufTensor* embedding = gguf.FindTensor(d.embedding);
  if (!embedding) return Bad(gguf, "has no tensor \"token_embd.weight\"");
  if (embedding->dims.size() != 2 || embedding->cols() != hidden ||
      embedding->rows() > UINT32_MAX) {
    return Bad(gguf, fmt::format("has tensor \"token_embd.weight\" as [{}], its settings need [{}, "
                                 "vocabulary]",
                                 fmt::join(embedding->dims, ", "), hidden));
  }
  d.vocab = static_cast<uint32_t>(embedding->rows());
  d.post.program.kind = spec::Kind::kPost;
  d.post.program.hidden = d.hidden;
  d.post.program.norm_eps = layer.norm_eps;
  d.post.program.vocab = d.vocab;
  // A model without a head of its own uses the embedding for both.
  const char* head = gguf.FindTensor("output.weight") ? "output.weight" : "token_embd.weight";
  d.post.rules = {Vector("norm", "output_norm.weight", hidden),
                  Matrix("head", head, d.vocab, hidden)};
  return d;
}

}  // namespace

Result<Description> Describe(const Gguf& gguf) {
  AX_ASSIGN_OR_RETURN(const uint32_t splits, gguf.Uint("split.count", 1));
  if (splits > 1) {
    return Bad(gguf,
               fmt::format("is one of {} parts: join them with llama-gguf-split --merge", splits));
  }
  AX_ASSIGN_OR_RETURN(const std::string arch, gguf.Text("general.architecture"));
  if (arch != "llama") {
    return Bad(gguf,
               fmt::format("has the architecture \"{}\", which is not built yet: llama is", arch));
  }
  AX_ASSIGN_OR_RETURN(Description d, DescribeLlama(gguf));
  std::set<std::string> used = {d.embedding};
  for (const FileDescription& layer : d.layers) AX_RETURN_IF_ERROR(CheckRules(gguf, layer, &used));
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
