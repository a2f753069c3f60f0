// Which .axmodel files a bundle has, and what each of them holds.
// Owner: a plan points into the description it was made from. Threads: plain functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/build/description.h"
#include "sim/container/axmodel.h"
#include "sim/spec/program.h"

namespace axsim::build {

enum class Layout {
  kLayers,  // a file per layer and one for the post model, as `pulsar2 llm_build` makes them
  kSplit,   // model_prefill.axmodel and model_decode.axmodel, each with all weights
  kSingle,  // model.axmodel, whose groups share the weights
};

std::string_view LayoutName(Layout layout);
std::optional<Layout> ParseLayout(std::string_view name);

// The shape groups: one that decodes after `kv_rows` rows, and one per history of the ladder that
// prefills `chunk_rows`.
struct Steps {
  uint32_t kv_rows = 0;
  uint32_t chunk_rows = 0;
  std::vector<uint32_t> ladder;
};

struct PlannedFile {
  std::string name;
  spec::Program program;
  std::vector<container::Group> groups;
  struct Part {
    const FileDescription* description;
    std::string prefix;  // of the names of its weights
  };
  std::vector<Part> parts;
};

// The largest file first. The programs of `description` are complete.
std::vector<PlannedFile> PlanFiles(Layout layout, const Description& description,
                                   const Steps& steps);

// As config.json names them.
std::string LayerFileName(const Description& description, const Steps& steps,
                          std::string_view index);
std::string PostFileName(const Description& description);

}  // namespace axsim::build
