#include "api/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "api/protocol.h"
#include "api/runner.h"
#include "base/json.h"

namespace axollama::api {
namespace {

constexpr std::string_view kData = "data:";

// llama.cpp's seeds have 32 bits, and a negative one other than -1 wraps.
int64_t Seed(int64_t seed) {
  return seed == -1 ? -1 : static_cast<int64_t>(static_cast<uint32_t>(seed));
}

// No counter of the runner's needs more, and all of them fit then.
int64_t Bounded(int64_t value) {
  return std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(),
                             std::numeric_limits<int32_t>::max());
}

Result<CompletionTimings> ReadTimings(const json::Object& event) {
  CompletionTimings t;
  const json::Value* value = json::Find(event, "timings");
  if (value == nullptr) return t;
  if (!value->is_object()) return ProtocolError("\"timings\" is no object");
  const json::Object& object = value->get_object();
  AX_ASSIGN_OR_RETURN(t.cache_n, json::GetInt(object, "cache_n", 0));
  AX_ASSIGN_OR_RETURN(t.prompt_n, json::GetInt(object, "prompt_n", 0));
  AX_ASSIGN_OR_RETURN(t.prompt_ms, json::GetDouble(object, "prompt_ms", 0));
  AX_ASSIGN_OR_RETURN(t.predicted_n, json::GetInt(object, "predicted_n", 0));
  AX_ASSIGN_OR_RETURN(t.predicted_ms, json::GetDouble(object, "predicted_ms", 0));
  return t;
}

// {"bytes","logprob"}: the token by its bytes, which may be a part of a character.
Status ReadLogprob(const json::Value& value, std::string* token, double* logprob) {
  if (!value.is_object()) return ProtocolError("a logprob that is no object");
  const json::Object& object = value.get_object();
  const json::Value* bytes = json::Find(object, "bytes");
  if (bytes == nullptr || !bytes->is_array()) return ProtocolError("a logprob without \"bytes\"");
  for (const json::Value& byte : bytes->get_array()) {
    if (!byte.is_int64() || byte.get_int64() < 0 || byte.get_int64() > 255) {
      return ProtocolError("\"bytes\" holds something else than bytes");
    }
    token->push_back(static_cast<char>(byte.get_int64()));
  }
  AX_ASSIGN_OR_RETURN(*logprob, json::GetDouble(object, "logprob", 0));
  return {};
}

Result<std::vector<TokenLogprob>> ReadLogprobs(const json::Object& event) {
  std::vector<TokenLogprob> all;
  const json::Value* value = json::Find(event, "completion_probabilities");
  if (value == nullptr) return all;
  if (!value->is_array()) return ProtocolError("\"completion_probabilities\" is no array");
  for (const json::Value& item : value->get_array()) {
    TokenLogprob& one = all.emplace_back();
    AX_RETURN_IF_ERROR(ReadLogprob(item, &one.token, &one.logprob));
    const json::Value* top = json::Find(item.get_object(), "top_logprobs");
    if (top == nullptr || !top->is_array()) continue;
    for (const json::Value& other : top->get_array()) {
      auto& [token, logprob] = one.top.emplace_back();
      AX_RETURN_IF_ERROR(ReadLogprob(other, &token, &logprob));
    }
  }
  return all;
}

Result<CompletionEvent> ReadEvent(const json::Object& object) {
  CompletionEvent e;
  if (json::Find(object, "content") == nullptr) return ProtocolError("no \"content\"");
  AX_ASSIGN_OR_RETURN(e.content, json::GetString(object, "content", ""));
  AX_ASSIGN_OR_RETURN(e.tokens, ReadTokens(object));
  AX_ASSIGN_OR_RETURN(e.logprobs, ReadLogprobs(object));
  AX_ASSIGN_OR_RETURN(e.stop, json::GetBool(object, "stop", false));
  if (!e.stop) return e;
  AX_ASSIGN_OR_RETURN(e.stop_type, json::GetString(object, "stop_type", ""));
  AX_ASSIGN_OR_RETURN(e.stopping_word, json::GetString(object, "stopping_word", ""));
  AX_ASSIGN_OR_RETURN(e.tokens_predicted, json::GetInt(object, "tokens_predicted", 0));
  AX_ASSIGN_OR_RETURN(e.tokens_evaluated, json::GetInt(object, "tokens_evaluated", 0));
  AX_ASSIGN_OR_RETURN(e.tokens_cached, json::GetInt(object, "tokens_cached", 0));
  AX_ASSIGN_OR_RETURN(e.truncated, json::GetBool(object, "truncated", false));
  AX_ASSIGN_OR_RETURN(e.timings, ReadTimings(object));
  return e;
}

Result<CompletionEvent> ParseEvent(std::string_view text) {
  auto value = json::Parse(text);
  if (!value) return ProtocolError(value.error().message);
  if (!value->is_object()) return ProtocolError("an event is no object");
  const json::Object& object = value->get_object();
  if (json::Find(object, "error") != nullptr) return Fail(ParseRunnerError(500, text));
  auto event = ReadEvent(object);
  if (!event && event.error().kind != ErrorKind::kInternal) {
    return ProtocolError(event.error().message);
  }
  return event;
}

}  // namespace

std::string WriteCompletionRequest(const CompletionRequest& request) {
  const Sampling& s = request.sampling;
  json::Object object;
  if (const auto* text = std::get_if<std::string>(&request.prompt)) {
    object.emplace("prompt", *text);
  } else {
    const auto& tokens = std::get<std::vector<int32_t>>(request.prompt);
    object.emplace("prompt", json::Array(tokens.begin(), tokens.end()));
  }
  object.emplace("stream", request.stream);
  object.emplace("cache_prompt", true);
  object.emplace("n_predict", std::max<int64_t>(Bounded(s.num_predict), -1));
  object.emplace("temperature", std::max(s.temperature, 0.0));
  object.emplace("top_k", std::max<int64_t>(Bounded(s.top_k), 0));
  object.emplace("top_p", s.top_p);
  object.emplace("min_p", s.min_p);
  object.emplace("typical_p", s.typical_p);
  object.emplace("repeat_penalty", s.repeat_penalty);
  object.emplace("repeat_last_n", std::max<int64_t>(Bounded(s.repeat_last_n), -1));
  object.emplace("presence_penalty", s.presence_penalty);
  object.emplace("frequency_penalty", s.frequency_penalty);
  object.emplace("seed", Seed(s.seed));
  object.emplace("stop", json::Array(s.stop.begin(), s.stop.end()));
  if (request.context_tokens > 0) object.emplace("n_ctx", Bounded(request.context_tokens));
  object.emplace("context_shift", request.shift);
  object.emplace("n_keep", std::max<int64_t>(Bounded(request.keep_tokens), -1));
  if (!request.preserved_tokens.empty()) {
    const std::vector<std::string>& shown = request.preserved_tokens;
    object.emplace("preserved_tokens", json::Array(shown.begin(), shown.end()));
  }
  if (auto schema = json::Parse(request.json_schema)) {
    object.emplace("json_schema", std::move(*schema));
  }
  if (!request.grammar.empty()) object.emplace("grammar", request.grammar);
  if (!request.grammar_after.empty()) object.emplace("grammar_after", request.grammar_after);
  json::Array biases;
  for (const auto& [id, bias] : request.logit_bias) biases.push_back(json::Array{id, bias});
  if (!biases.empty()) object.emplace("logit_bias", std::move(biases));
  if (request.n_probs > 0) object.emplace("n_probs", request.n_probs);
  object.emplace("add_special", request.add_special);
  object.emplace("parse_special", request.parse_special);
  return json::Write(object);
}

Result<std::optional<CompletionEvent>> ParseCompletionLine(std::string_view line) {
  if (line.empty() || line.front() == ':') return std::nullopt;
  if (!line.starts_with(kData)) return ProtocolError("a line without \"data:\"");
  AX_ASSIGN_OR_RETURN(CompletionEvent event, ParseEvent(line.substr(kData.size())));
  return event;
}

std::string_view DoneReason(std::string_view stop_type) {
  return stop_type == "limit" ? "length" : "stop";
}

}  // namespace axollama::api
