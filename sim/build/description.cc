#include "sim/build/description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numbers>
#include <set>

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

auto Bad(const Source& source, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", source.path().string(), what));
}

std::string Weight(std::string_view name) { return fmt::format("{}.weight", name); }

// What the card would refuse is refused before hours of work.
Status CheckProgram(const Source& source, spec::Program program) {
  program.context = 1;  // the builder's choice, not the model's
  const auto read = spec::ParseProgram(spec::WriteProgram(program));
  return read ? Status() : Bad(source, "cannot be run: " + read.error().message);
}

Status CheckRules(const Source& source, const FileDescription& file, std::set<std::string>* used) {
  for (const WeightRule& rule : file.rules) {
    if (!rule.values.empty()) continue;
    const Tensor* tensor = source.FindTensor(rule.tensor);
    if (!tensor) return Bad(source, fmt::format("has no tensor \"{}\"", rule.tensor));
    const std::vector<uint64_t> want =
        rule.rows ? std::vector<uint64_t>{rule.cols, rule.rows} : std::vector<uint64_t>{rule.cols};
    if (tensor->dims != want) {
      return Bad(source,
                 fmt::format("has tensor \"{}\" as [{}], its settings need [{}]", rule.tensor,
                             fmt::join(tensor->dims, ", "), fmt::join(want, ", ")));
    }
    used->insert(rule.tensor);
  }
  return {};
}

// Source: transformers' modeling_rope_utils, and what llama.cpp's converter makes of it.
float Llama3Factor(const Llama3Rope& rope, double theta, uint32_t pair, uint32_t rope_dims) {
  const double wave = 2 * std::numbers::pi * std::pow(theta, 2.0 * pair / rope_dims);
  if (wave < rope.original / rope.high) return 1.0f;
  if (wave > rope.original / rope.low) return static_cast<float>(rope.factor);
  const double smooth = (rope.original / wave - rope.low) / (rope.high - rope.low);
  return static_cast<float>(1 / ((1 - smooth) / rope.factor + smooth));
}

// Fills the description of one model; the parts follow the order in which a reader meets them.
class Describer {
 public:
  Describer(const Source& source, const ModelFacts& facts)
      : source_(source), f_(facts), n_(facts.names) {}

  Result<Description> Run() {
    d_.name = f_.name;
    d_.model_type = f_.model_type;
    d_.hidden = f_.layer.hidden;
    d_.trained_context = f_.trained_context;
    d_.embedding_scale = f_.embedding_scale;
    AX_RETURN_IF_ERROR(Heads());
    for (uint32_t i = 0; i < f_.layers; ++i) d_.layers.push_back(Layer(i));
    AX_RETURN_IF_ERROR(Post());
    return std::move(d_);
  }

 private:
  Status Heads() {
    const spec::Program& p = f_.layer;
    if (p.head_dim == 0 || p.head_dim > 4096 || p.kv_heads == 0 || p.heads % p.kv_heads != 0) {
      return Bad(source_, fmt::format("has {} heads of {} values that share {} KV heads", p.heads,
                                      p.head_dim, p.kv_heads));
    }
    if (p.rope_dims % 2 != 0 || p.rope_dims > p.head_dim) {
      return Bad(source_, fmt::format("turns {} of the {} values of a head by RoPE", p.rope_dims,
                                      p.head_dim));
    }
    return {};
  }

  // rows == 0: a vector of cols values.
  static WeightRule Rule(std::string weight, std::string tensor, uint64_t rows, uint64_t cols,
                         RowOrder order = RowOrder::kPlain) {
    return {std::move(weight), std::move(tensor), rows, cols, order, {}, 0.0f};
  }
  WeightRule Norm(std::string weight, std::string tensor, uint64_t size) const {
    WeightRule rule = Rule(std::move(weight), std::move(tensor), 0, size);
    rule.offset = f_.norm_offset;
    return rule;
  }

  void AddRopeFactors(const AttentionFacts& attention, FileDescription* layer) const {
    WeightRule rule =
        Rule("rope_factors", attention.rope_factors_tensor, 0, f_.layer.rope_dims / 2);
    if (attention.llama3) {
      for (uint32_t i = 0; i < rule.cols; ++i) {
        rule.values.push_back(
            Llama3Factor(*attention.llama3, attention.rope_theta, i, f_.layer.rope_dims));
      }
    } else if (attention.rope_factor != 1.0) {
      rule.values.assign(rule.cols, static_cast<float>(attention.rope_factor));
    } else if (rule.tensor.empty()) {
      return;
    }
    layer->rules.push_back(std::move(rule));
  }

  FileDescription Layer(uint32_t i) const {
    const AttentionFacts& attention =
        i < f_.is_local.size() && f_.is_local[i] ? f_.local : f_.global;
    spec::Program p = f_.layer;
    p.kind = spec::Kind::kLayer;
    p.sliding_window = attention.window;
    p.rope_theta = attention.rope_theta;
    const uint64_t q_rows = uint64_t{p.heads} * p.head_dim;
    const uint64_t kv_rows = uint64_t{p.kv_heads} * p.head_dim;
    const uint64_t hidden = p.hidden;
    const auto weight = [&](std::string_view part) {
      return fmt::format("{}{}.{}.weight", n_.layer, i, part);
    };
    const auto bias = [&](std::string_view part) {
      return fmt::format("{}{}.{}.bias", n_.layer, i, part);
    };
    FileDescription layer{
        p,
        {Norm("attn_norm", weight(n_.attn_norm), hidden),
         Rule("q", weight(n_.q), q_rows, hidden, f_.order),
         Rule("k", weight(n_.k), kv_rows, hidden, f_.order),
         Rule("v", weight(n_.v), kv_rows, hidden), Rule("o", weight(n_.o), hidden, q_rows),
         Norm("ffn_norm", weight(n_.ffn_norm), hidden),
         Rule("gate", weight(n_.gate), p.ffn, hidden), Rule("up", weight(n_.up), p.ffn, hidden),
         Rule("down", weight(n_.down), hidden, p.ffn)}};
    const auto add = [&](WeightRule rule) { layer.rules.push_back(std::move(rule)); };
    if (p.qkv_bias) {
      add(Rule("q_bias", bias(n_.q), 0, q_rows, f_.order));
      add(Rule("k_bias", bias(n_.k), 0, kv_rows, f_.order));
      add(Rule("v_bias", bias(n_.v), 0, kv_rows));
    }
    if (p.qk_norm) {
      add(Norm("q_norm", weight(n_.q_norm), p.head_dim));
      add(Norm("k_norm", weight(n_.k_norm), p.head_dim));
    }
    if (p.post_norms) {
      add(Norm("attn_post_norm", weight(n_.attn_post_norm), hidden));
      add(Norm("ffn_post_norm", weight(n_.ffn_post_norm), hidden));
    }
    AddRopeFactors(attention, &layer);
    return layer;
  }

  Status Post() {
    d_.embedding = Weight(n_.embedding);
    const Tensor* embedding = source_.FindTensor(d_.embedding);
    if (!embedding) return Bad(source_, fmt::format("has no tensor \"{}\"", d_.embedding));
    if (embedding->dims.size() != 2 || embedding->cols() != d_.hidden ||
        embedding->rows() > UINT32_MAX) {
      return Bad(source_, fmt::format("has tensor \"{}\" as [{}], its settings need [{}, "
                                      "vocabulary]",
                                      d_.embedding, fmt::join(embedding->dims, ", "), d_.hidden));
    }
    d_.vocab = static_cast<uint32_t>(embedding->rows());
    spec::Program& post = d_.post.program;
    post.kind = spec::Kind::kPost;
    post.hidden = d_.hidden;
    post.norm_eps = f_.layer.norm_eps;
    post.vocab = d_.vocab;
    post.logit_scale = 1.0f / f_.logit_divisor;
    d_.post.rules = {
        Norm("norm", Weight(n_.norm), d_.hidden),
        Rule("head", Weight(f_.own_head ? n_.head : n_.embedding), d_.vocab, d_.hidden)};
    return {};
  }

  const Source& source_;
  const ModelFacts& f_;
  const TensorNames& n_;
  Description d_;
};

}  // namespace

Result<Description> Describe(const Source& source) {
  AX_ASSIGN_OR_RETURN(const ModelFacts facts, source.Facts());
  AX_ASSIGN_OR_RETURN(Description d, Describer(source, facts).Run());
  std::set<std::string> used = {d.embedding};
  for (const FileDescription& layer : d.layers) {
    AX_RETURN_IF_ERROR(CheckProgram(source, layer.program));
    AX_RETURN_IF_ERROR(CheckRules(source, layer, &used));
  }
  AX_RETURN_IF_ERROR(CheckProgram(source, d.post.program));
  AX_RETURN_IF_ERROR(CheckRules(source, d.post, &used));
  for (const auto& [name, tensor] : source.tensors()) {
    const std::string key(name);
    if (used.count(key)) {
      d.parameters += tensor.rows() * tensor.cols();
    } else if (!facts.spare.count(key)) {
      return Bad(source, fmt::format("has a tensor \"{}\", which {} models do not use", name,
                                     facts.architecture));
    }
  }
  return d;
}

void LeaveOutHead(Description* d) {
  FileDescription& post = d->post;
  for (const WeightRule& rule : post.rules) {
    if (rule.weight == "head" && rule.tensor != d->embedding)
      d->parameters -= rule.rows * rule.cols;
  }
  std::erase_if(post.rules, [](const WeightRule& rule) { return rule.weight == "head"; });
  post.program.embedding = true;
  post.program.vocab = 0;
  post.program.logit_scale = 1.0f;
}

}  // namespace axsim::build
