// What /api/show answers, as text for people. Pure translation. Threads: plain functions.
#pragma once

#include <string>

#include "base/json.h"

namespace axollama::cli {

// The overview that `axollama show` prints: sections of aligned pairs. `verbose` adds all of
// model_info.
std::string ShowText(const json::Object& answer, bool verbose);

}  // namespace axollama::cli
