// The URL of an upstream Ollama, as a setting has it.
//
// Threads: a plain function.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::upstream {

// `[scheme://]host[:port][/path]` as OLLAMA_HOST is read, made whole: "http://127.0.0.1:11434".
// kInvalid says what is wrong; a user's name, a query and a fragment are.
Result<std::string> ParseUrl(std::string_view text);

}  // namespace axollama::upstream
