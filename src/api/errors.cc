#include "api/errors.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace axollama::api {

std::string WriteError(std::string_view message) {
  return json::Write(json::Object{{"error", message}});
}

Error ModelNotFound(std::string_view name) {
  return {ErrorKind::kNotFound, fmt::format("model '{}' not found", name)};
}

Error PromptTooLong(int64_t prompt_tokens, int64_t context_tokens) {
  return {ErrorKind::kTooLong,
          fmt::format("the prompt is longer than the context length currently available to the "
                      "model; shorten the prompt, adjust the context length in settings, or use a "
                      "model with a longer context length (the prompt has {} tokens, the context "
                      "{})",
                      prompt_tokens, context_tokens)};
}

Error RunnerStopped() {
  return {ErrorKind::kInternal,
          "model runner has unexpectedly stopped, this may be due to resource limitations or an "
          "internal error, check ollama server logs for details"};
}

std::string FullModelName(std::string_view name) {
  std::string full;
  switch (std::count(name.begin(), name.end(), '/')) {
    case 0:
      full = "registry.ollama.ai/library/";
      break;
    case 1:
      full = "registry.ollama.ai/";
      break;
    default:
      break;
  }
  full += name;
  const size_t slash = name.rfind('/');
  if (name.find(':', slash == std::string_view::npos ? 0 : slash) == std::string_view::npos) {
    full += ":latest";
  }
  return full;
}

}  // namespace axollama::api
