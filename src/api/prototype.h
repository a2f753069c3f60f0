// The API of the Python prototype that axollama replaces: /load, /generate, /reset, /health.
//
// Owner and threads: plain values. Each Write... gives one JSON object without a line end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::api {

struct PrototypeLoadRequest {
  std::string model_path;  // empty: report what is loaded
};
Result<PrototypeLoadRequest> ParsePrototypeLoad(std::string_view body);  // the body may be empty
// {"status":"loaded","model":...,"backend":...}
std::string WritePrototypeLoad(std::string_view model, std::string_view backend);

struct PrototypeGenerateRequest {
  std::string prompt;
  int64_t max_tokens = 128;
  double temperature = 0.8;
  double top_p = 0.9;
  int64_t top_k = 40;
  bool stream = false;
};
// Without a prompt, or with an empty one or no body: kInvalid `missing prompt`.
Result<PrototypeGenerateRequest> ParsePrototypeGenerate(std::string_view body);
std::string WritePrototypeText(std::string_view text);  // {"text":...}
// Lines of a stream: {"text":...,"done":false} and {"text":"","done":true,"done_reason":...}.
std::string WritePrototypeChunk(std::string_view text);
std::string WritePrototypeDone(std::string_view done_reason);

std::string WritePrototypeReset();  // {"status":"reset"}

struct PrototypeHealth {
  std::string status;        // ok, loading, recovering or failed
  std::string backend_type;  // axcl, axengine or sim
  bool model_loaded = false;
  std::optional<std::string> model_path;
  // Null where the device cannot tell.
  std::optional<double> temperature_c;
  std::optional<uint64_t> memory_usage_bytes, memory_total_bytes;  // written in MB (2^20)
  std::optional<double> npu_utilization_pct;
};
std::string WritePrototypeHealth(const PrototypeHealth& health);

}  // namespace axollama::api
