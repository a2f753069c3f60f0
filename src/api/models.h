// Ollama's /api/tags, /api/ps, /api/show and /api/version.
//
// Owner and threads: plain values. Times are wall-clock nanoseconds, sizes bytes.
// Source: facts 1.7 of the Ollama API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/options.h"
#include "api/turn.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

inline constexpr std::string_view kOllamaVersion = "0.33.0";  // the API we are compatible with

struct ModelDetails {
  std::string parent_model;
  std::string format = "axmodel";
  std::string family;
  std::vector<std::string> families;  // empty: [family]
  std::string parameter_size;         // "134.5M"; see FormatParameterSize
  std::string quantization_level;     // "S8", "BF16"
  int64_t context_length = 0;         // 0: left out
  int64_t embedding_length = 0;       // 0: left out
};

struct TagEntry {
  std::string name;  // "smollm2:135m"
  int64_t modified_ns = 0;
  uint64_t size_bytes = 0;
  std::string digest;  // 64 hex digits, no prefix
  ModelDetails details;
  std::vector<std::string> capabilities;
};
// Newest first. {"models":[]} when there are none.
std::string WriteTags(std::vector<TagEntry> models);

struct PsEntry {
  std::string name;
  uint64_t size_bytes = 0;
  std::string digest;
  ModelDetails details;
  int64_t expires_ns = 0;  // INT64_MAX: for ever
  uint64_t size_vram_bytes = 0;
  int64_t context_length = 0;
};
// Longest expiry first.
std::string WritePs(std::vector<PsEntry> models);

struct ShowRequest {
  std::string model;   // never empty; `name` is its old spelling
  std::string system;  // shown instead of the model's
  Options options;     // go over the model's parameters in the Modelfile
  bool verbose = false;
};
Result<ShowRequest> ParseShow(std::string_view body);

struct ShowResponse {
  std::vector<std::string> licenses;
  std::string parameters;                  // FormatParameters of options.h
  std::string modelfile_parameters;        // the same with the request's options
  std::string template_text;               // the one that is used: the bundle's Jinja, or a Go one
  std::optional<std::string> go_template;  // what a Modelfile may say
  std::string system;
  std::vector<Message> messages;
  std::string required_version;  // of Ollama, as it was asked for; empty: none
  ModelDetails details;
  json::Object model_info;  // always written, also when empty
  json::Array tensors;      // [{"name","type","shape"}]
  std::vector<std::string> capabilities;
  int64_t modified_ns = 0;
};
// `from` is what a Modelfile would name: the folder, or the model. Arrays of model_info with more
// than 5 entries are emptied unless verbose.
std::string WriteShow(std::string_view name, std::string_view from, ShowResponse show,
                      bool verbose);

std::string WriteVersion();

// 134515008 -> "134.52M", 1720574976 -> "1.7B", as Ollama rounds.
std::string FormatParameterSize(uint64_t parameters);

}  // namespace axollama::api
