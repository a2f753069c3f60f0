#include <fmt/format.h>

#include "sim/container/axmodel.h"
#include "sim/container/onnx.h"
#include "sim/container/shapes.h"
#include "sim/container/wire.h"

namespace axsim::container {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

constexpr size_t kMaxGroups = 4096;
constexpr size_t kMaxWeights = 4096;
constexpr std::string_view kLfsStart = "version https://git-lfs.github.com/spec/";
constexpr std::string_view kDocStart = "axollama-sim Version:";

auto Bad(std::string text) { return Fail(ErrorKind::kInvalid, std::move(text)); }

// Text of a stranger's file, fit for one line of an error.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

struct Shell {
  std::string_view producer;
  std::string_view doc;
  std::string_view graph;
  bool has_version = false;
  bool has_graph = false;
  bool broken = false;
  bool cut = false;
};

// The outermost message. Fields whose wire type is not ONNX's mark it as broken.
Shell WalkShell(std::string_view bytes) {
  Shell shell;
  Walker walker(bytes);
  Field field;
  while (walker.Next(&field)) {
    const bool is_bytes = field.type == WireType::kBytes;
    bool good = true;
    switch (field.number) {
      case onnx::model::kIrVersion:
        good = field.type == WireType::kVarint && field.varint >= 1 && field.varint < 1000;
        shell.has_version = good;
        break;
      case onnx::model::kProducerName:
        good = is_bytes;
        shell.producer = field.bytes;
        break;
      case onnx::model::kDocString:
        good = is_bytes;
        shell.doc = field.bytes;
        break;
      case onnx::model::kGraph:
        good = is_bytes && !shell.has_graph;
        shell.has_graph = true;
        shell.graph = field.bytes;
        break;
      default:
        break;
    }
    if (!good) {
      shell.broken = true;
      return shell;
    }
  }
  shell.broken = walker.broken();
  shell.cut = walker.cut();
  return shell;
}

Status CheckShell(std::string_view bytes, const Shell& shell) {
  if (bytes.empty()) return Bad("the file is empty (0 bytes): copy or build it again");
  if (bytes.starts_with(kLfsStart)) {
    return Bad("is a Git LFS pointer, not the model: run `git lfs pull` in its folder");
  }
  if (!shell.has_version) return Bad("is no .axmodel (not an ONNX container)");
  if (shell.has_version && !shell.producer.empty() && shell.producer != spec::kProducerName) {
    if (shell.producer.starts_with("Pulsar2")) {
      return Bad(
          "was made by Pulsar2 for the NPU: it needs an AXERA card, the simulated card "
          "runs only files of axollama-sim");
    }
    return Bad(fmt::format("was made by \"{}\": the simulated card runs only files of axollama-sim",
                           Printable(shell.producer)));
  }
  if (shell.cut) return Bad("is cut short: copy or build it again");
  if (shell.broken) return Bad("is damaged: copy or build it again");
  if (shell.producer != spec::kProducerName) {
    return Bad(
        "is an ONNX file that names no producer: the simulated card runs only files of "
        "axollama-sim");
  }
  if (!shell.has_graph) return Bad("is cut short: it has no graph; copy or build it again");
  return {};
}

auto Damaged(std::string_view what) {
  return Bad(fmt::format("is damaged in {}: copy or build it again", what));
}

struct Attributes {
  std::string_view program;
  std::string_view io;
};

Result<Attributes> ReadNode(std::string_view message) {
  Attributes out;
  std::string_view domain, op_type;
  Walker walker(message);
  Field field;
  while (walker.Next(&field)) {
    if (field.type != WireType::kBytes) continue;
    if (field.number == onnx::node::kDomain) domain = field.bytes;
    if (field.number == onnx::node::kOpType) op_type = field.bytes;
    if (field.number != onnx::node::kAttribute) continue;
    std::string_view name, value;
    Walker attribute(field.bytes);
    Field part;
    while (attribute.Next(&part)) {
      if (part.type != WireType::kBytes) continue;
      if (part.number == onnx::attribute::kName) name = part.bytes;
      if (part.number == onnx::attribute::kString) value = part.bytes;
    }
    if (attribute.broken()) return Damaged("a node's attribute");
    if (name == spec::kProgramAttribute) out.program = value;
    if (name == spec::kOutputsAttribute) out.io = value;
  }
  if (walker.broken()) return Damaged("a node");
  if (domain != spec::kOpDomain || op_type != spec::kOpType) {
    return Bad(fmt::format("has a node of type \"{}:{}\", which the simulated card does not know",
                           Printable(domain), Printable(op_type)));
  }
  if (out.program.empty() || out.io.empty()) {
    return Bad("has a node without its program or tensors: build it again");
  }
  return out;
}

struct NamedWeight {
  std::string_view name;
  Weight weight;
};

Result<NamedWeight> ReadTensor(std::string_view message, std::string_view file) {
  NamedWeight out;
  Walker walker(message);
  Field field;
  while (walker.Next(&field)) {
    switch (field.number) {
      case onnx::tensor::kDims:
        if (field.type == WireType::kVarint) {
          out.weight.dims.push_back(static_cast<int64_t>(field.varint));
        } else if (field.type == WireType::kBytes) {
          const char* at = field.bytes.data();
          const char* end = at + field.bytes.size();
          while (at != end && out.weight.dims.size() <= 8) {
            try {
              out.weight.dims.push_back(static_cast<int64_t>(protozero::decode_varint(&at, end)));
            } catch (const protozero::exception&) {
              return Damaged("a weight's shape");
            }
          }
        }
        if (out.weight.dims.size() > 8) return Damaged("a weight's shape");
        break;
      case onnx::tensor::kDataType:
        out.weight.type = onnx::ToDataType(field.varint);
        break;
      case onnx::tensor::kName:
        out.name = field.bytes;
        break;
      case onnx::tensor::kRawData:
        out.weight.data = std::as_bytes(std::span(field.bytes.data(), field.bytes.size()));
        break;
      default:
        break;
    }
  }
  if (walker.broken() || out.name.empty()) return Damaged("a weight");
  const char* data = reinterpret_cast<const char*>(out.weight.data.data());
  if (data && static_cast<size_t>(data - file.data()) % 64 != 0) {
    return Bad(
        fmt::format("weight \"{}\" is not 64-byte aligned: build it again", Printable(out.name)));
  }
  return out;
}

}  // namespace

Result<Model> Read(std::span<const std::byte> file) {
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  const Shell shell = WalkShell(bytes);
  AX_RETURN_IF_ERROR(CheckShell(bytes, shell));

  Model model;
  model.producer_name = shell.producer;
  std::string_view version = shell.doc;
  if (version.starts_with(kDocStart)) version.remove_prefix(kDocStart.size());
  while (version.starts_with(' ')) version.remove_prefix(1);
  model.compiler_version = Printable(version.substr(0, version.find('\n')));

  std::vector<Attributes> nodes;
  std::vector<NamedWeight> weights;
  Walker walker(shell.graph);
  Field field;
  while (walker.Next(&field)) {
    if (field.type != WireType::kBytes) continue;
    if (field.number == onnx::graph::kNode) {
      if (nodes.size() == kMaxGroups) return Damaged("its graph (too many nodes)");
      AX_ASSIGN_OR_RETURN(const Attributes node, ReadNode(field.bytes));
      nodes.push_back(node);
    } else if (field.number == onnx::graph::kInitializer) {
      if (weights.size() == kMaxWeights) return Damaged("its graph (too many weights)");
      AX_ASSIGN_OR_RETURN(NamedWeight weight, ReadTensor(field.bytes, bytes));
      weights.push_back(std::move(weight));
    }
  }
  if (walker.broken()) return Damaged("its graph");
  if (nodes.empty()) return Bad("has no program: build it again");

  AX_ASSIGN_OR_RETURN(model.program, spec::ParseProgram(nodes[0].program));
  for (const Attributes& node : nodes) {
    if (node.program != nodes[0].program) return Damaged("its programs, which differ");
    AX_ASSIGN_OR_RETURN(Group group, ParseIo(node.io));
    model.groups.push_back(std::move(group));
  }
  AX_RETURN_IF_ERROR(CheckGroups(model.program, model.groups));

  const std::vector<ExpectedWeight> expected = ExpectedWeights(model.program);
  for (NamedWeight& entry : weights) {
    AX_RETURN_IF_ERROR(CheckWeight(expected, Printable(entry.name), entry.weight.type,
                                   entry.weight.dims, entry.weight.data.size()));
    if (!model.weights.emplace(entry.name, std::move(entry.weight)).second) {
      return Damaged(fmt::format("weight \"{}\", which is there twice", Printable(entry.name)));
    }
  }
  for (const ExpectedWeight& want : expected) {
    if (!want.optional && model.weights.find(want.name) == model.weights.end()) {
      return Bad(fmt::format("weight \"{}\" is missing: build it again", want.name));
    }
  }
  return model;
}

}  // namespace axsim::container
