// Model roots: which bundles there are, by name.
//
// `ROOT/NAME/TAG/` is NAME:TAG; a bundle directly in `ROOT/NAME/` is NAME:latest (design 3). Roots
// are searched in their order and the first one with a name wins; names compare without case.
// A name is letters, digits, `_`, `-` and `.`, not first a `.`; folders called otherwise are not
// models. A symbolic link that leads out of its root is no model either.
// Threads: plain functions and values; the file system is read anew by each call.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::bundle {

struct ModelRef {
  std::string name;              // "smollm2:135m", as the folders spell it
  std::filesystem::path folder;  // absolute, links resolved
};

// What the command line gave, else AXOLLAMA_MODELS (colon-separated), else HomeDir()/models.
std::vector<std::filesystem::path> ModelRoots(const std::vector<std::string>& from_command_line);

// Every model, sorted by name. Roots and folders that cannot be read are passed over.
std::vector<ModelRef> ListModels(const std::vector<std::filesystem::path>& roots);

// `name` without a tag means `:latest`. No such model, also for what cannot be a name: kNotFound
// with `model 'NAME' not found`.
Result<ModelRef> FindModel(const std::vector<std::filesystem::path>& roots, std::string_view name);

// A folder as a model, named after the model root it lies in, else after its last part.
Result<ModelRef> ModelOfFolder(const std::vector<std::filesystem::path>& roots,
                               std::string_view path);

}  // namespace axollama::bundle
