// The runner's other routes as the supervisor uses them: /props, /tokenize, /detokenize,
// /apply-template, and its errors.
//
// Owner and threads: plain values. Errors of Parse...: kInternal, the runner broke its protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/turn.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct RunnerProps {
  int64_t context_tokens = 0;  // n_ctx
  std::string chat_template;
  std::string model_path;
  std::string backend;  // "axcl", "axengine" or "sim"
  int64_t card_id = 0;
  uint64_t card_uid = 0;
  std::string library;
  int64_t vocabulary_tokens = 0;
  int64_t chunk_tokens = 0;
  int64_t max_prompt_tokens = 0;
  int64_t layers = 0;
  uint64_t cmm_bytes = 0;
  double load_ms = 0;
};
Result<RunnerProps> ParseProps(std::string_view body);

std::string WriteTokenizeRequest(std::string_view text, bool add_special, bool parse_special);
Result<std::vector<int32_t>> ParseTokens(std::string_view body);

std::string WriteDetokenizeRequest(const std::vector<int32_t>& tokens);
Result<std::string> ParseContent(std::string_view body);

// As transformers' apply_chat_template takes them.
json::Array TemplateMessages(const std::vector<Message>& messages);

struct TemplateRequest {
  json::Array messages;
  std::string tools_json;                  // an array, or empty
  std::optional<bool> enable_thinking;     // absent: the template's own default
  std::string reasoning_effort;            // empty: the same
  std::optional<std::string> go_template;  // instead of the model's own
  std::string prompt, suffix;              // for that one: instead of messages, if both are given
};
std::string WriteApplyTemplateRequest(const TemplateRequest& request);
Result<std::string> ParsePrompt(std::string_view body);

// A runner's answer with a status other than 200, as an error: the prompt that is too long comes in
// Ollama's words with both numbers (kTooLong), a bad field as kInvalid, loading as kUnavailable,
// the device's trouble as kDevice, anything else as kInternal.
Error ParseRunnerError(int status, std::string_view body);

}  // namespace axollama::api
