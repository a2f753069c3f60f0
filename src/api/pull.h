// Ollama's POST /api/pull.
//
// Owner and threads: plain values. Source: facts 1.7 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::api {

struct PullRequest {
  std::string model;  // as the client spelled it; `name` is its old spelling
  bool insecure = false;
  bool stream = true;
};
Result<PullRequest> ParsePull(std::string_view body);

// {"status":...,"digest":...,"total":...,"completed":...}; what is empty or 0 is left out.
std::string WriteProgress(std::string_view status, std::string_view digest = "", uint64_t total = 0,
                          uint64_t completed = 0);

}  // namespace axollama::api
