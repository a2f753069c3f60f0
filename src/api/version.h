// Versions as Go's semver package takes them, which Ollama asks for `requires`.
//
// Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::api {

// "v0.14.0", "0.14", "1.0.0-rc.1+b5": the version without its "v". kInvalid, in Ollama's words, if
// it is none.
Result<std::string> ParseVersion(std::string_view text);

}  // namespace axollama::api
