#include "sim/model/assemble.h"

#include <fmt/format.h>

#include "sim/model/geometry.h"
#include "sim/model/layer.h"
#include "sim/model/post.h"
#include "sim/model/stack.h"

namespace axsim::model {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
using container::DataType;

// Looks weights up; the first failure is kept, so that a caller checks once.
class Weights {
 public:
  // Of one program of the model: `prefix` is what its names begin with.
  Weights(const container::Model& model, const spec::Program& program, std::string prefix)
      : model_(model), program_(program), prefix_(std::move(prefix)) {}

  bool Has(std::string_view name) const { return model_.weights.contains(Full(name)); }

  const float* Floats(std::string_view name, size_t count) {
    return static_cast<const float*>(Data(name, DataType::kFp32, 4, count));
  }

  const float* Optional(bool wanted, std::string_view name, size_t count) {
    return wanted ? Floats(name, count) : nullptr;
  }

  Matrix Rows(std::string_view name, size_t rows, size_t cols) {
    Matrix m{.rows = rows, .cols = cols};
    m.type = program_.weights;
    switch (m.type) {
      case spec::WeightType::kBf16:
        m.data = Data(name, DataType::kBf16, 2, rows * cols);
        return m;
      case spec::WeightType::kS8:
        m.data = Data(name, DataType::kInt8, 1, rows * cols);
        break;
      case spec::WeightType::kS4:
        m.data = Data(name, DataType::kUint8, 1, rows * m.row_bytes());
        m.factors = static_cast<const uint8_t*>(
            Data(fmt::format("{}.factor", name), DataType::kUint8, 1, rows * spec::S4Spans(cols)));
        break;
    }
    m.scales = Floats(fmt::format("{}.scale", name), rows);
    return m;
  }

  const Status& status() const { return status_; }

 private:
  const void* Data(std::string_view name, DataType type, size_t element, size_t count) {
    const auto found = model_.weights.find(Full(name));
    if (found == model_.weights.end()) return Refuse(name, "is missing");
    const container::Weight& weight = found->second;
    if (weight.type != type) return Refuse(name, "has another type than the program says");
    if (weight.data.size() != element * count) {
      return Refuse(name, fmt::format("has {} bytes, the program needs {}", weight.data.size(),
                                      element * count));
    }
    if (reinterpret_cast<uintptr_t>(weight.data.data()) % element != 0) {
      return Refuse(name, "is not aligned in memory");
    }
    return weight.data.data();
  }

  const void* Refuse(std::string_view name, std::string_view why) {
    if (status_) status_ = Fail(ErrorKind::kInvalid, fmt::format("weight {} {}", Full(name), why));
    return nullptr;
  }

  std::string Full(std::string_view name) const { return prefix_ + std::string(name); }

  const container::Model& model_;
  const spec::Program& program_;
  const std::string prefix_;
  Status status_;
};

Status CheckLayer(const spec::Program& p) {
  std::string_view wrong;
  if (p.hidden == 0 || p.ffn == 0 || p.heads == 0 || p.kv_heads == 0 || p.context == 0) {
    wrong = "a size of it is 0";
  } else if (p.heads % p.kv_heads != 0) {
    wrong = "heads is no multiple of kv_heads";
  } else if (p.head_dim == 0 || p.head_dim % kernels::kLanes != 0) {
    wrong = "head_dim is no multiple of 8";
  } else if (p.rope_dims % 2 != 0 || p.rope_dims > p.head_dim) {
    wrong = "rope_dims is odd or larger than head_dim";
  }
  if (wrong.empty()) return {};
  return Fail(ErrorKind::kInvalid, fmt::format("the program cannot be run: {}", wrong));
}

Result<LayerWeights> ReadLayerWeights(Weights weights, const spec::Program& p) {
  AX_RETURN_IF_ERROR(CheckLayer(p));
  const size_t q_rows = size_t{p.heads} * p.head_dim;
  const size_t kv_rows = size_t{p.kv_heads} * p.head_dim;
  LayerWeights w;
  w.q = weights.Rows("q", q_rows, p.hidden);
  w.k = weights.Rows("k", kv_rows, p.hidden);
  w.v = weights.Rows("v", kv_rows, p.hidden);
  w.o = weights.Rows("o", p.hidden, q_rows);
  w.gate = weights.Rows("gate", p.ffn, p.hidden);
  w.up = weights.Rows("up", p.ffn, p.hidden);
  w.down = weights.Rows("down", p.hidden, p.ffn);
  w.attn_norm = weights.Floats("attn_norm", p.hidden);
  w.ffn_norm = weights.Floats("ffn_norm", p.hidden);
  w.q_norm = weights.Optional(p.qk_norm, "q_norm", p.head_dim);
  w.k_norm = weights.Optional(p.qk_norm, "k_norm", p.head_dim);
  w.q_bias = weights.Optional(p.qkv_bias, "q_bias", q_rows);
  w.k_bias = weights.Optional(p.qkv_bias, "k_bias", kv_rows);
  w.v_bias = weights.Optional(p.qkv_bias, "v_bias", kv_rows);
  w.attn_post_norm = weights.Optional(p.post_norms, "attn_post_norm", p.hidden);
  w.ffn_post_norm = weights.Optional(p.post_norms, "ffn_post_norm", p.hidden);
  const size_t half = p.rope_dims / 2;
  const float* factors = weights.Optional(weights.Has("rope_factors"), "rope_factors", half);
  AX_RETURN_IF_ERROR(weights.status());
  w.rope = SharedRopeTable(p.context, p.rope_dims, p.rope_theta,
                           {factors, factors == nullptr ? 0 : half});
  return w;
}

Result<PostWeights> ReadPostWeights(Weights weights, const spec::Program& p) {
  if (p.hidden == 0 || p.output_width() == 0) {
    return Fail(ErrorKind::kInvalid, "the program cannot be run: a size of it is 0");
  }
  PostWeights w;
  w.norm = weights.Floats("norm", p.hidden);
  if (!p.embedding) w.head = weights.Rows("head", p.vocab, p.hidden);
  AX_RETURN_IF_ERROR(weights.status());
  return w;
}

Result<std::unique_ptr<Model>> AssembleLayer(container::Model model) {
  const spec::Program& p = model.program;
  AX_ASSIGN_OR_RETURN(LayerWeights weights, ReadLayerWeights({model, p, ""}, p));
  std::vector<LayerShape> shapes;
  for (const container::Group& group : model.groups) {
    AX_ASSIGN_OR_RETURN(LayerShape shape, ReadLayerShape(p, group));
    shapes.push_back(std::move(shape));
  }
  return std::make_unique<LayerModel>(std::move(model), std::move(weights), std::move(shapes));
}

Result<std::unique_ptr<Model>> AssemblePost(container::Model model) {
  const spec::Program& p = model.program;
  AX_ASSIGN_OR_RETURN(const PostWeights weights, ReadPostWeights({model, p, ""}, p));
  std::vector<PostShape> shapes;
  for (const container::Group& group : model.groups) {
    AX_ASSIGN_OR_RETURN(PostShape shape, ReadPostShape(p, group));
    shapes.push_back(std::move(shape));
  }
  return std::make_unique<PostModel>(std::move(model), weights, std::move(shapes));
}

Result<std::unique_ptr<Model>> AssembleStack(container::Model model) {
  const spec::Program& p = model.program;
  if (p.parts.size() < 2) return Fail(ErrorKind::kInvalid, "the model has no layer");
  std::vector<LayerWeights> layers;
  for (size_t i = 0; i + 1 < p.parts.size(); ++i) {
    const spec::Program& part = p.parts[i];
    AX_ASSIGN_OR_RETURN(LayerWeights layer,
                        ReadLayerWeights({model, part, spec::PartPrefix(p, i)}, part));
    layers.push_back(std::move(layer));
  }
  AX_ASSIGN_OR_RETURN(const PostWeights post,
                      ReadPostWeights({model, p.parts.back(), ""}, p.parts.back()));
  std::vector<StackShape> shapes;
  for (const container::Group& group : model.groups) {
    AX_ASSIGN_OR_RETURN(StackShape shape, ReadStackShape(p, group));
    shapes.push_back(std::move(shape));
  }
  return std::make_unique<StackModel>(std::move(model), std::move(layers), post, std::move(shapes));
}

}  // namespace

Result<std::unique_ptr<Model>> Assemble(container::Model description) {
  if (description.groups.empty()) {
    return Fail(ErrorKind::kInvalid, "the model has no shape group");
  }
  if (description.program.geometry) {
    return std::make_unique<GeometryModel>(std::move(description));
  }
  switch (description.program.kind) {
    case spec::Kind::kLayer:
      return AssembleLayer(std::move(description));
    case spec::Kind::kPost:
      return AssemblePost(std::move(description));
    case spec::Kind::kStack:
      return AssembleStack(std::move(description));
  }
  return Fail(ErrorKind::kInvalid, "the model is of an unknown kind");
}

}  // namespace axsim::model
