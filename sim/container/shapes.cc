#include "sim/container/shapes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/json.h"

namespace axsim::container {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
namespace json = axollama::json;
using spec::Program;

constexpr size_t kMaxTensors = 2 * spec::kMaxStackLayers + 3;  // of a group's inputs

struct NamedType {
  std::string_view name;
  DataType type;
};
constexpr NamedType kTypes[] = {{"none", DataType::kNone},     {"int8", DataType::kInt8},
                                {"uint8", DataType::kUint8},   {"uint32", DataType::kUint32},
                                {"bfloat16", DataType::kBf16}, {"float32", DataType::kFp32}};

std::string_view TypeName(DataType type) {
  for (const NamedType& entry : kTypes) {
    if (entry.type == type) return entry.name;
  }
  return "unknown";
}

void AddMatrix(const Program& p, std::string name, int64_t rows, int64_t cols,
               std::vector<ExpectedWeight>* out) {
  switch (p.weights) {
    case spec::WeightType::kBf16:
      out->push_back({std::move(name), DataType::kBf16, {rows, cols}, false});
      return;
    case spec::WeightType::kS8:
      out->push_back({name, DataType::kInt8, {rows, cols}, false});
      break;
    case spec::WeightType::kS4: {
      const auto spans = static_cast<int64_t>(spec::S4Spans(static_cast<uint64_t>(cols)));
      out->push_back({name, DataType::kUint8, {rows, spans * spec::kS4SpanBytes}, false});
      out->push_back({name + ".factor", DataType::kUint8, {rows, spans}, false});
      break;
    }
  }
  out->push_back({name + ".scale", DataType::kFp32, {rows}, false});
}

void AddVector(std::string name, int64_t size, std::vector<ExpectedWeight>* out,
               bool optional = false) {
  out->push_back({std::move(name), DataType::kFp32, {size}, optional});
}

Group LayerGroup(const Program& p, int32_t history, int32_t rows) {
  const int32_t kv = static_cast<int32_t>(p.kv_heads * p.head_dim);
  const int32_t hidden = static_cast<int32_t>(p.hidden);
  Group group;
  group.inputs = {{"K_cache", DataType::kBf16, {1, history, kv}},
                  {"V_cache", DataType::kBf16, {1, history, kv}},
                  {"indices", DataType::kUint32, {1, rows}},
                  {"input", DataType::kBf16, {1, rows, hidden}},
                  {"mask", DataType::kBf16, {1, rows, history + rows}}};
  group.outputs = {{"K_cache_out", DataType::kBf16, {1, rows, kv}},
                   {"V_cache_out", DataType::kBf16, {1, rows, kv}},
                   {"output", DataType::kBf16, {1, rows, hidden}}};
  return group;
}

Group StackGroup(const Program& p, StackStep step) {
  const auto rows = static_cast<int32_t>(step.rows), history = static_cast<int32_t>(step.history);
  Group group;
  group.inputs = {{"input_embeds", DataType::kBf16, {1, rows, static_cast<int32_t>(p.hidden)}},
                  {"indices", DataType::kUint32, {1, rows}},
                  {"mask", DataType::kBf16, {1, rows, history + rows}}};
  group.outputs = {{std::string(spec::OutputName(p)),
                    DataType::kBf16,
                    {1, rows, static_cast<int32_t>(p.parts.back().output_width())}}};
  for (size_t i = 0; i + 1 < p.parts.size(); ++i) {
    const auto kv = static_cast<int32_t>(p.parts[i].kv_heads * p.parts[i].head_dim);
    for (const char* name : {"k_cache", "v_cache"}) {
      group.inputs.push_back({fmt::format("{}_{}", name, i), DataType::kBf16, {1, history, kv}});
      group.outputs.push_back({fmt::format("{}_out_{}", name, i), DataType::kBf16, {1, rows, kv}});
    }
  }
  return group;
}

bool SameTensors(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.name == y.name && x.type == y.type && x.dims == y.dims;
  });
}

json::Array TensorsToJson(const std::vector<Tensor>& tensors) {
  json::Array array;
  for (const Tensor& tensor : tensors) {
    json::Object object;
    object["name"] = tensor.name;
    object["type"] = TypeName(tensor.type);
    object["dims"] = json::Array(tensor.dims.begin(), tensor.dims.end());
    array.push_back(std::move(object));
  }
  return array;
}

Result<std::vector<Tensor>> TensorsFromJson(const json::Object& object, std::string_view key) {
  const auto bad = [&] {
    return Fail(ErrorKind::kInvalid, fmt::format("axsim_io: \"{}\" is not a list of tensors", key));
  };
  const json::Value* list = json::Find(object, key);
  if (!list || !list->is_array() || list->get_array().size() > kMaxTensors) return bad();
  std::vector<Tensor> tensors;
  for (const json::Value& item : list->get_array()) {
    if (!item.is_object()) return bad();
    const json::Object& entry = item.get_object();
    Tensor tensor;
    AX_ASSIGN_OR_RETURN(tensor.name, json::GetString(entry, "name", ""));
    AX_ASSIGN_OR_RETURN(const std::string type, json::GetString(entry, "type", ""));
    const auto* named = std::find_if(std::begin(kTypes), std::end(kTypes),
                                     [&](const NamedType& t) { return t.name == type; });
    const json::Value* dims = json::Find(entry, "dims");
    if (named == std::end(kTypes) || !dims || !dims->is_array()) return bad();
    tensor.type = named->type;
    if (dims->get_array().size() > 8) return bad();
    for (const json::Value& dim : dims->get_array()) {
      if (!dim.is_int64() || dim.get_int64() < 1 ||
          dim.get_int64() > std::numeric_limits<int32_t>::max()) {
        return bad();
      }
      tensor.dims.push_back(static_cast<int32_t>(dim.get_int64()));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

uint64_t ElementBytes(DataType type) {
  switch (type) {
    case DataType::kInt8:
    case DataType::kUint8:
    case DataType::kNone:
      return 1;
    case DataType::kBf16:
      return 2;
    case DataType::kUint32:
    case DataType::kFp32:
      return 4;
  }
  return 1;
}

uint64_t Tensor::size_bytes() const {
  uint64_t size = ElementBytes(type);
  for (const int32_t dim : dims) size *= static_cast<uint64_t>(dim);
  return size;
}

std::vector<Group> LayerGroups(const Program& program, uint32_t kv_rows, uint32_t chunk,
                               const std::vector<uint32_t>& ladder) {
  std::vector<Group> groups = {LayerGroup(program, static_cast<int32_t>(kv_rows), 1)};
  for (const uint32_t history : ladder) {
    groups.push_back(LayerGroup(program, static_cast<int32_t>(std::max(history, 1u)),
                                static_cast<int32_t>(chunk)));
  }
  return groups;
}

std::vector<Group> PostGroups(const Program& program) {
  Group group;
  group.inputs = {{"input", DataType::kBf16, {1, 1, static_cast<int32_t>(program.hidden)}}};
  group.outputs = {
      {"output", DataType::kBf16, {1, 1, static_cast<int32_t>(program.output_width())}}};
  return {group};
}

std::vector<Group> StackGroups(const Program& program, const std::vector<StackStep>& steps) {
  std::vector<Group> groups;
  for (const StackStep step : steps) {
    groups.push_back(StackGroup(program, {std::max(step.history, 1u), step.rows}));
  }
  return groups;
}

std::vector<ExpectedWeight> ExpectedWeights(const Program& p) {
  std::vector<ExpectedWeight> out;
  if (p.kind == spec::Kind::kStack) {
    for (size_t i = 0; i < p.parts.size(); ++i) {
      for (ExpectedWeight& weight : ExpectedWeights(p.parts[i])) {
        weight.name.insert(0, spec::PartPrefix(p, i));
        out.push_back(std::move(weight));
      }
    }
    return out;
  }
  const int64_t hidden = p.hidden;
  if (p.kind == spec::Kind::kPost) {
    AddVector("norm", hidden, &out);
    if (!p.embedding) AddMatrix(p, "head", p.vocab, hidden, &out);
    return out;
  }
  const int64_t q_rows = int64_t{p.heads} * p.head_dim;
  const int64_t kv_rows = int64_t{p.kv_heads} * p.head_dim;
  AddVector("attn_norm", hidden, &out);
  AddMatrix(p, "q", q_rows, hidden, &out);
  AddMatrix(p, "k", kv_rows, hidden, &out);
  AddMatrix(p, "v", kv_rows, hidden, &out);
  if (p.qkv_bias) {
    AddVector("q_bias", q_rows, &out);
    AddVector("k_bias", kv_rows, &out);
    AddVector("v_bias", kv_rows, &out);
  }
  if (p.qk_norm) {
    AddVector("q_norm", p.head_dim, &out);
    AddVector("k_norm", p.head_dim, &out);
  }
  if (p.rope_dims > 0) AddVector("rope_factors", p.rope_dims / 2, &out, /*optional=*/true);
  AddMatrix(p, "o", hidden, q_rows, &out);
  if (p.post_norms) AddVector("attn_post_norm", hidden, &out);
  AddVector("ffn_norm", hidden, &out);
  AddMatrix(p, "gate", p.ffn, hidden, &out);
  AddMatrix(p, "up", p.ffn, hidden, &out);
  AddMatrix(p, "down", hidden, p.ffn, &out);
  if (p.post_norms) AddVector("ffn_post_norm", hidden, &out);
  return out;
}

std::string Describe(DataType type, const std::vector<int64_t>& dims) {
  return fmt::format("{} [{}]", TypeName(type), fmt::join(dims, ", "));
}

Status CheckWeight(const std::vector<ExpectedWeight>& expected, std::string_view name,
                   DataType type, const std::vector<int64_t>& dims, uint64_t size_bytes) {
  const auto found =
      std::find_if(expected.begin(), expected.end(),
                   [&](const ExpectedWeight& weight) { return weight.name == name; });
  if (found == expected.end()) {
    return Fail(ErrorKind::kInvalid, fmt::format("its program has no weight \"{}\"", name));
  }
  if (type != found->type || dims != found->dims) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("weight \"{}\" is {}, its program needs {}", name, Describe(type, dims),
                            Describe(found->type, found->dims)));
  }
  uint64_t need = ElementBytes(type);
  for (const int64_t dim : dims) need *= static_cast<uint64_t>(dim);
  if (size_bytes != need) {
    return Fail(ErrorKind::kInvalid, fmt::format("weight \"{}\" has {} bytes, its shape needs {}",
                                                 name, size_bytes, need));
  }
  return {};
}

Status CheckGroups(const Program& program, const std::vector<Group>& groups) {
  if (groups.empty()) return Fail(ErrorKind::kInvalid, "it has no shape group");
  for (size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    Group want;
    if (program.kind == spec::Kind::kPost) {
      want = PostGroups(program)[0];
    } else {
      const auto dim = [](const std::vector<Tensor>& tensors, size_t at) -> int32_t {
        return tensors.size() > at && tensors[at].dims.size() > 1 ? tensors[at].dims[1] : 1;
      };
      // Small enough that history + rows stays an int32.
      const bool stack = program.kind == spec::Kind::kStack;
      const int32_t history = std::min(dim(group.inputs, stack ? 3 : 0), 1 << 24);
      const int32_t rows = std::min(dim(group.inputs, stack ? 0 : 3), 1 << 24);
      want =
          stack ? StackGroup(program, {static_cast<uint32_t>(history), static_cast<uint32_t>(rows)})
                : LayerGroup(program, history, g == 0 ? 1 : rows);
    }
    if (!SameTensors(group.inputs, want.inputs) || !SameTensors(group.outputs, want.outputs)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the tensors of shape group {} do not fit its program", g));
    }
  }
  return {};
}

std::string WriteIo(const Group& group) {
  json::Object object;
  object["inputs"] = TensorsToJson(group.inputs);
  object["outputs"] = TensorsToJson(group.outputs);
  return json::Write(object);
}

Result<Group> ParseIo(std::string_view text) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(text, "axsim_io"));
  Group group;
  AX_ASSIGN_OR_RETURN(group.inputs, TensorsFromJson(object, "inputs"));
  AX_ASSIGN_OR_RETURN(group.outputs, TensorsFromJson(object, "outputs"));
  return group;
}

}  // namespace axsim::container
