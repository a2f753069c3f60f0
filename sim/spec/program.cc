#include "sim/spec/program.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/json.h"

namespace axsim::spec {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
namespace json = axollama::json;

// Bounds that keep every product of two sizes, and a file's matrices, far inside 64 bits.
constexpr uint32_t kMaxWidth = 1u << 17;  // hidden, heads * head_dim
constexpr uint32_t kMaxFfn = 1u << 19;
constexpr uint32_t kMaxVocab = 1u << 22;
constexpr uint32_t kMaxContext = 1u << 20;

struct NamedKind {
  std::string_view name;
  Kind value;
};
struct NamedWeights {
  std::string_view name;
  WeightType value;
};
struct NamedActivation {
  std::string_view name;
  Activation value;
};
constexpr NamedKind kKinds[] = {
    {"layer", Kind::kLayer}, {"post", Kind::kPost}, {"stack", Kind::kStack}};
constexpr NamedWeights kWeights[] = {
    {"s8", WeightType::kS8}, {"bf16", WeightType::kBf16}, {"s4", WeightType::kS4}};
constexpr NamedActivation kActivations[] = {{"silu", Activation::kSilu},
                                            {"gelu_tanh", Activation::kGeluTanh}};

template <typename Table, typename Value>
std::string_view NameOf(const Table& table, Value value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  return table[0].name;
}

auto Bad(std::string text) { return Fail(ErrorKind::kInvalid, "program: " + std::move(text)); }

// Reads the keys of one object and remembers the first error, and how many keys were known.
class Reader {
 public:
  explicit Reader(const json::Object& object) : object_(object) {}

  template <typename Table, typename Value>
  void Name(std::string_view key, const Table& table, Value* value) {
    const json::Value* found = Take(key);
    if (!found) return;
    if (found->is_string()) {
      for (const auto& entry : table) {
        if (entry.name == json::View(found->get_string())) {
          *value = entry.value;
          return;
        }
      }
    }
    Error(fmt::format("\"{}\" has an unknown value", key));
  }

  void Size(std::string_view key, uint32_t least, uint32_t most, uint32_t* value) {
    if (!Take(key)) return;
    const auto number = json::GetInt(object_, key, -1);
    if (!number) return Error(number.error().message);
    if (*number < static_cast<int64_t>(least) || *number > static_cast<int64_t>(most)) {
      return Error(fmt::format("\"{}\" is {}, not within {} to {}", key, *number, least, most));
    }
    *value = static_cast<uint32_t>(*number);
  }

  void Number(std::string_view key, double least, double most, double* value) {
    if (!Take(key)) return;
    const auto number = json::GetDouble(object_, key, 0);
    if (!number) return Error(number.error().message);
    if (!(*number >= least && *number <= most)) {
      return Error(fmt::format("\"{}\" is {}, not within {} to {}", key, *number, least, most));
    }
    *value = *number;
  }

  void Number(std::string_view key, double least, double most, float* value) {
    double number = *value;
    Number(key, least, most, &number);
    *value = static_cast<float>(number);
  }

  void Flag(std::string_view key, bool* value) {
    if (!Take(key)) return;
    const auto flag = json::GetBool(object_, key, false);
    if (!flag) return Error(flag.error().message);
    *value = *flag;
  }

  void OptionalFlag(std::string_view key, bool* value) {
    if (json::Find(object_, key)) Flag(key, value);
  }

  // A list of objects, at most `most`.
  void Objects(std::string_view key, size_t most, std::vector<const json::Object*>* list) {
    const json::Value* found = Take(key);
    if (!found) return;
    if (!found->is_array() || found->get_array().size() > most) {
      return Error(fmt::format("\"{}\" is no list of at most {} programs", key, most));
    }
    for (const json::Value& item : found->get_array()) {
      if (!item.is_object()) return Error(fmt::format("\"{}\" holds something else", key));
      list->push_back(&item.get_object());
    }
  }

  void Error(std::string text) {
    if (error_.empty()) error_ = std::move(text);
  }

  // Every key must have been asked for.
  Status Finish() {
    if (error_.empty() && object_.size() != known_.size()) {
      for (const auto& entry : object_) {
        const std::string_view key(entry.key().data(), entry.key().size());
        bool known = false;
        for (const std::string_view candidate : known_) known = known || candidate == key;
        if (!known) {
          Error(fmt::format("unknown key \"{}\"", key));
          break;
        }
      }
    }
    if (!error_.empty()) return Bad(error_);
    return {};
  }

 private:
  const json::Value* Take(std::string_view key) {
    const json::Value* found = json::Find(object_, key);
    if (!found) {
      Error(fmt::format("key \"{}\" is missing", key));
    } else {
      known_.push_back(key);
    }
    return found;
  }

  const json::Object& object_;
  std::vector<std::string_view> known_;
  std::string error_;
};

void ReadLayer(Reader* reader, Program* p) {
  constexpr double kFloatMax = std::numeric_limits<float>::max();
  reader->Size("heads", 1, 4096, &p->heads);
  reader->Size("kv_heads", 1, 4096, &p->kv_heads);
  reader->Size("head_dim", 1, 4096, &p->head_dim);
  reader->Size("ffn", 1, kMaxFfn, &p->ffn);
  reader->Size("context", 1, kMaxContext, &p->context);
  reader->Size("rope_dims", 0, 4096, &p->rope_dims);
  reader->Number("rope_theta", 1e-3, 1e15, &p->rope_theta);
  reader->Number("attention_scale", 1e-9, 1e9, &p->attention_scale);
  reader->Number("residual_scale", -kFloatMax, kFloatMax, &p->residual_scale);
  reader->Size("sliding_window", 0, kMaxContext, &p->sliding_window);
  reader->Name("activation", kActivations, &p->activation);
  reader->Flag("qk_norm", &p->qk_norm);
  reader->Flag("qkv_bias", &p->qkv_bias);
  reader->Flag("post_norms", &p->post_norms);
  if (p->kv_heads && p->heads % p->kv_heads != 0) {
    reader->Error(fmt::format("{} heads cannot share {} KV heads", p->heads, p->kv_heads));
  }
  if (uint64_t{p->heads} * p->head_dim > kMaxWidth) {
    reader->Error(
        fmt::format("{} heads of {} are more than {} columns", p->heads, p->head_dim, kMaxWidth));
  }
  if (p->rope_dims % 2 != 0 || p->rope_dims > p->head_dim) {
    reader->Error(fmt::format("\"rope_dims\" is {}: it must be even and at most head_dim {}",
                              p->rope_dims, p->head_dim));
  }
}

Result<Program> FromJson(const json::Object& object);

// Layers and then the post model, all of one width; no stack within a stack.
Status ReadParts(const std::vector<const json::Object*>& objects, Program* p) {
  for (size_t i = 0; i < objects.size(); ++i) {
    const bool last = i + 1 == objects.size();
    const json::Value* kind = json::Find(*objects[i], "kind");
    const Kind wanted = last ? Kind::kPost : Kind::kLayer;
    if (!kind || !kind->is_string() || json::View(kind->get_string()) != NameOf(kKinds, wanted)) {
      return Bad(fmt::format("part {} of the stack is no {}", i, NameOf(kKinds, wanted)));
    }
    AX_ASSIGN_OR_RETURN(Program part, FromJson(*objects[i]));
    if (part.hidden != p->hidden) {
      return Bad(
          fmt::format("part {} of the stack is {} wide, the stack {}", i, part.hidden, p->hidden));
    }
    if (!last && part.weights != p->weights) {
      return Bad(fmt::format("layer {} has weights of {}, the stack of {}", i,
                             NameOf(kWeights, part.weights), NameOf(kWeights, p->weights)));
    }
    p->parts.push_back(std::move(part));
  }
  if (p->parts.size() < 2) return Bad("a stack needs at least one layer and the post model");
  return {};
}

Result<Program> FromJson(const json::Object& object) {
  Program p;
  Reader reader(object);
  std::vector<const json::Object*> parts;
  reader.Name("kind", kKinds, &p.kind);
  reader.Name("weights", kWeights, &p.weights);
  reader.Size("hidden", 1, kMaxWidth, &p.hidden);
  reader.OptionalFlag("geometry", &p.geometry);
  if (p.kind == Kind::kStack) {
    reader.Objects("parts", kMaxStackLayers + 1, &parts);
  } else {
    reader.Number("norm_eps", 0.0, 1.0, &p.norm_eps);
  }
  if (p.kind == Kind::kPost) {
    if (p.weights == WeightType::kS4) reader.Error("a post model has no s4 weights");
    reader.OptionalFlag("embedding", &p.embedding);
    if (!p.embedding) {
      reader.Size("vocab", 1, kMaxVocab, &p.vocab);
      reader.Number("logit_scale", -1e9, 1e9, &p.logit_scale);
    }
  } else if (p.kind == Kind::kLayer) {
    ReadLayer(&reader, &p);
  }
  AX_RETURN_IF_ERROR(reader.Finish());
  if (p.kind == Kind::kStack) AX_RETURN_IF_ERROR(ReadParts(parts, &p));
  return p;
}

json::Object ToJson(const Program& p) {
  json::Object object;
  object["kind"] = NameOf(kKinds, p.kind);
  object["weights"] = NameOf(kWeights, p.weights);
  object["hidden"] = p.hidden;
  if (p.geometry) object["geometry"] = true;
  if (p.kind == Kind::kStack) {
    json::Array parts;
    for (const Program& part : p.parts) parts.push_back(ToJson(part));
    object["parts"] = std::move(parts);
    return object;
  }
  object["norm_eps"] = p.norm_eps;
  if (p.kind == Kind::kPost) {
    if (p.embedding) {
      object["embedding"] = true;
      return object;
    }
    object["vocab"] = p.vocab;
    object["logit_scale"] = p.logit_scale;
    return object;
  }
  object["heads"] = p.heads;
  object["kv_heads"] = p.kv_heads;
  object["head_dim"] = p.head_dim;
  object["ffn"] = p.ffn;
  object["context"] = p.context;
  object["rope_dims"] = p.rope_dims;
  object["rope_theta"] = p.rope_theta;
  object["attention_scale"] = p.attention_scale;
  object["residual_scale"] = p.residual_scale;
  object["sliding_window"] = p.sliding_window;
  object["activation"] = NameOf(kActivations, p.activation);
  object["qk_norm"] = p.qk_norm;
  object["qkv_bias"] = p.qkv_bias;
  object["post_norms"] = p.post_norms;
  return object;
}

}  // namespace

Result<Program> ParseProgram(std::string_view text) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(text, "program"));
  return FromJson(object);
}

std::string_view WeightsName(WeightType weights) { return NameOf(kWeights, weights); }

std::string WriteProgram(const Program& program) { return json::Write(ToJson(program)); }

std::string_view OutputName(const Program& stack) {
  return stack.parts.back().embedding ? "output" : "logits";
}

std::string PartPrefix(const Program& stack, size_t part) {
  return stack.parts[part].kind == Kind::kPost ? "" : fmt::format("l{}.", part);
}

}  // namespace axsim::spec
