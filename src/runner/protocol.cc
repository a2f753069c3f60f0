#include "runner/protocol.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/http_status.h"
#include "base/json_writer.h"
#include "runner/closed_schema.h"

namespace axollama::runner {
namespace {

Error Field(std::string_view key, std::string_view must) {
  return {ErrorKind::kInvalid, "\"" + std::string(key) + "\" must be " + std::string(must)};
}

Result<std::vector<int32_t>> Tokens(const json::Value& value, std::string_view key) {
  const json::Array* array = value.if_array();
  if (array == nullptr) return Fail(Field(key, "an array of token ids"));
  std::vector<int32_t> tokens;
  tokens.reserve(array->size());
  for (const json::Value& item : *array) {
    const int64_t* id = item.if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      return Fail(Field(key, "an array of token ids"));
    }
    tokens.push_back(static_cast<int32_t>(*id));
  }
  return tokens;
}

Result<std::vector<std::string>> Strings(const json::Object& object, std::string_view key) {
  std::vector<std::string> strings;
  const json::Value* value = json::Find(object, key);
  if (value == nullptr) return strings;
  const json::Array* array = value->if_array();
  if (array == nullptr) return Fail(Field(key, "an array of strings"));
  for (const json::Value& item : *array) {
    const json::String* text = item.if_string();
    if (text == nullptr) return Fail(Field(key, "an array of strings"));
    strings.emplace_back(json::View(*text));
  }
  return strings;
}

Result<float> Number(const json::Object& object, std::string_view key, float otherwise) {
  AX_ASSIGN_OR_RETURN(const double number, json::GetDouble(object, key, otherwise));
  const float narrow = static_cast<float>(number);
  if (!std::isfinite(narrow)) return Fail(Field(key, "a number of ordinary size"));
  return narrow;
}

Result<int32_t> Whole(const json::Object& object, std::string_view key, int32_t otherwise) {
  AX_ASSIGN_OR_RETURN(const int64_t number, json::GetInt(object, key, otherwise));
  return static_cast<int32_t>(std::clamp<int64_t>(number, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

Status ReadSampling(const json::Object& object, engine::SamplingOptions* options) {
  AX_ASSIGN_OR_RETURN(options->temperature, Number(object, "temperature", options->temperature));
  AX_ASSIGN_OR_RETURN(options->top_k, Whole(object, "top_k", options->top_k));
  AX_ASSIGN_OR_RETURN(options->top_p, Number(object, "top_p", options->top_p));
  AX_ASSIGN_OR_RETURN(options->min_p, Number(object, "min_p", options->min_p));
  AX_ASSIGN_OR_RETURN(options->typical_p, Number(object, "typical_p", options->typical_p));
  AX_ASSIGN_OR_RETURN(options->repeat_penalty,
                      Number(object, "repeat_penalty", options->repeat_penalty));
  if (options->repeat_penalty <= 0) return Fail(Field("repeat_penalty", "greater than 0"));
  AX_ASSIGN_OR_RETURN(options->repeat_last_n,
                      Whole(object, "repeat_last_n", options->repeat_last_n));
  AX_ASSIGN_OR_RETURN(options->presence_penalty,
                      Number(object, "presence_penalty", options->presence_penalty));
  AX_ASSIGN_OR_RETURN(options->frequency_penalty,
                      Number(object, "frequency_penalty", options->frequency_penalty));
  AX_ASSIGN_OR_RETURN(options->seed, json::GetInt(object, "seed", options->seed));
  return {};
}

// The value of one bias: a number, or false for never.
Result<float> Bias(const json::Value& value) {
  if (const bool* allowed = value.if_bool(); allowed != nullptr && !*allowed) {
    return -std::numeric_limits<float>::infinity();
  }
  const double number = value.is_number() ? value.to_number<double>() : std::nan("");
  const float narrow = static_cast<float>(number);
  if (!std::isfinite(narrow)) {
    return Fail(Field("logit_bias", "pairs of a token id and a number or false"));
  }
  return narrow;
}

// [[id, bias], ...] or {"id": bias, ...}.
Result<std::vector<std::pair<int32_t, float>>> ReadLogitBias(const json::Object& object) {
  std::vector<std::pair<int32_t, float>> biases;
  const json::Value* value = json::Find(object, "logit_bias");
  if (value == nullptr) return biases;
  const Error bad = Field("logit_bias", "pairs of a token id and a number or false");
  if (const json::Object* pairs = value->if_object()) {
    for (const auto& [key, bias] : *pairs) {
      int32_t id = -1;
      const char* end = key.data() + key.size();
      const auto [rest, failed] = std::from_chars(key.data(), end, id);
      if (failed != std::errc() || rest != end || id < 0) return Fail(bad);
      AX_ASSIGN_OR_RETURN(const float added, Bias(bias));
      biases.emplace_back(id, added);
    }
    return biases;
  }
  const json::Array* pairs = value->if_array();
  if (pairs == nullptr) return Fail(bad);
  for (const json::Value& item : *pairs) {
    const json::Array* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2) return Fail(bad);
    const int64_t* id = (*pair)[0].if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) return Fail(bad);
    AX_ASSIGN_OR_RETURN(const float added, Bias((*pair)[1]));
    biases.emplace_back(static_cast<int32_t>(*id), added);
  }
  return biases;
}

Status ReadGrammar(const json::Object& object, CompletionRequest* request) {
  AX_ASSIGN_OR_RETURN(std::string grammar, json::GetString(object, "grammar", ""));
  AX_ASSIGN_OR_RETURN(std::string regex, json::GetString(object, "regex", ""));
  const json::Value* schema = json::Find(object, "json_schema");
  if (schema != nullptr && !schema->is_object()) return Fail(Field("json_schema", "an object"));
  if (!grammar.empty() + !regex.empty() + (schema != nullptr) > 1) {
    return Fail(ErrorKind::kInvalid,
                "only one of \"grammar\", \"json_schema\" and \"regex\" can be followed");
  }
  if (schema != nullptr) {
    request->grammar = {text::GrammarKind::kJsonSchema,
                        json::Write(ClosedSchema(schema->get_object()))};
  } else if (!regex.empty()) {
    request->grammar = {text::GrammarKind::kRegex, std::move(regex)};
  } else if (!grammar.empty()) {
    const bool lark = grammar.starts_with("%llguidance");
    request->grammar = {lark ? text::GrammarKind::kLark : text::GrammarKind::kGbnf,
                        std::move(grammar)};
  }
  AX_ASSIGN_OR_RETURN(request->generate.grammar_after,
                      json::GetString(object, "grammar_after", ""));
  return {};
}

json::Array IdArray(const std::vector<int32_t>& tokens) {
  json::Array array;
  array.reserve(tokens.size());
  for (const int32_t token : tokens) array.emplace_back(token);
  return array;
}

std::string Event(const json::Object& object) {
  std::string line = "data: ";
  json::WriteTo(object, &line);
  line += "\n\n";
  return line;
}

double Rounded(double milliseconds) { return std::round(milliseconds * 1000) / 1000; }

json::Object Final(std::string_view text, const std::vector<int32_t>& tokens,
                   const engine::Outcome& outcome) {
  const engine::Timings& timings = outcome.timings;
  std::string_view type = "limit";
  if (outcome.stop == engine::StopType::kEos) type = "eos";
  if (outcome.stop == engine::StopType::kWord) type = "word";
  return json::Object{{"content", text},
                      {"stop", true},
                      {"stop_type", type},
                      {"stopping_word", outcome.stopping_word},
                      {"tokens", IdArray(tokens)},
                      {"tokens_predicted", timings.predicted_n},
                      {"tokens_evaluated", timings.cache_n + timings.prompt_n},
                      {"tokens_cached", outcome.tokens_cached},
                      {"truncated", outcome.shifts > 0},
                      {"timings", json::Object{{"cache_n", timings.cache_n},
                                               {"prompt_n", timings.prompt_n},
                                               {"prompt_ms", Rounded(timings.prompt_ms)},
                                               {"predicted_n", timings.predicted_n},
                                               {"predicted_ms", Rounded(timings.predicted_ms)}}}};
}

std::string_view TypeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return "invalid_request_error";
    case ErrorKind::kTooLong:
      return "exceed_context_size_error";
    case ErrorKind::kNotFound:
      return "not_found_error";
    case ErrorKind::kConflict:
    case ErrorKind::kBusy:
    case ErrorKind::kUnavailable:
    case ErrorKind::kNoMemory:
      return "unavailable_error";
    case ErrorKind::kDevice:
    case ErrorKind::kTimeout:
      return "device_error";
    case ErrorKind::kForbidden:
    case ErrorKind::kCancelled:
    case ErrorKind::kIo:
    case ErrorKind::kInternal:
      break;
  }
  return "server_error";
}

json::Object ErrorObject(const Error& error, int code) {
  return json::Object{{"code", code}, {"message", error.message}, {"type", TypeOf(error.kind)}};
}

}  // namespace

Result<CompletionRequest> ReadCompletion(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(body, "the request"));
  if (json::Find(object, "response_format") != nullptr) {
    return Fail(ErrorKind::kInvalid, "\"response_format\" is not known here; send \"json_schema\"");
  }
  CompletionRequest request;
  const json::Value* prompt = json::Find(object, "prompt");
  if (prompt == nullptr) return Fail(Field("prompt", "given"));
  if (const json::String* text = prompt->if_string()) {
    request.text = std::string(json::View(*text));
  } else if (prompt->is_array()) {
    AX_ASSIGN_OR_RETURN(request.generate.tokens, Tokens(*prompt, "prompt"));
  } else {
    return Fail(Field("prompt", "a string or an array of token ids"));
  }
  AX_ASSIGN_OR_RETURN(request.stream, json::GetBool(object, "stream", false));
  AX_ASSIGN_OR_RETURN(request.encode.add_special, json::GetBool(object, "add_special", true));
  AX_ASSIGN_OR_RETURN(request.encode.parse_special, json::GetBool(object, "parse_special", true));

  engine::Request& generate = request.generate;
  AX_ASSIGN_OR_RETURN(generate.reuse_prefix, json::GetBool(object, "cache_prompt", true));
  AX_ASSIGN_OR_RETURN(generate.ignore_eos, json::GetBool(object, "ignore_eos", false));
  AX_ASSIGN_OR_RETURN(generate.max_tokens, json::GetInt(object, "n_predict", -1));
  generate.max_tokens = std::max<int64_t>(generate.max_tokens, -1);
  AX_ASSIGN_OR_RETURN(generate.stop, Strings(object, "stop"));
  AX_ASSIGN_OR_RETURN(request.preserved_tokens, Strings(object, "preserved_tokens"));
  AX_ASSIGN_OR_RETURN(generate.shift, json::GetBool(object, "context_shift", false));
  AX_ASSIGN_OR_RETURN(generate.keep_tokens, Whole(object, "n_keep", 0));
  AX_ASSIGN_OR_RETURN(const int32_t context, Whole(object, "n_ctx", 0));
  generate.context_tokens = static_cast<uint32_t>(std::max(context, 0));
  AX_RETURN_IF_ERROR(ReadSampling(object, &generate.sampling));
  AX_ASSIGN_OR_RETURN(generate.logit_bias, ReadLogitBias(object));
  AX_ASSIGN_OR_RETURN(const int64_t logprobs, json::GetInt(object, "n_probs", 0));
  if (logprobs < 0 || logprobs > 20) return Fail(Field("n_probs", "between 0 and 20"));
  generate.logprobs = static_cast<uint32_t>(logprobs);
  AX_ASSIGN_OR_RETURN(const bool post, json::GetBool(object, "post_sampling_probs", false));
  if (post) return Fail(Field("post_sampling_probs", "false"));
  AX_RETURN_IF_ERROR(ReadGrammar(object, &request));
  return request;
}

Result<TokenizeRequest> ReadTokenize(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(body, "the request"));
  if (json::Find(object, "content") == nullptr) return Fail(Field("content", "given"));
  TokenizeRequest request;
  AX_ASSIGN_OR_RETURN(request.content, json::GetString(object, "content", ""));
  AX_ASSIGN_OR_RETURN(request.encode.add_special, json::GetBool(object, "add_special", false));
  AX_ASSIGN_OR_RETURN(request.encode.parse_special, json::GetBool(object, "parse_special", true));
  return request;
}

Result<std::vector<int32_t>> ReadDetokenize(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(body, "the request"));
  const json::Value* tokens = json::Find(object, "tokens");
  if (tokens == nullptr) return Fail(Field("tokens", "given"));
  return Tokens(*tokens, "tokens");
}

std::string WritePiece(std::string_view text, const std::vector<int32_t>& tokens,
                       json::Array probabilities) {
  std::string line = "data: ";
  json::ObjectWriter object(&line);
  object.Add("content", text);
  object.Add("stop", false);
  object.Add("tokens", IdArray(tokens));
  if (!probabilities.empty()) object.Add("completion_probabilities", std::move(probabilities));
  object.End();
  line += "\n\n";
  return line;
}

std::string WriteLast(const engine::Outcome& outcome) { return Event(Final("", {}, outcome)); }

std::string WriteErrorEvent(const Error& error) {
  return Event(json::Object{{"error", ErrorObject(error, 500)}});
}

std::string WriteWhole(std::string_view text, const std::vector<int32_t>& tokens,
                       const engine::Outcome& outcome, json::Array probabilities) {
  json::Object object = Final(text, tokens, outcome);
  if (!probabilities.empty()) object["completion_probabilities"] = std::move(probabilities);
  return json::Write(object);
}

std::string WriteError(const Error& error) {
  return json::Write(json::Object{{"error", ErrorObject(error, HttpStatus(error.kind))}});
}

std::string WriteTooLong(const Error& error, size_t prompt_tokens, uint32_t context_tokens) {
  json::Object object = ErrorObject(error, HttpStatus(error.kind));
  object["n_prompt_tokens"] = prompt_tokens;
  object["n_ctx"] = context_tokens;
  return json::Write(json::Object{{"error", std::move(object)}});
}

}  // namespace axollama::runner
