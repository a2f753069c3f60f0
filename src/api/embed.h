// Embeddings: Ollama's POST /api/embed and the older /api/embeddings, OpenAI's POST /v1/embeddings,
// and what the runner is asked for them.
//
// Owner and threads: plain values. Units: durations in nanoseconds. Errors of Parse...: kInvalid
// with Ollama's sentence, or the field's name; of the runner's answer kInternal. Source: facts 1.6
// and 1.9 of the Ollama API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/options.h"
#include "base/result.h"

namespace axollama::api {

struct EmbedInput {
  std::string text;
  std::optional<std::vector<int32_t>> tokens;  // instead of it, on OpenAI's route
};

struct EmbedRequest {
  std::string model;               // as the client spelled it
  std::vector<EmbedInput> inputs;  // none: the model is loaded only
  bool truncate = true;            // cut inputs that are too long, instead of a 400
  bool normalize = true;           // to the length 1
  int64_t dimensions = 0;          // how many values are wanted; 0, or more than there are: all
  bool as_base64 = false;          // OpenAI's encoding_format
  std::optional<int64_t> keep_alive_ns;
  Options options;
  // What is wrong with it and, as in Ollama, said only when the model is known to exist.
  std::optional<Error> refused;
};
// The model may be empty: then it is not found.
Result<EmbedRequest> ParseEmbed(std::string_view body);
Result<EmbedRequest> ParseEmbeddings(std::string_view body);  // a missing model is kInvalid
Result<EmbedRequest> ParseOpenAiEmbeddings(std::string_view body);

struct Embedded {
  std::vector<std::vector<float>> vectors;  // in the order of the inputs
  int64_t tokens = 0;                       // of all inputs, as they were computed
  int64_t total_ns = 0, load_ns = 0;
};
std::string WriteEmbed(std::string_view model, const Embedded& embedded);
std::string WriteEmbeddings(const Embedded& embedded);
std::string WriteOpenAiEmbeddings(const EmbedRequest& request, const Embedded& embedded);

// Of one input, its vector as the model gives it.
std::string WriteRunnerEmbedding(const std::vector<int32_t>& tokens, int64_t context_tokens);
Result<std::vector<float>> ParseRunnerEmbedding(std::string_view body);

}  // namespace axollama::api
