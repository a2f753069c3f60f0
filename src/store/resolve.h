// What a command line or a setting calls a model: a name of the store or of a model root, as
// requests have it, or a folder.
//
// Threads: plain functions; the file system is read anew by each call.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bundle/roots.h"

namespace axollama::store {

// What contains '/' is a folder, anything else a name. kNotFound: `model 'x' not found`, or no such
// folder.
Result<bundle::ModelRef> ResolveModel(const std::vector<std::filesystem::path>& roots,
                                      std::string_view argument);

}  // namespace axollama::store
