// OpenAI's GET /v1/models and /v1/models/NAME, and the errors of all its routes.
//
// Owner and threads: plain values. Source: facts 1.9 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct OpenAiModel {
  std::string id;
  int64_t modified_ns = 0;  // wall-clock
};
// Newest first.
std::string WriteOpenAiModels(std::vector<OpenAiModel> models);
std::string WriteOpenAiModel(const OpenAiModel& model);

// {"error":{"message","type","param":null,"code":null}}; of a prompt that is too long the code is
// OpenAI's own, which clients look for: context_length_exceeded.
std::string WriteOpenAiError(const Error& error);
// The same for an error that has no kind, only a status.
std::string WriteOpenAiError(int status, std::string_view message);

}  // namespace axollama::api
