#include "sim/build/layout.h"

#include <fmt/core.h>

#include <utility>

namespace axsim::build {
namespace {

constexpr std::pair<std::string_view, Layout> kNames[] = {
    {"layers", Layout::kLayers}, {"split", Layout::kSplit}, {"single", Layout::kSingle}};

PlannedFile LayerFile(const Description& d, const Steps& steps, size_t index) {
  const FileDescription& layer = d.layers[index];
  return {LayerFileName(d, steps, std::to_string(index)),
          layer.program,
          container::LayerGroups(layer.program, steps.kv_rows, steps.chunk_rows, steps.ladder),
          {{&layer, ""}}};
}

PlannedFile StackFile(const Description& d, std::string name,
                      const std::vector<container::StackStep>& steps) {
  PlannedFile file;
  file.name = std::move(name);
  file.program.kind = spec::Kind::kStack;
  file.program.hidden = d.hidden;
  file.program.geometry = d.post.program.geometry;
  file.program.weights = d.layers.front().program.weights;
  for (const FileDescription& layer : d.layers) file.program.parts.push_back(layer.program);
  file.program.parts.push_back(d.post.program);
  for (size_t i = 0; i < file.program.parts.size(); ++i) {
    file.parts.push_back(
        {i < d.layers.size() ? &d.layers[i] : &d.post, spec::PartPrefix(file.program, i)});
  }
  file.groups = container::StackGroups(file.program, steps);
  return file;
}

}  // namespace

std::string_view LayoutName(Layout layout) {
  for (const auto& [name, value] : kNames) {
    if (value == layout) return name;
  }
  return kNames[0].first;
}

std::optional<Layout> ParseLayout(std::string_view text) {
  for (const auto& [name, value] : kNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

std::vector<PlannedFile> PlanFiles(Layout layout, const Description& d, const Steps& steps) {
  std::vector<PlannedFile> files;
  if (layout == Layout::kLayers) {
    files.push_back(
        {PostFileName(d), d.post.program, container::PostGroups(d.post.program), {{&d.post, ""}}});
    for (size_t i = 0; i < d.layers.size(); ++i) files.push_back(LayerFile(d, steps, i));
    return files;
  }
  const std::vector<container::StackStep> decode = {{steps.kv_rows, 1}};
  std::vector<container::StackStep> prefill;
  for (const uint32_t history : steps.ladder) prefill.push_back({history, steps.chunk_rows});
  if (layout == Layout::kSplit) {
    files.push_back(StackFile(d, "model_prefill.axmodel", prefill));
    files.push_back(StackFile(d, "model_decode.axmodel", decode));
    return files;
  }
  std::vector<container::StackStep> all = decode;
  all.insert(all.end(), prefill.begin(), prefill.end());
  files.push_back(StackFile(d, "model.axmodel", all));
  return files;
}

std::string LayerFileName(const Description& d, const Steps& steps, std::string_view index) {
  return fmt::format("{}_p{}_l{}_together.axmodel", d.model_type, steps.chunk_rows, index);
}

std::string PostFileName(const Description& d) {
  return fmt::format("{}_post.axmodel", d.model_type);
}

}  // namespace axsim::build
