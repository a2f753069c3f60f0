// How a command of this room finds its model: the store is not the runner's.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bundle/roots.h"

namespace axollama::runner {

// By the model roots of the command line, and its MODEL.
using FindModel = std::function<Result<bundle::ModelRef>(
    const std::vector<std::filesystem::path>& roots, std::string_view argument)>;

}  // namespace axollama::runner
