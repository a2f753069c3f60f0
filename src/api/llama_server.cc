#include "api/llama_server.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "api/openai_answer.h"
#include "api/openai_chat.h"
#include "api/options.h"
#include "api/sse.h"
#include "base/json.h"

namespace axollama::api {
namespace {

constexpr int64_t kMaxProbs = 20;  // Ollama's own limit of top_logprobs

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// llama-server's sampling fields are Ollama's options, two of them with other names.
Result<Options> ReadOptions(const json::Object& body) {
  constexpr std::string_view kSame[] = {"temperature",
                                        "top_k",
                                        "top_p",
                                        "min_p",
                                        "typical_p",
                                        "repeat_last_n",
                                        "repeat_penalty",
                                        "presence_penalty",
                                        "frequency_penalty",
                                        "seed",
                                        "stop"};
  json::Object options;
  for (const std::string_view key : kSame) {
    if (const json::Value* value = json::Find(body, key)) options.emplace(key, *value);
  }
  if (const json::Value* value = json::Find(body, "n_predict")) {
    options.emplace("num_predict", *value);
  }
  if (const json::Value* value = json::Find(body, "n_keep")) options.emplace("num_keep", *value);
  return ParseOptions({{"options", std::move(options)}});
}

Result<std::vector<int32_t>> ReadTokens(const json::Array& array) {
  std::vector<int32_t> out;
  out.reserve(array.size());
  for (const json::Value& value : array) {
    if (!value.is_int64() || value.get_int64() < 0 ||
        value.get_int64() > std::numeric_limits<int32_t>::max()) {
      return Bad("\"prompt\" holds something that is no token");
    }
    out.push_back(static_cast<int32_t>(value.get_int64()));
  }
  return out;
}

Status ReadPrompt(const json::Object& body, CompletionRequest* out) {
  const json::Value* prompt = json::Find(body, "prompt");
  if (prompt == nullptr) return Bad("\"prompt\" is missing");
  if (prompt->is_string()) {
    out->prompt = std::string(json::View(prompt->get_string()));
    return {};
  }
  if (prompt->is_array()) {
    AX_ASSIGN_OR_RETURN(out->prompt, ReadTokens(prompt->get_array()));
    return {};
  }
  if (prompt->is_object()) return Bad("this model takes no images");
  return Bad("\"prompt\" must be a string or an array of tokens");
}

// {"enable_thinking","reasoning_effort"}: how Ollama passes `think` on.
Result<Think> ReadThink(const json::Object& body) {
  const json::Value* value = json::Find(body, "chat_template_kwargs");
  if (value == nullptr) return Think::kUnset;
  if (!value->is_object()) return Bad("\"chat_template_kwargs\" must be an object");
  const json::Object& kwargs = value->get_object();
  AX_ASSIGN_OR_RETURN(const bool on, json::GetBool(kwargs, "enable_thinking", true));
  AX_ASSIGN_OR_RETURN(const std::string effort, json::GetString(kwargs, "reasoning_effort", ""));
  if (!on) return Think::kOff;
  constexpr std::pair<std::string_view, Think> kEfforts[] = {{"low", Think::kLow},
                                                             {"medium", Think::kMedium},
                                                             {"high", Think::kHigh},
                                                             {"max", Think::kMax}};
  for (const auto& [name, think] : kEfforts) {
    if (effort == name) return think;
  }
  return Think::kOn;
}

json::Object Timings(int64_t cache_n, int64_t prompt_n, double prompt_ms, int64_t predicted_n,
                     double predicted_ms) {
  return {{"cache_n", cache_n},
          {"prompt_n", prompt_n},
          {"prompt_ms", prompt_ms},
          {"predicted_n", predicted_n},
          {"predicted_ms", predicted_ms}};
}

std::string Chunk(json::Object delta, std::string_view finish_reason,
                  const std::vector<TokenLogprob>& logprobs, std::optional<json::Object> timings) {
  json::Object choice{{"index", 0}, {"delta", std::move(delta)}};
  if (!logprobs.empty()) choice.emplace("logprobs", WriteOpenAiLogprobs(logprobs));
  choice.emplace("finish_reason",
                 finish_reason.empty() ? json::Value(nullptr) : json::Value(finish_reason));
  json::Object out{{"object", "chat.completion.chunk"},
                   {"choices", json::Array{std::move(choice)}}};
  if (timings) out.emplace("timings", std::move(*timings));
  return SseData(out);
}

}  // namespace

Result<CompletionRequest> ParseLlamaCompletion(std::string_view text) {
  AX_ASSIGN_OR_RETURN(const json::Object body, json::ParseObject(text, "the request"));
  CompletionRequest out;
  AX_RETURN_IF_ERROR(ReadPrompt(body, &out));
  AX_ASSIGN_OR_RETURN(const Options options, ReadOptions(body));
  out.sampling = Resolve(options);
  out.keep_tokens = out.sampling.num_keep;
  AX_ASSIGN_OR_RETURN(out.grammar, json::GetString(body, "grammar", ""));
  if (const json::Value* schema = json::Find(body, "json_schema")) {
    if (!schema->is_object()) return Bad("\"json_schema\" must be an object");
    if (!out.grammar.empty()) return Bad("\"grammar\" and \"json_schema\" exclude each other");
    out.json_schema = json::Write(*schema);
  }
  AX_ASSIGN_OR_RETURN(const int64_t probs, json::GetInt(body, "n_probs", 0));
  out.n_probs = std::clamp<int64_t>(probs, 0, kMaxProbs);
  if (const json::Value* shown = json::Find(body, "preserved_tokens")) {
    if (!shown->is_array()) return Bad("\"preserved_tokens\" must be an array");
    for (const json::Value& token : shown->get_array()) {
      if (!token.is_string()) return Bad("\"preserved_tokens\" must be an array of strings");
      out.preserved_tokens.emplace_back(json::View(token.get_string()));
    }
  }
  return out;
}

Result<Turn> ParseLlamaChat(std::string_view text, std::string_view model) {
  AX_ASSIGN_OR_RETURN(json::Object body, json::ParseObject(text, "the request"));
  body["model"] = model;
  AX_ASSIGN_OR_RETURN(OpenAiChatRequest chat, ParseOpenAiChat(json::Write(body)));
  Turn& turn = chat.turn;
  AX_ASSIGN_OR_RETURN(Options options, ReadOptions(body));
  turn.options = Merge(std::move(options), turn.options);
  AX_ASSIGN_OR_RETURN(turn.think, ReadThink(body));
  turn.think_if_able = true;
  turn.truncate = false;
  return std::move(turn);
}

std::string WriteLlamaEvent(const CompletionEvent& event) {
  json::Object out{{"index", 0}, {"content", event.content}};
  out.emplace("tokens", json::Array(event.tokens.begin(), event.tokens.end()));
  out.emplace("stop", event.stop);
  if (!event.logprobs.empty()) {
    json::Object logprobs = WriteOpenAiLogprobs(event.logprobs);
    out.emplace("completion_probabilities", std::move(logprobs["content"]));
  }
  if (event.stop) {
    const CompletionTimings& t = event.timings;
    out.emplace("stop_type", event.stop_type);
    out.emplace("stopping_word", event.stopping_word);
    out.emplace("tokens_predicted", event.tokens_predicted);
    out.emplace("tokens_evaluated", event.tokens_evaluated);
    out.emplace("tokens_cached", event.tokens_cached);
    out.emplace("truncated", event.truncated);
    out.emplace("timings",
                Timings(t.cache_n, t.prompt_n, t.prompt_ms, t.predicted_n, t.predicted_ms));
  }
  return SseData(out);
}

std::string WriteLlamaChunk(const Piece& piece) {
  json::Object delta;
  if (!piece.thinking.empty()) delta.emplace("reasoning_content", piece.thinking);
  if (!piece.content.empty()) delta.emplace("content", piece.content);
  json::Array calls;
  for (const ToolCallDelta& call : piece.call_deltas) {
    json::Object function;
    json::Object one{{"index", call.index}};
    if (!call.name.empty()) {  // the first part
      one.emplace("id", call.id);
      one.emplace("type", "function");
      function.emplace("name", call.name);
    }
    function.emplace("arguments", call.arguments);
    one.emplace("function", std::move(function));
    calls.push_back(std::move(one));
  }
  if (!calls.empty()) delta.emplace("tool_calls", std::move(calls));
  return Chunk(std::move(delta), "", piece.logprobs, std::nullopt);
}

std::string WriteLlamaLastChunk(const Finish& finish) {
  const auto prompt = static_cast<int64_t>(finish.prompt_tokens.size());
  return Chunk({}, FinishReason(finish), {},
               Timings(finish.cached_tokens, prompt - finish.cached_tokens,
                       static_cast<double>(finish.prompt_ns) / 1e6, finish.eval_tokens,
                       static_cast<double>(finish.eval_ns) / 1e6));
}

}  // namespace axollama::api
