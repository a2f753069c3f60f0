// A call whose answer is progress: shown on standard error as it comes. Threads: one.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/remote.h"

namespace axollama::cli {

// `as_json`: the lines go to standard output as they are instead.
Status StreamProgress(Remote& remote, std::string_view path, const json::Object& body,
                      bool as_json);

}  // namespace axollama::cli
