// Ollama's POST /api/generate: request and responses.
//
// Owner and threads: plain values. Units: durations in nanoseconds, times as wall-clock
// nanoseconds (base/clock.h). Errors: kInvalid with Ollama's sentence, or the field's name.
// Source: facts 1.3 of the Ollama API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/options.h"
#include "base/result.h"

namespace axollama::api {

struct GenerateRequest {
  std::string model;   // as the client spelled it; may be empty: then the model is not found
  std::string prompt;  // empty: load the model, or unload it with keep_alive 0
  std::string system;  // empty: the model's own
  std::vector<int32_t> context;
  bool raw = false;
  bool stream = true;
  std::optional<int64_t> keep_alive_ns;
  Options options;
  std::optional<Error>
      refused;  // what it asks for and is not there: to be said if the model exists

  bool load_only() const { return prompt.empty() && !unload(); }
  bool unload() const { return prompt.empty() && keep_alive_ns == 0; }
};

// `refused` for now, 400: non-empty format, images, suffix, template (except Ollama's own default
// "{{ .Prompt }}"), logprobs, think other than false; raw with any of system, template and context,
// as in Ollama. An empty body is `missing request body`.
Result<GenerateRequest> ParseGenerate(std::string_view body);

// What rides on the last object of an answer.
struct Statistics {
  int64_t total_ns = 0;
  int64_t load_ns = 0;
  int64_t prompt_tokens = 0;  // of the whole prompt, cached ones included
  int64_t prompt_ns = 0;
  int64_t eval_tokens = 0;
  int64_t eval_ns = 0;
};

// Each Write... gives one JSON object without a line end; a stream adds "\n" to each.
std::string WriteGenerateChunk(std::string_view model, int64_t created_ns, std::string_view text);

// The last object of a stream (`text` empty) or the whole answer of stream:false. `context` empty:
// left out. done_reason: "stop" or "length".
std::string WriteGenerateFinal(std::string_view model, int64_t created_ns, std::string_view text,
                               std::string_view done_reason, const std::vector<int32_t>& context,
                               const Statistics& statistics);

// The answer to an empty prompt; done_reason: "load" or "unload".
std::string WriteGenerateLoaded(std::string_view model, int64_t created_ns,
                                std::string_view done_reason);

}  // namespace axollama::api
