// The GGUF file that stands for a model of ours in Ollama's store: it has no weights, and names the
// model. integrations/stock-ollama/llama-server-model.py writes it.
//
// Threads: plain functions. Errors: kIo; kInvalid, the file is cut off. Source: the GGUF
// specification; facts 3.5 of the Ollama API.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace axollama::shim {

// The key of the first entry of such a file, a string.
inline constexpr std::string_view kModelKey = "axollama.model";

// The name of the model; nothing for whatever other file.
Result<std::optional<std::string>> ReadStub(const std::filesystem::path& file);

}  // namespace axollama::shim
